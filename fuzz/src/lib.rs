//! What reads foreign bytes, one function each: shared by the fuzz targets and by `tests/corpora`, which replays the corpora.
//! Each may refuse its input in any way it likes, but must come back, and keep its promises about what it accepts.

use aptiqd::apartmentiq::{CallbackKeys, attempt_of_url, jobs_in, without_mac};
use aptiqd::landing::{Terms, rows_of};
use aptiqd::schedule::{Checks, Columns, Format, OnFail, Partition, SchemaChange, Window};
use aptiqd::store::{Change, Commit, Key, Memory, Store, Tree, record};
use chrono::{DateTime, NaiveDate};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What a target is fed to.
pub type Entry = fn(&[u8]);

/// A corpus's folder and what eats it.
pub const ENTRIES: [(&str, Entry); 7] = [
    ("callback", callback),
    ("api_json", api_json),
    ("schedule", schedule),
    ("record", stored_record),
    ("csv", csv),
    ("jsonl", jsonl),
    ("parquet", parquet),
];

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A token or URL of a callback: whatever verifies is exactly what was signed, and no MAC survives in a message.
pub fn callback(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let keys = CallbackKeys::parse(KEY).expect("a key");
    if let Some(attempt) = keys.verify(text) {
        assert_eq!(keys.token(&attempt), text, "two tokens for one attempt");
        assert!(
            !without_mac(&keys.address("https://e.example", &attempt))
                .contains(&text[text.len() - 32..])
        );
    }
    let _ = keys.verify_url(text);
    let _ = attempt_of_url(text);
    let _ = without_mac(text);
}

/// An answer of the API: every job that is taken from it has a safe id and bounded words.
pub fn api_json(bytes: &[u8]) {
    for job in jobs_in(bytes).unwrap_or_default() {
        assert!(!job.job_id.is_empty() && job.job_id.len() <= 128);
        assert!(!job.job_id.contains(['/', '.', '?', '#', '\0', ' ']));
        assert!(job.error_message.is_none_or(|words| words.len() <= 4_096));
        assert!(job.property_ids.is_sorted());
    }
}

/// A schedule file: a schedule or faults, never neither.
pub fn schedule(bytes: &[u8]) {
    let folder = scratch().join("schedules");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("fuzzed.toml"), bytes).expect("a file");
    match aptiqd::config::load_folder(&folder) {
        Ok(schedules) => assert_eq!(schedules.len(), 1),
        Err(faults) => assert!(!faults.is_empty()),
    }
}

/// A record of the store, in each of its trees.
pub fn stored_record(bytes: &[u8]) {
    let store = Memory::new();
    let at = DateTime::from_timestamp(1_790_000_000, 0).expect("an instant");
    let put = |tree, key: &[u8]| Change::Put {
        key: Key {
            tree,
            key: key.to_vec(),
        },
        value: bytes.to_vec(),
    };
    let run = "owned-daily.20261122T183000Z";
    let changes = vec![
        put(Tree::Run, run.as_bytes()),
        put(
            Tree::Part,
            &[run.as_bytes(), b"\0", &1_u32.to_be_bytes()].concat(),
        ),
        put(Tree::Schedule, b"owned-daily"),
        put(Tree::Open, run.as_bytes()),
    ];
    let commit = Commit {
        at,
        events: Vec::new(),
        changes,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime
        .block_on(store.commit(commit))
        .expect("memory takes it");
    let _ = record::run(&store, run);
    let _ = record::parts(&store, run);
    let _ = record::load(&store);
}

pub fn csv(bytes: &[u8]) {
    inspect(bytes, Format::Csv);
}

pub fn jsonl(bytes: &[u8]) {
    inspect(bytes, Format::Jsonl);
}

pub fn parquet(bytes: &[u8]) {
    inspect(bytes, Format::Parquet);
}

/// An artifact: its rows or a fault; read twice, the same.
fn inspect(bytes: &[u8], format: Format) {
    let path = scratch().join("artifact");
    std::fs::write(&path, bytes).expect("a file");
    let first = rows_of(&path, format, &terms());
    assert_eq!(first, rows_of(&path, format, &terms()));
    if let Ok(rows) = first {
        assert!(
            rows <= bytes.len() as u64 * 1_000,
            "{rows} rows in {} bytes",
            bytes.len()
        );
    }
}

fn terms() -> Terms {
    let day = |day| NaiveDate::from_ymd_opt(2026, 11, day).expect("a day");
    Terms {
        properties: vec![1, 2, 3],
        window: Window::new(day(1), day(3)).expect("in order"),
        columns: Columns {
            property: "id".into(),
            date: "report_generation_date".into(),
        },
        partition: Partition::Date,
        checks: Checks {
            min_property_coverage: Some(0.5),
            min_rows_vs_median: None,
            unique: vec!["id".into(), "report_generation_date".into()],
            max_null_rate: BTreeMap::from([("avg_rent".into(), 0.5)]),
            range: BTreeMap::from([("avg_rent".into(), (0.0, 9_999.0))]),
            schema_change: SchemaChange::Notify,
            on_fail: OnFail::Quarantine,
        },
    }
}

/// A folder of this process's own.
fn scratch() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("aptiqd-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    })
}
