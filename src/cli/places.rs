//! Where the daemon may be, read leniently from the configuration: whoever may use its socket need
//! not be able to read its secrets, and a fault in `[api]` must not keep anyone from `status`.

use super::exit::Failure;
use crate::admin::client::{Client, Places};
use crate::admin::view::Code;
use crate::config;
use secrecy::SecretString;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

const RUNTIME_SOCKET: &str = "/run/aptiqd/admin.sock";
const SYSTEM_CONFIG: &str = "/etc/aptiqd/aptiqd.toml";
const LISTEN: &str = "127.0.0.1:8471";

/// A daemon that answers.
///
/// # Errors
/// `config` if the named configuration cannot be read, `unreachable` if nobody answers.
pub async fn connect(config: Option<&Path>) -> Result<Client, Failure> {
    let places = places(config, |name| std::env::var(name).ok())?;
    Ok(places.connect().await?)
}

/// The places in the order of the contract.
fn places(
    named: Option<&Path>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Places, Failure> {
    let lenient = Lenient::read(named, variable)?;
    let state = lenient.path("state", "path", "state");
    let mut sockets: Vec<PathBuf> = Vec::new();
    sockets.extend(
        lenient
            .text("admin", "socket")
            .map(|socket| lenient.folder().join(socket)),
    );
    sockets.push(RUNTIME_SOCKET.into());
    sockets.push(state.join("admin.sock"));
    let listen = lenient
        .text("admin", "listen")
        .unwrap_or_else(|| LISTEN.to_owned());
    let token = lenient.text("admin", "token_file");
    let bearer = token
        .and_then(|file| std::fs::read_to_string(lenient.folder().join(file)).ok())
        .map(|token| SecretString::from(token.trim()));
    Ok(Places {
        sockets,
        listen: listen.parse::<SocketAddr>().ok(),
        bearer,
        config: lenient.file.clone(),
    })
}

/// The landing folder.
///
/// # Errors
/// `config` if the configuration cannot be read or is not TOML.
pub fn landing(named: Option<&Path>) -> Result<PathBuf, Failure> {
    let config = Lenient::read(named, |name| std::env::var(name).ok())?;
    Ok(config.path("landing", "path", "exports"))
}

/// Refuses a configuration at fault, save for secrets that this user need not have.
///
/// # Errors
/// `config` with every fault.
pub fn prove(file: &Path) -> Result<(), Failure> {
    let Err(mut faults) = config::load(file, super::environment().into_iter()) else {
        return Ok(());
    };
    faults.retain(|fault| !fault.is_of_secret());
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Failure::of_faults(&faults)),
    }
}

/// A configuration read for single keys, whatever else is wrong with it.
pub struct Lenient<V> {
    /// Where it lies, if there is one.
    pub file: Option<PathBuf>,
    table: toml::Table,
    variable: V,
}

impl<V: Fn(&str) -> Option<String>> Lenient<V> {
    /// Reads the one that is named, else the one at the usual places.
    ///
    /// # Errors
    /// `config` if it cannot be read or is not TOML.
    pub fn read(named: Option<&Path>, variable: V) -> Result<Lenient<V>, Failure> {
        let by_variable = || variable("APTIQD_CONFIG").filter(|path| !path.is_empty());
        let named = named
            .map(Path::to_owned)
            .or_else(|| by_variable().map(PathBuf::from));
        let (file, table) = match &named {
            Some(path) => (Some(path.clone()), read(path)?),
            None => usual()?,
        };
        Ok(Lenient {
            file,
            table,
            variable,
        })
    }

    /// What relative paths are relative to.
    pub fn folder(&self) -> &Path {
        let folder = self.file.as_deref().and_then(Path::parent);
        folder.unwrap_or(Path::new(""))
    }

    /// A key of a section, or its variable, which wins.
    pub fn text(&self, section: &str, key: &str) -> Option<String> {
        let name = format!("APTIQD_{}__{}", section.to_uppercase(), key.to_uppercase());
        let written = || {
            self.table
                .get(section)?
                .get(key)?
                .as_str()
                .map(str::to_owned)
        };
        let overridden = (self.variable)(&name).filter(|value| !value.is_empty());
        overridden.or_else(written)
    }

    pub fn path(&self, section: &str, key: &str, default: &str) -> PathBuf {
        let text = self.text(section, key);
        self.folder().join(text.as_deref().unwrap_or(default))
    }

    /// The folder of the schedules.
    pub fn schedules(&self) -> PathBuf {
        let overridden = (self.variable)("APTIQD_SCHEDULES");
        let written = || Some(self.table.get("schedules")?.as_str()?.to_owned());
        let folder = overridden.or_else(written);
        self.folder().join(folder.as_deref().unwrap_or("schedules"))
    }
}

/// The configuration where it usually lies; none is no fault.
fn usual() -> Result<(Option<PathBuf>, toml::Table), Failure> {
    for path in [Path::new("aptiqd.toml"), Path::new(SYSTEM_CONFIG)] {
        match std::fs::read_to_string(path) {
            Ok(text) => return Ok((Some(path.to_owned()), parse(path, &text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // The operator may not read it, but may know the socket.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Ok((Some(path.to_owned()), toml::Table::new()));
            }
            Err(error) => return Err(unreadable(path, &error)),
        }
    }
    Ok((None, toml::Table::new()))
}

fn read(path: &Path) -> Result<toml::Table, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<toml::Table, Failure> {
    text.parse::<toml::Table>().map_err(|error| {
        let message = format!("{} is not TOML: {}", path.display(), error.message());
        Failure::new(Code::Config, message, "`aptiqd check` shows where")
    })
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let message = format!("cannot read the configuration {}: {error}", path.display());
    let help = "name it with --config FILE; `aptiqd init DIR` makes one";
    Failure::new(Code::Config, message, help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("aptiqd.toml");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn the_order_is_the_contracts_and_paths_are_relative_to_the_file() {
        let (folder, path) = written(
            "[admin]\nsocket = \"own.sock\"\nlisten = \"127.0.0.1:9\"\n[state]\npath = \"var\"\n",
        );
        let places = places(Some(&path), |_| None).unwrap();
        let expected = [
            folder.path().join("own.sock"),
            RUNTIME_SOCKET.into(),
            folder.path().join("var/admin.sock"),
        ];
        assert_eq!(places.sockets, expected);
        assert_eq!(places.listen, "127.0.0.1:9".parse().ok());
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let (_folder, path) = written("[admin]\nsocket = \"own.sock\"\n");
        let places = places(Some(&path), |name| {
            (name == "APTIQD_ADMIN__SOCKET").then(|| "/other.sock".to_owned())
        })
        .unwrap();
        assert_eq!(places.sockets[0], Path::new("/other.sock"));
    }

    #[test]
    fn a_named_configuration_must_be_there_and_be_toml() {
        let missing = places(Some(Path::new("/nowhere/aptiqd.toml")), |_| None);
        assert_eq!(missing.unwrap_err().error.code, Code::Config);
        let (_folder, path) = written("this is not toml");
        assert_eq!(
            places(Some(&path), |_| None).unwrap_err().error.code,
            Code::Config
        );
    }
}
