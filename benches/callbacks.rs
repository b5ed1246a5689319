//! Durable callbacks over HTTP, against the same listener with nothing in the place of the disk:
//! `cargo bench --bench callbacks`. Client and listener share the machine; the ratio is the figure.
//!
//! Between the two stands the floor: the same listener over a bare file, one append and one `fdatasync` for all callbacks
//! that wait. It tells what the disk costs by itself, which on a busy machine is most of it.
//!
//! `APTIQD_BENCH_SECONDS` (3) is the length of one round, `APTIQD_BENCH_ROUNDS` (3) their number;
//! the best round of each side is compared, since machines are noisy. `APTIQD_BENCH_CONNECTIONS` picks one of 1, 32, 256.

use aptiqd::apartmentiq::{self, CallbackKeys, Client};
use aptiqd::callback::{Acknowledge, Counters, Limits, Unavailable, serve};
use aptiqd::engine::{self, Engine, Errands, Handle};
use aptiqd::landing::{self, Landing};
use aptiqd::run::AttemptId;
use aptiqd::store;
use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const CONNECTIONS: [usize; 3] = [1, 32, 256];

/// Nothing in the place of the disk.
#[derive(Clone)]
struct Nothing;

impl Acknowledge for Nothing {
    async fn acknowledge(&self, _: AttemptId) -> Result<(), Unavailable> {
        Ok(())
    }
}

/// The least that durability can cost: a bare file, one thread, one `fdatasync` for all that wait.
#[derive(Clone)]
struct Floor(mpsc::Sender<(AttemptId, oneshot::Sender<()>)>);

impl Floor {
    fn start(folder: &Path) -> Floor {
        let mut file = File::create(folder.join("floor")).expect("a file");
        let (sender, mut receiver) = mpsc::channel::<(AttemptId, oneshot::Sender<()>)>(4_096);
        std::thread::spawn(move || {
            let mut batch = Vec::new();
            while receiver.blocking_recv_many(&mut batch, 1_024) > 0 {
                let lines: String = batch
                    .iter()
                    .map(|(attempt, _)| format!("{attempt}\n"))
                    .collect();
                file.write_all(lines.as_bytes()).expect("written");
                file.sync_data().expect("synced");
                for (_, reply) in batch.drain(..) {
                    let _ = reply.send(());
                }
            }
        });
        Floor(sender)
    }
}

impl Acknowledge for Floor {
    async fn acknowledge(&self, attempt: AttemptId) -> Result<(), Unavailable> {
        let (reply, answer) = oneshot::channel();
        self.0
            .send((attempt, reply))
            .await
            .map_err(|_| Unavailable)?;
        answer.await.map_err(|_| Unavailable)
    }
}

/// The durable side: the daemon's own engine over its own store, so that an answer means journal,
/// `fdatasync`, sled.
#[derive(Clone)]
struct Durable(Handle);

impl Durable {
    fn start(runtime: &tokio::runtime::Runtime, folder: &Path) -> Durable {
        let token = folder.join("token");
        std::fs::write(&token, "bench").expect("a token file");
        let settings = store::Settings::new(folder.join("state"), aptiqd::clock::now());
        let (disk, _) = store::Disk::open(settings).expect("a store");
        let api = Client::new(apartmentiq::Settings {
            base_url: "http://127.0.0.1:9".into(),
            token_url: "http://127.0.0.1:9".into(),
            credential: apartmentiq::Credential::Token { file: token },
            standby_token_file: None,
            request_timeout: Duration::from_secs(1),
            requests_per_minute: 1,
        });
        let landing = Landing::open(landing::Settings {
            root: folder.join("exports"),
            bytes_max: 1,
            allowed_hosts: Vec::new(),
            loopback_allowed: true,
            read_timeout: Duration::from_secs(1),
        });
        let errands = Errands {
            api: api.expect("a client"),
            landing: landing.expect("a landing folder"),
            keys: Arc::new(CallbackKeys::parse(KEY).expect("a key")),
            public_url: None,
            published: Arc::new(|_, _| Ok(Vec::new())),
        };
        let options = engine::Options {
            limits: aptiqd::roster::Limits {
                open_jobs_max: 1,
                downloads: 1,
                poll_interval: Duration::from_secs(30),
                submit_settle: Duration::from_secs(600),
            },
            schedules: Vec::new(),
            beat: Box::new(|| ()),
            beat_period: None,
            ended: Box::new(|_| ()),
        };
        let (engine, handle) = Engine::open(Arc::new(disk), errands, options).expect("an engine");
        runtime.spawn(engine.run(CancellationToken::new()));
        Durable(handle)
    }
}

impl Acknowledge for Durable {
    async fn acknowledge(&self, attempt: AttemptId) -> Result<(), Unavailable> {
        self.0
            .callback(attempt)
            .await
            .then_some(())
            .ok_or(Unavailable)
    }
}

#[derive(Clone, Copy)]
struct Figures {
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

fn main() {
    let seconds = setting("APTIQD_BENCH_SECONDS", 3);
    let rounds = setting("APTIQD_BENCH_ROUNDS", 3);
    let folder = tempfile::tempdir_in(".").expect("a folder on the disk to be measured");
    println!("callbacks: best of {rounds} rounds of {seconds} s, durable against nothing");
    println!(
        "connections   nothing/s     floor/s   durable/s   of nothing   of floor   durable p50   durable p99"
    );
    let only = setting("APTIQD_BENCH_CONNECTIONS", 0) as usize;
    let chosen = CONNECTIONS
        .iter()
        .filter(|connections| only == 0 || only == **connections);
    for &connections in chosen {
        let mut best: [Option<Figures>; 3] = [None; 3];
        // In turn, because disks are noisy.
        for round in 0..rounds {
            let path = folder.path().join(format!("{connections}-{round}"));
            std::fs::create_dir(&path).expect("a folder");
            let time = Duration::from_secs(seconds);
            let figures = [
                measure(|_| Nothing, connections, time),
                measure(|_| Floor::start(&path), connections, time),
                measure(|runtime| Durable::start(runtime, &path), connections, time),
            ];
            for (best, figures) in best.iter_mut().zip(figures) {
                let better = best.is_none_or(|best| figures.per_second > best.per_second);
                *best = if better { Some(figures) } else { *best };
            }
        }
        let [nothing, floor, durable] = best.map(|best| best.expect("at least one round"));
        println!(
            "{connections:>11} {:>11.0} {:>11.0} {:>11.0} {:>11.0}% {:>9.0}% {:>10.2} ms {:>10.2} ms",
            nothing.per_second,
            floor.per_second,
            durable.per_second,
            100.0 * durable.per_second / nothing.per_second,
            100.0 * durable.per_second / floor.per_second,
            durable.p50.as_secs_f64() * 1e3,
            durable.p99.as_secs_f64() * 1e3,
        );
    }
}

fn setting(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(default, |value| value.parse().expect("a whole number"))
}

/// The listener in its own runtime as in the daemon, the senders in another.
fn measure<A: Acknowledge>(
    start: impl FnOnce(&tokio::runtime::Runtime) -> A,
    connections: usize,
    time: Duration,
) -> Figures {
    let listening = runtime();
    let acknowledger = start(&listening);
    let stop = CancellationToken::new();
    let keys = Arc::new(CallbackKeys::parse(KEY).expect("a key"));
    let listener = listening.block_on(TcpListener::bind("127.0.0.1:0"));
    let listener = listener.expect("bind");
    let at = listener.local_addr().expect("address");
    let serving = listening.spawn(serve(
        listener,
        keys.clone(),
        acknowledger,
        Limits::default(),
        stop.clone(),
        Arc::new(Counters::default()),
    ));
    let figures = runtime().block_on(send(at, &keys, connections, time));
    stop.cancel();
    listening.block_on(serving).expect("the listener stops");
    figures
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

async fn send(at: SocketAddr, keys: &CallbackKeys, connections: usize, time: Duration) -> Figures {
    let start = Instant::now();
    let senders: Vec<_> = (0..connections)
        .map(|number| {
            let attempt = format!("bench.20261122T183000Z.p{}.a1", number + 1);
            let token = keys.token(&attempt.parse().expect("an attempt"));
            tokio::spawn(sender(at, token, start + time))
        })
        .collect();
    let mut latencies = Vec::new();
    for sender in senders {
        latencies.extend(sender.await.expect("a sender"));
    }
    let took = start.elapsed();
    latencies.sort_unstable();
    let quantile = |q: f64| latencies[((latencies.len() - 1) as f64 * q) as usize];
    Figures {
        per_second: latencies.len() as f64 / took.as_secs_f64(),
        p50: quantile(0.50),
        p99: quantile(0.99),
    }
}

/// One keep-alive connection, one request at a time: what a sender's latency really is.
async fn sender(at: SocketAddr, token: String, end: Instant) -> Vec<Duration> {
    let body = r#"{"job_id":"5b0c1c5e-7f8a-4a52-9d8e-0d6a1f0e7b11","status":"succeeded"}"#;
    let request = format!(
        "POST /cb/v1/{token} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(at).await.expect("connect");
    stream.set_nodelay(true).expect("nodelay");
    let mut latencies = Vec::new();
    let mut answer = Vec::with_capacity(256);
    while Instant::now() < end {
        let sent = Instant::now();
        stream.write_all(request.as_bytes()).await.expect("send");
        answer.clear();
        while !answer.ends_with(b"\r\n\r\n") {
            let read = stream.read_buf(&mut answer).await.expect("an answer");
            assert!(read > 0, "the listener closed");
        }
        assert!(answer.starts_with(b"HTTP/1.1 202 "), "not accepted");
        latencies.push(sent.elapsed());
    }
    latencies
}
