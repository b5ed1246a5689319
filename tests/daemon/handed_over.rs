//! A callback socket that systemd holds: the daemon takes it, and a restart loses no caller.

use crate::stage::{DAY, Setup, Stage};
use serde_json::json;
use std::path::Path;
use std::process::Command;

const ACTIVATOR: &str = "/usr/bin/systemd-socket-activate";

#[test]
fn a_listener_handed_over_is_taken() {
    if !Path::new(ACTIVATOR).exists() {
        println!("skipped: {ACTIVATOR} is not installed");
        return;
    }
    let stage = Stage::set(Setup::default());
    stage.schedule("daily", &[]);
    // The activator binds the public port itself and starts the daemon at the first connection.
    let handed = format!("127.0.0.1:{}", stage.callback_port);
    let own = crate::stage::free_port();
    let configuration = std::fs::read_to_string(stage.path("aptiqd.toml")).expect("text");
    let configuration = configuration.replace(
        &format!("listen = \"{handed}\""),
        &format!("listen = \"127.0.0.1:{own}\""),
    );
    stage.write("aptiqd.toml", &configuration);
    let plain = stage.daemon_command();
    let mut command = Command::new(ACTIVATOR);
    command.env_clear().current_dir(stage.folder.path());
    command.args(["--listen", &handed, "-E", "NOTIFY_SOCKET"]);
    command.arg(plain.get_program()).args(plain.get_args());
    stage.log_to_file(&mut command);
    let port = stage.callback_port;
    let waker = std::thread::spawn(move || crate::stage::knock(port));
    stage.start_with(command);
    waker.join().expect("it was heard");
    std::net::TcpStream::connect(("127.0.0.1", own)).expect_err("it bound a listener of its own");
    let shown = stage.lands("daily", &DAY);
    assert_eq!(shown["parts"][0]["attempts"][0]["learned_by"], "callback");
    assert_eq!(stage.state()["callbacks"]["answered"], json!(1));
    stage.stop();
}
