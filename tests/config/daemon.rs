//! `aptiqd.toml`: defaults, overrides, secrets.

use aptiqd::config::{Credential, Daemon, Fault, Notifier, load, load_all, render};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The secret files that the configurations of these tests name.
pub fn secret_files(folder: &Path) {
    let key = "0123456789abcdef".repeat(4);
    let files = [
        ("token", "eyJhbGciOi.token\n", 0o600),
        ("standby", "eyJhbGciOi.standby\n", 0o400),
        ("secret", "s3cret\n", 0o600),
        ("open-secret", "s3cret\n", 0o644),
        ("group-secret", "s3cret\n", 0o640),
        ("empty-secret", "\n", 0o600),
        ("two-lines", "one\ntwo\n", 0o600),
        ("bad-key", "0123\n", 0o600),
        ("key", key.as_str(), 0o600),
    ];
    for (name, text, mode) in files {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn load_with(text: &str, env: &[(&str, &str)]) -> (tempfile::TempDir, Result<Daemon, Vec<Fault>>) {
    let folder = tempfile::tempdir().unwrap();
    secret_files(folder.path());
    let file = folder.path().join("aptiqd.toml");
    std::fs::write(&file, text).unwrap();
    let env: Vec<(String, String)> = env
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    let outcome = load(&file, env.into_iter());
    (folder, outcome)
}

fn good(text: &str, env: &[(&str, &str)]) -> (tempfile::TempDir, Daemon) {
    let (folder, outcome) = load_with(text, env);
    (
        folder,
        outcome.unwrap_or_else(|faults| panic!("{}", render(&faults))),
    )
}

fn codes(text: &str, env: &[(&str, &str)]) -> Vec<&'static str> {
    let faults = load_with(text, env).1.unwrap_err();
    faults.iter().map(|fault| fault.code).collect()
}

const TOKEN: &str = "[api]\ntoken_file = \"token\"\n";

#[test]
fn everything_but_the_credential_has_a_default() {
    let (folder, daemon) = good(TOKEN, &[]);
    let at = |name: &str| folder.path().join(name);
    assert_eq!(daemon.schedules, at("schedules"));
    assert_eq!(
        daemon.api.base_url.as_str(),
        "https://data.apartmentiq.io/apartmentiq/api/v1"
    );
    assert_eq!(
        daemon.api.token_url.as_str(),
        "https://data.apartmentiq.io/oauth/token"
    );
    assert_eq!(
        daemon.api.credential,
        Credential::Token { file: at("token") }
    );
    assert_eq!(daemon.api.request_timeout, Duration::from_secs(30));
    assert_eq!(
        (daemon.api.requests_per_minute, daemon.api.open_jobs_max),
        (18, 32)
    );
    assert_eq!(daemon.api.poll_interval, Duration::from_secs(30));
    assert_eq!(daemon.api.submit_settle, Duration::from_secs(600));
    assert_eq!(daemon.callback.listen.to_string(), "127.0.0.1:8470");
    assert!(daemon.callback.public_url.is_none() && daemon.callback.key_file.is_none());
    assert_eq!(daemon.admin.listen.to_string(), "127.0.0.1:8471");
    assert_eq!(daemon.admin.socket, at("state/admin.sock"));
    assert_eq!(
        (daemon.state.path, daemon.state.history.as_secs()),
        (at("state"), 90 * 86_400)
    );
    assert_eq!(
        (daemon.landing.path, daemon.landing.raw_retention.as_secs()),
        (at("exports"), 90 * 86_400)
    );
    assert_eq!(
        (daemon.download.concurrency, daemon.download.bytes_max),
        (4, 8_589_934_592)
    );
    assert_eq!(daemon.download.allowed_hosts, ["*.amazonaws.com"]);
    assert!(daemon.notify.is_empty());
}

#[test]
fn every_key_is_read() {
    let text = r#"
        schedules = "/etc/aptiqd/schedules"
        [api]
        base_url = "http://127.0.0.1:9000/apartmentiq/api/v1/"
        token_url = "http://localhost:9000/oauth/token"
        client_id = "me"
        client_secret_file = "secret"
        standby_token_file = "standby"
        request_timeout = "5s"
        requests_per_minute = 1000
        open_jobs_max = 7
        poll_interval = "1s"
        submit_settle = "2s"
        [callback]
        listen = "0.0.0.0:80"
        public_url = "https://exports.example.com/aptiq/"
        key_file = "key"
        [admin]
        listen = "[::]:81"
        token_file = "token"
        socket = "run/a.sock"
        [state]
        path = "s"
        history = "1h 30m"
        [landing]
        path = "/srv/exports"
        raw_retention = "1d"
        [download]
        concurrency = 1
        allowed_hosts = ["127.0.0.1", "*.Example.com"]
        bytes_max = 1000
        [notify.ops]
        kind = "slack"
        url = "https://hooks.slack.com/services/a/b"
        [notify.hook]
        kind = "webhook"
        url_file = "secret"
        secret_file = "secret"
        [notify.beat]
        kind = "ping"
        url = "http://127.0.0.1:1/ping?x=1"
        [notify.shell]
        kind = "exec"
        command = ["/bin/true", "-x"]
    "#;
    let (folder, daemon) = good(text, &[]);
    let at = |name: &str| folder.path().join(name);
    assert_eq!(daemon.schedules, PathBuf::from("/etc/aptiqd/schedules"));
    assert_eq!(
        daemon.api.base_url.as_str(),
        "http://127.0.0.1:9000/apartmentiq/api/v1"
    );
    assert_eq!(
        daemon.api.credential,
        Credential::Client {
            id: "me".to_owned(),
            secret_file: at("secret")
        }
    );
    assert_eq!(daemon.api.standby_token_file, Some(at("standby")));
    assert_eq!(
        daemon.callback.public_url.unwrap().as_str(),
        "https://exports.example.com/aptiq"
    );
    assert_eq!(daemon.callback.key_file, Some(at("key")));
    assert_eq!(
        (daemon.admin.listen.port(), daemon.admin.socket),
        (81, at("run/a.sock"))
    );
    assert_eq!(daemon.state.history, Duration::from_secs(5400));
    assert_eq!(
        daemon.download.allowed_hosts,
        ["127.0.0.1", "*.example.com"]
    );
    assert!(matches!(&daemon.notify["ops"], Notifier::Slack { .. }));
    assert!(
        matches!(&daemon.notify["hook"], Notifier::Webhook { secret_file, .. } if *secret_file == at("secret"))
    );
    assert!(matches!(&daemon.notify["shell"], Notifier::Exec { command } if command.len() == 2));
    // Whoever logs a configuration logs no secret.
    assert!(!format!("{:?}", daemon.notify).contains("services"));
}

#[test]
fn the_environment_stands_over_the_file() {
    let env = [
        ("APTIQD_API__BASE_URL", "http://127.0.0.1:7/x"),
        ("APTIQD_API__REQUESTS_PER_MINUTE", "600"),
        ("APTIQD_API__POLL_INTERVAL", "2s"),
        ("APTIQD_CALLBACK__LISTEN", "127.0.0.1:0"),
        (
            "APTIQD_DOWNLOAD__ALLOWED_HOSTS",
            "[\"127.0.0.1\", \"a.example\"]",
        ),
        ("APTIQD_STATE__PATH", "'quoted'"),
        ("APTIQD_LANDING__PATH", "2026"),
        ("APTIQD_SCHEDULES", "/s"),
        ("APTIQD_NOTIFY__OPS__KIND", "exec"),
        ("APTIQD_NOTIFY__OPS__COMMAND", "['/bin/true']"),
        ("APTIQD_CONFIG", "elsewhere"),
        ("APTIQD_LOG", "debug"),
        ("HOME", "/root"),
        ("RUNTIME_DIRECTORY", "/run/aptiqd:/run/other"),
    ];
    let (folder, daemon) = good(&format!("{TOKEN}poll_interval = \"9s\"\n"), &env);
    assert_eq!(daemon.api.base_url.as_str(), "http://127.0.0.1:7/x");
    assert_eq!(
        (
            daemon.api.requests_per_minute,
            daemon.api.poll_interval.as_secs()
        ),
        (600, 2)
    );
    assert_eq!(daemon.callback.listen.port(), 0);
    assert_eq!(daemon.download.allowed_hosts, ["127.0.0.1", "a.example"]);
    assert_eq!(daemon.state.path, folder.path().join("quoted"));
    assert_eq!(daemon.landing.path, folder.path().join("2026"));
    assert_eq!(daemon.schedules, PathBuf::from("/s"));
    assert!(daemon.notify.contains_key("ops"));
    assert_eq!(daemon.admin.socket, PathBuf::from("/run/aptiqd/admin.sock"));
}

#[test]
fn a_list_in_the_environment_needs_no_brackets() {
    let hosts = |value| {
        let base = ("APTIQD_API__BASE_URL", "http://127.0.0.1:7/x");
        let (_folder, daemon) = good(TOKEN, &[base, ("APTIQD_DOWNLOAD__ALLOWED_HOSTS", value)]);
        daemon.download.allowed_hosts
    };
    assert_eq!(hosts("127.0.0.1"), ["127.0.0.1"]);
    assert_eq!(
        hosts("127.0.0.1, *.a.example"),
        ["127.0.0.1", "*.a.example"]
    );
}

#[test]
fn an_override_at_fault_is_named() {
    let faults = load_with(
        TOKEN,
        &[(
            "APTIQD_DOWNLOAD__ALLOWED_HOSTS",
            "[\"a.example\", \"b:443\"]",
        )],
    )
    .1
    .unwrap_err();
    let fault = &faults[0];
    assert_eq!(
        (fault.file.as_str(), fault.line, fault.column),
        ("$APTIQD_DOWNLOAD__ALLOWED_HOSTS", 1, 15)
    );
    assert_eq!(
        codes(
            TOKEN,
            &[("APTIQD_FOO__BAR", "1"), ("APTIQD_API__BASE_ULR", "x")]
        ),
        ["unknown-key", "unknown-key"]
    );
    assert_eq!(
        codes(TOKEN, &[("APTIQD_API__OPEN_JOBS_MAX", "many")]),
        ["bad-type"]
    );
    // A warning of `check`, no fault: clusters give a service's name to variables, too.
    assert!(load_with(TOKEN, &[("APTIQD_API", "1")]).1.is_ok());
}

#[test]
fn all_faults_come_at_once() {
    let text = "schedulse = 1\n[api]\ntoken_file = \"nowhere\"\npoll_interval = 30\n[callback]\nlisten = \"here\"\n[download]\nconcurrency = 0\n";
    let faults = load_with(text, &[]).1.unwrap_err();
    let found: Vec<(usize, &str)> = faults
        .iter()
        .map(|fault| (fault.line, fault.code))
        .collect();
    assert_eq!(
        found,
        [
            (1, "unknown-key"),
            (3, "missing-file"),
            (4, "bad-type"),
            (6, "bad-address"),
            (8, "out-of-range")
        ]
    );
}

#[test]
fn credentials_granted_by_systemd_may_show_a_group() {
    let text = "[api]\ntoken_file = \"group-secret\"\n";
    assert_eq!(codes(text, &[]), ["secret-permissions"]);
    let folder = tempfile::tempdir().unwrap();
    secret_files(folder.path());
    let file = folder.path().join("aptiqd.toml");
    std::fs::write(&file, text).unwrap();
    let env = (
        "CREDENTIALS_DIRECTORY".to_owned(),
        folder.path().display().to_string(),
    );
    assert!(load(&file, std::iter::once(env)).is_ok());
}

#[test]
fn a_notifier_is_looked_for_in_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    secret_files(folder.path());
    let file = folder.path().join("aptiqd.toml");
    std::fs::write(
        &file,
        format!("{TOKEN}[notify.ops]\nkind = \"exec\"\ncommand = [\"/bin/true\"]\n"),
    )
    .unwrap();
    std::fs::create_dir(folder.path().join("schedules")).unwrap();
    let schedule = |notifier: &str| {
        format!(
            "report = \"units\"\nformat = \"csv\"\ncron = \"@daily\"\ntimezone = \"UTC\"\nwindow = \"yesterday\"\n\
             properties = {{ ids = [1] }}\n[notify]\nfailed = \"{notifier}\"\n"
        )
    };
    std::fs::write(folder.path().join("schedules/a.toml"), schedule("ops")).unwrap();
    let (daemon, schedules) = load_all(&file, std::iter::empty()).unwrap();
    assert_eq!((daemon.notify.len(), schedules.len()), (1, 1));
    std::fs::write(folder.path().join("schedules/b.toml"), schedule("opps")).unwrap();
    let faults = load_all(&file, std::iter::empty()).unwrap_err();
    assert_eq!(
        (faults[0].code, faults[0].line, faults[0].help.as_str()),
        ("unknown-notifier", 8, "did you mean \"ops\"?")
    );
}

#[test]
fn a_configuration_that_is_not_there_is_a_fault() {
    let faults = load(Path::new("/nowhere/aptiqd.toml"), std::iter::empty()).unwrap_err();
    assert_eq!(faults[0].code, "missing-file");
}
