//! The command line's side of the admin API: finds the daemon and asks it.

use super::view::{Code, Error, Problem};
use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt};
use http_body_util::{BodyExt, Collected, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// Where the configuration of the system's service lies.
const SYSTEM_CONFIG: &str = "/etc/aptiqd/aptiqd.toml";
/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long the headers of an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The largest document read.
const DOCUMENT_MAX: usize = 256 * 1024 * 1024;

/// Where a daemon may be, in the order to try.
#[derive(Clone, Debug, Default)]
pub struct Places {
    pub sockets: Vec<PathBuf>,
    pub listen: Option<SocketAddr>,
    /// For TCP only.
    pub bearer: Option<SecretString>,
    /// The configuration that says so, for the help.
    pub config: Option<PathBuf>,
}

#[derive(Clone, Debug)]
enum Address {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

/// A daemon that answered.
#[derive(Clone, Debug)]
pub struct Client {
    address: Address,
    bearer: Option<SecretString>,
}

impl Places {
    /// The first place where something listens.
    ///
    /// # Errors
    /// `unreachable`, with what was tried.
    pub async fn connect(&self) -> Result<Client, Error> {
        let sockets = self.sockets.iter().cloned().map(Address::Unix);
        let addresses: Vec<Address> = sockets.chain(self.listen.map(Address::Tcp)).collect();
        let mut tried = Vec::new();
        for address in addresses {
            match address.open().await {
                Ok(_) => {
                    let bearer = self.bearer.clone();
                    return Ok(Client { address, bearer });
                }
                Err(error) => tried.push(format!("{}: {}", address.label(), plain(&error))),
            }
        }
        Err(self.unreachable(&tried))
    }

    fn unreachable(&self, tried: &[String]) -> Error {
        let message = format!("no daemon answers ({})", tried.join("; "));
        let denied = tried.iter().any(|line| line.ends_with("permission denied"));
        let help = match &self.config {
            _ if denied => "you may not open the socket: join its group, or use sudo".to_owned(),
            // By hand it would make folders that the service's user cannot write.
            Some(path) if path == Path::new(SYSTEM_CONFIG) => {
                "start it: systemctl start aptiqd".to_owned()
            }
            Some(path) => format!(
                "start it: aptiqd run --config {}",
                shell_word(&path.to_string_lossy())
            ),
            None => "start it: aptiqd run --config aptiqd.toml".to_owned(),
        };
        Error::new(Code::Unreachable, message, help)
    }
}

/// What went wrong, without the system's numbers.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "not there".to_owned(),
        io::ErrorKind::ConnectionRefused => "nobody listens".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::TimedOut => "no answer in time".to_owned(),
        _ => error.to_string(),
    }
}

/// A path as it can be pasted into a shell.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Address {
    fn label(&self) -> String {
        match self {
            Address::Unix(path) => path.display().to_string(),
            Address::Tcp(address) => address.to_string(),
        }
    }

    async fn open(&self) -> io::Result<Box<dyn Duplex>> {
        let connect = async {
            Ok(match self {
                Address::Unix(path) => {
                    let reach = super::socket::Reach::of(path)?;
                    Box::new(UnixStream::connect(reach.path()).await?) as Box<dyn Duplex>
                }
                Address::Tcp(address) => Box::new(TcpStream::connect(address).await?),
            })
        };
        tokio::time::timeout(CONNECT_WITHIN, connect)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Client {
    /// A client of one socket, without looking for others.
    pub fn of_socket(path: PathBuf) -> Client {
        Client {
            address: Address::Unix(path),
            bearer: None,
        }
    }

    /// Reads a document; `path` begins with `/` and is already encoded.
    pub async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let answer = self.send(Method::GET, path, None, None).await?;
        decode(answer).await
    }

    /// Asks for an act.
    pub async fn act<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        let body = serde_json::to_vec(body)
            .map_err(|error| broken("the request cannot be written", error))?;
        let answer = self.send(Method::POST, path, Some(body), None).await?;
        decode(answer).await
    }

    /// Events from now on, or beyond `after`; ends when the daemon does.
    pub async fn follow(
        &self,
        path: &str,
        after: Option<u64>,
    ) -> Result<impl Stream<Item = Result<super::view::Event, Error>> + Send + use<>, Error> {
        let answer = self.send(Method::GET, path, None, Some(after)).await?;
        let answer = refused(answer).await?;
        let body = answer.into_body();
        let lines = futures_util::stream::unfold(
            (body, Vec::<u8>::new()),
            async |(mut body, mut buffer)| loop {
                if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = buffer.drain(..=end).collect();
                    return Some((Ok(line), (body, buffer)));
                }
                match body.frame().await? {
                    Ok(frame) => buffer.extend_from_slice(frame.data_ref().map_or(&[][..], |d| d)),
                    Err(error) => {
                        let error = cut("the stream of events", error);
                        return Some((Err(error), (body, buffer)));
                    }
                }
            },
        );
        Ok(lines.filter_map(async |line| match line {
            Err(error) => Some(Err(error)),
            Ok(line) => {
                let json = line.strip_prefix(b"data:")?;
                let event = serde_json::from_slice(json);
                Some(event.map_err(|error| broken("an event cannot be read", error)))
            }
        }))
    }

    /// `stream`: an event stream is wanted, beyond which event.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        stream: Option<Option<u64>>,
    ) -> Result<Response<Incoming>, Error> {
        let lost = |error: &dyn std::fmt::Display| {
            let message = format!(
                "the daemon at {} does not answer: {error}",
                self.address.label()
            );
            Error::new(
                Code::Unreachable,
                message,
                "see its log, or `aptiqd status`",
            )
        };
        let io = self.address.open().await.map_err(|error| lost(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(io))
            .await
            .map_err(|error| lost(&error))?;
        tokio::spawn(connection);
        let request = self.request(method, path, body, stream)?;
        tokio::time::timeout(ANSWER_WITHIN, sender.send_request(request))
            .await
            .map_err(|_| lost(&"no answer in time"))?
            .map_err(|error| lost(&error))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        stream: Option<Option<u64>>,
    ) -> Result<Request<Full<Bytes>>, Error> {
        let host = match &self.address {
            Address::Unix(_) => "localhost".to_owned(),
            Address::Tcp(address) => address.to_string(),
        };
        let accept = match stream {
            Some(_) => "text/event-stream",
            None => "application/json",
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, host)
            .header(header::ACCEPT, accept);
        if let Some(Some(after)) = stream {
            request = request.header("last-event-id", after);
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let (Address::Tcp(_), Some(bearer)) = (&self.address, &self.bearer) {
            let mut value =
                header::HeaderValue::try_from(format!("Bearer {}", bearer.expose_secret()))
                    .map_err(|_| {
                        let message =
                            "the token in admin.token_file has characters no header can carry";
                        Error::new(Code::Config, message, "write a token of one line into it")
                    })?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        request
            .body(Full::from(body.unwrap_or_default()))
            .map_err(|error| broken("the request cannot be written", error))
    }
}

fn broken(what: &str, error: impl std::fmt::Display) -> Error {
    Error::new(
        Code::Failed,
        format!("{what}: {error}"),
        "are `aptiqd` here and the daemon of the same version?",
    )
}

/// A refusal as the error it carries; anything else as it is.
async fn refused(answer: Response<Incoming>) -> Result<Response<Incoming>, Error> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let body = collect(answer).await?;
    Err(match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => Error::from(problem),
        Err(_) => broken("the daemon refused", status),
    })
}

async fn decode<T: DeserializeOwned>(answer: Response<Incoming>) -> Result<T, Error> {
    let body = collect(refused(answer).await?).await?;
    serde_json::from_slice(&body).map_err(|error| broken("the answer cannot be read", error))
}

async fn collect(answer: Response<Incoming>) -> Result<Bytes, Error> {
    let body = Limited::new(answer.into_body(), DOCUMENT_MAX);
    let collected = body.collect().await;
    collected
        .map(Collected::to_bytes)
        .map_err(|error| match error.is::<LengthLimitError>() {
            true => broken("the answer cannot be read", error),
            false => cut("the answer", error),
        })
}

/// The daemon went away in the middle of it.
fn cut(what: &str, error: impl std::fmt::Display) -> Error {
    Error::new(
        Code::Unreachable,
        format!("{what} of the daemon broke off: {error}"),
        "see its log, or `aptiqd status`",
    )
}
