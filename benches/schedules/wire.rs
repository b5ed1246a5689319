//! From a fire to its create on the wire: the engine as the daemon runs it, over its own store, with nothing else
//! to do.

use aptiqd::apartmentiq::{self, CallbackKeys, Client};
use aptiqd::engine::{self, Engine, Errands, Handle};
use aptiqd::landing::{self, Landing};
use aptiqd::roster::Limits;
use aptiqd::store::{Disk, Settings};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Fires every second; each run is refused at once, so that the next meets an idle daemon.
const SCHEDULE: &str = "report = \"property\"\nformat = \"parquet\"\ncron = \"* * * * * *\"\n\
    timezone = \"America/Chicago\"\nwindow = \"yesterday\"\nproperties = { ids = [99001416] }\noverlap = \"allow\"\n";

pub fn measure(fires: usize) {
    let folder = tempfile::tempdir_in(".").expect("a folder on the disk to be measured");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("its address");
    let (heard, creates) = sync_channel(64);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let heard = heard.clone();
            std::thread::spawn(move || answer(stream, &heard));
        }
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    // Without a handle the engine's inbox is closed, and it would look there without end.
    let (engine, _handle) = {
        let _inside = runtime.enter();
        engine(folder.path(), at)
    };
    let stop = CancellationToken::new();
    let running = runtime.spawn(engine.run(stop.clone()));
    // The first one opens the connection.
    let mut late: Vec<Duration> = creates.iter().skip(1).take(fires).collect();
    stop.cancel();
    runtime
        .block_on(running)
        .expect("no panic")
        .expect("an orderly end");
    late.sort_unstable();
    let quantile = |q: f64| late[((late.len() - 1) as f64 * q) as usize];
    println!(
        "wire   from fire to create, {} fires: p50 {:.1?}, p99 {:.1?}, max {:.1?} (goal p99 50 ms)",
        late.len(),
        quantile(0.5),
        quantile(0.99),
        quantile(1.0)
    );
}

fn engine(folder: &Path, at: SocketAddr) -> (Engine<Disk>, Handle) {
    let token = folder.join("token");
    std::fs::write(&token, "bench").expect("a token file");
    let (disk, _) =
        Disk::open(Settings::new(folder.join("state"), aptiqd::clock::now())).expect("a store");
    let api = Client::new(apartmentiq::Settings {
        base_url: format!("http://{at}"),
        token_url: format!("http://{at}/oauth/token"),
        credential: apartmentiq::Credential::Token { file: token },
        standby_token_file: None,
        request_timeout: Duration::from_secs(5),
        requests_per_minute: 100_000,
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
        public_url: Some("http://127.0.0.1:9".into()),
        published: Arc::new(|_, _| Ok(Vec::new())),
    };
    let schedules = folder.join("schedules");
    std::fs::create_dir(&schedules).expect("a folder");
    std::fs::write(schedules.join("every-second.toml"), SCHEDULE).expect("a file");
    let options = engine::Options {
        limits: Limits {
            open_jobs_max: 32,
            downloads: 1,
            poll_interval: Duration::from_secs(30),
            submit_settle: Duration::from_secs(600),
        },
        schedules: aptiqd::config::load_folder(&schedules).expect("a sound schedule"),
        beat: Box::new(|| ()),
        beat_period: None,
        ended: Box::new(|_| ()),
    };
    Engine::open(Arc::new(disk), errands, options).expect("an engine")
}

/// Notes how long after the full second each request begins, and refuses it.
fn answer(mut stream: TcpStream, heard: &SyncSender<Duration>) {
    let body = r#"{"error":"Invalid parameter","message":"only a bench"}"#;
    let reply = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut buffer = vec![0; 64 << 10];
    loop {
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 => {
                let begins = buffer[..read].starts_with(b"POST ");
                let since = aptiqd::clock::now().timestamp_subsec_millis();
                if begins && heard.send(Duration::from_millis(since.into())).is_err() {
                    return;
                }
                if buffer[..read].ends_with(b"}") && stream.write_all(reply.as_bytes()).is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
}
