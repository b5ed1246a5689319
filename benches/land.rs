//! One fetch and publish of a large file against `curl`, `sha256sum` and a row count, one after
//! another, of the same file from the same loopback server.
//!
//! `cargo bench --bench land`; `LAND_BENCH_MB` sets the size (default 1024). If `APTIQD_TEST_PYTHON` names a python that
//! has duckdb, its `count(*)` takes the place of the row count in a second ratio; its own start is not counted.

use aptiqd::landing::{Delivered, FetchOrder, Landing, PublishOrder, Settings, Terms};
use aptiqd::run::RunId;
use aptiqd::schedule::{
    Checks, Columns, Format, Name, OnFail, Partition, Report, SchemaChange, Window,
};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PROPERTIES: i64 = 700;

fn window() -> Window {
    let from = "2026-11-01".parse().expect("day");
    let to = "2026-11-30".parse().expect("day");
    Window { from, to }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|word| word == "--child") {
        let format = format_of(&arguments[at + 1]);
        land(format, &arguments[at + 2], Path::new(&arguments[at + 3]));
        return;
    }
    let megabytes = std::env::var("LAND_BENCH_MB")
        .ok()
        .and_then(|text| text.parse().ok());
    let bytes = megabytes.unwrap_or(1024u64) << 20;
    let folder = tempfile::tempdir().expect("folder");
    let python = std::env::var("APTIQD_TEST_PYTHON").ok();
    if python.is_none() {
        println!("DuckDB's count(*): skipped: APTIQD_TEST_PYTHON names no python that has duckdb");
    }
    println!(
        "{:8} {:>6} {:>10} {:>9} {:>7} {:>9} {:>9} {:>9} {:>9}",
        "format",
        "MB",
        "tools MB/s",
        "land MB/s",
        "ratio",
        "duckdb",
        "tools cpu",
        "land cpu",
        "peak MiB"
    );
    for format in [Format::Csv, Format::Jsonl, Format::Parquet] {
        let file = folder.path().join(format!("source.{}", format.as_str()));
        generate(format, &file, bytes);
        // The tools read what they just wrote; neither side waits for the generator's pages.
        rustix::fs::sync();
        compare(format, &file, folder.path(), python.as_deref());
        fs::remove_file(&file).expect("removed");
    }
}

fn format_of(word: &str) -> Format {
    match word {
        "csv" => Format::Csv,
        "jsonl" => Format::Jsonl,
        _ => Format::Parquet,
    }
}

fn compare(format: Format, file: &Path, folder: &Path, python: Option<&str>) {
    let size = fs::metadata(file).expect("file").len();
    let url = serve(file.to_owned());
    let plain = folder.join("plain");
    let idle = children_seconds();
    let started = Instant::now();
    run(Command::new("curl")
        .arg("-sS")
        .arg("-o")
        .arg(&plain)
        .arg(&url));
    run(Command::new("sha256sum").arg(&plain));
    let counting = Instant::now();
    match format {
        Format::Parquet => {
            let reader =
                SerializedFileReader::new(File::open(&plain).expect("file")).expect("footer");
            assert!(reader.metadata().file_metadata().num_rows() > 0);
        }
        _ => run(Command::new("wc").arg("-l").arg(&plain)),
    }
    let tools = started.elapsed();
    let counted = counting.elapsed();
    let tools_done = children_seconds();
    let by_duckdb = python.map(|python| tools - counted + count_by_duckdb(python, format, &plain));
    let tools_used = tools_done - idle;
    let idle = children_seconds();
    fs::remove_file(&plain).expect("removed");
    rustix::fs::sync();
    let root = folder.join("exports");
    let child = Command::new(std::env::current_exe().expect("program"))
        .args(["--child", format.as_str(), &url])
        .arg(&root)
        .output()
        .expect("child");
    let land_done = children_seconds();
    assert!(
        child.status.success(),
        "{}",
        String::from_utf8_lossy(&child.stderr)
    );
    let answer = String::from_utf8(child.stdout).expect("text");
    let (seconds, peak) = answer.trim().split_once(' ').expect("two figures");
    let land: f64 = seconds.parse().expect("seconds");
    let peak: f64 = peak.parse().expect("kibibytes");
    fs::remove_dir_all(&root).expect("removed");
    let rate = |seconds: f64| size as f64 / 1e6 / seconds;
    println!(
        "{:8} {:>6} {:>10.0} {:>9.0} {:>7.2} {:>9} {:>8.2}s {:>8.2}s {:>9.1}",
        format.as_str(),
        size / 1_000_000,
        rate(tools.as_secs_f64()),
        rate(land),
        tools.as_secs_f64() / land,
        by_duckdb.map_or("–".to_owned(), |by_duckdb| {
            format!("{:.2}", by_duckdb.as_secs_f64() / land)
        }),
        tools_used,
        land_done - idle,
        peak / 1024.0
    );
}

/// What DuckDB needs to count the rows, without python's and its own start.
fn count_by_duckdb(python: &str, format: Format, file: &Path) -> Duration {
    let reader = match format {
        Format::Csv => "read_csv(?)",
        Format::Jsonl => "read_json(?, format = 'newline_delimited')",
        Format::Parquet => "read_parquet(?)",
    };
    let script = format!(
        "import duckdb, sys, time\nconnection = duckdb.connect()\n\
         connection.execute('set enable_progress_bar = false')\nbegun = time.monotonic()\n\
         query = \"select count(*) from {reader}\"\n\
         assert connection.execute(query, [sys.argv[1]]).fetchone()[0] > 0\nprint(time.monotonic() - begun)"
    );
    let output = Command::new(python)
        .args(["-c", &script])
        .arg(file)
        .output();
    let output = output.expect("python starts");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    Duration::from_secs_f64(text.trim().parse().expect("seconds"))
}

/// CPU seconds of all children that have ended; unlike the clock, other work hardly moves it.
fn children_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("stat");
    let fields = stat.rsplit(") ").next().expect("fields").split(' ');
    let ticks: Vec<f64> = fields
        .skip(13)
        .take(2)
        .map(|text| text.parse().expect("ticks"))
        .collect();
    (ticks[0] + ticks[1]) / 100.0
}

fn run(command: &mut Command) {
    let output = command.output().expect("started");
    assert!(output.status.success(), "{command:?}");
}

/// Serves one file to every request.
fn serve(file: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("port");
    let address = listener.local_addr().expect("address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away ends its own answer only.
            let _ = answer(stream, &file);
        }
    });
    format!("http://{address}/file")
}

fn answer(mut stream: TcpStream, file: &Path) -> io::Result<()> {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request)?;
    let mut file = File::open(file)?;
    let length = file.metadata()?.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nETag: \"x\"\r\nConnection: close\r\n\r\n"
    )?;
    io::copy(&mut file, &mut stream)?;
    Ok(())
}

/// The child: fetches and publishes, and prints seconds and peak memory in KiB.
fn land(format: Format, url: &str, root: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("runtime");
    fs::create_dir_all(root).expect("root");
    let started = Instant::now();
    runtime.block_on(fetch_and_publish(format, url, root));
    let seconds = started.elapsed().as_secs_f64();
    let status = fs::read_to_string("/proc/self/status").expect("status");
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|text| text.split_whitespace().next())
        .expect("VmHWM");
    println!("{seconds} {peak}");
}

async fn fetch_and_publish(format: Format, url: &str, root: &Path) {
    let landing = Landing::open(Settings {
        root: root.to_owned(),
        bytes_max: 8 << 30,
        allowed_hosts: vec!["127.0.0.1".to_owned()],
        loopback_allowed: true,
        read_timeout: Duration::from_secs(30),
    })
    .expect("landing");
    let schedule = Name::parse("bench").expect("name");
    let run: RunId = "bench.20261201T000000Z".parse().expect("run");
    let properties: Vec<i64> = (0..PROPERTIES).map(property).collect();
    let columns = Columns {
        property: "id".to_owned(),
        date: "report_generation_date".to_owned(),
    };
    let checks = Checks {
        min_property_coverage: None,
        min_rows_vs_median: None,
        unique: Vec::new(),
        max_null_rate: BTreeMap::new(),
        range: BTreeMap::new(),
        schema_change: SchemaChange::Notify,
        on_fail: OnFail::Quarantine,
    };
    let order = FetchOrder {
        schedule: schedule.clone(),
        run: run.clone(),
        part: 1,
        job_id: "job".to_owned(),
        format,
        terms: Terms {
            properties: properties.clone(),
            window: window(),
            partition: Partition::Window,
            columns: columns.clone(),
            checks: checks.clone(),
        },
    };
    let artifact = landing.fetch(order, url).await.expect("fetched");
    let part = Delivered {
        number: 1,
        job_id: "job".to_owned(),
        properties: properties.clone(),
        window: window(),
        artifact,
        delivered_at: "2026-11-30T00:00:00Z".parse().expect("moment"),
    };
    let published = landing
        .publish(PublishOrder {
            schedule,
            run,
            report: Report::Property,
            format,
            partition: Partition::Window,
            window: window(),
            properties,
            whole: true,
            columns,
            checks,
            accepted_by: None,
            parts: vec![part],
            earlier: Vec::new(),
            at: "2026-12-01T00:00:00Z".parse().expect("moment"),
        })
        .await
        .expect("published");
    assert_eq!(published.files.len(), 1, "{published:?}");
    assert!(published.missing.is_empty());
}

fn property(number: i64) -> i64 {
    99_000_000 + number * 7
}

/// Figures that compress as badly as real ones.
struct Figures(u64);

impl Figures {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % 1_000_000) as f64 / 100.0
    }
}

struct Row {
    id: i64,
    day: String,
    figures: [f64; 6],
}

fn rows() -> impl Iterator<Item = Row> {
    let days: Vec<String> = window().days().map(|day| day.to_string()).collect();
    let mut figures = Figures(0x9e37_79b9_7f4a_7c15);
    (0..).flat_map(move |_: u32| {
        let days = days.clone();
        let mut batch = Vec::new();
        for number in 0..PROPERTIES {
            for day in &days {
                batch.push(Row {
                    id: property(number),
                    day: day.clone(),
                    figures: std::array::from_fn(|_| figures.next()),
                });
            }
        }
        batch
    })
}

const NAMES: [&str; 6] = [
    "advertised_occupancy_pct",
    "avg_rent",
    "avg_ner",
    "avg_rent_psf",
    "leases_last_30d",
    "applications_last_7d",
];

fn generate(format: Format, path: &Path, bytes: u64) {
    match format {
        Format::Parquet => generate_parquet(path, bytes),
        _ => generate_text(format, path, bytes),
    }
}

fn generate_text(format: Format, path: &Path, bytes: u64) {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).expect("file"));
    let mut written = 0;
    if format == Format::Csv {
        writeln!(out, "id,report_generation_date,{}", NAMES.join(",")).expect("header");
    }
    for row in rows() {
        let mut line = match format {
            Format::Csv => format!("{},{}", row.id, row.day),
            _ => format!(
                "{{\"id\":{},\"report_generation_date\":\"{}\"",
                row.id, row.day
            ),
        };
        for (name, figure) in NAMES.iter().zip(row.figures) {
            match format {
                Format::Csv => line.push_str(&format!(",{figure}")),
                _ => line.push_str(&format!(",\"{name}\":{figure}")),
            }
        }
        line.push_str(if format == Format::Csv { "\n" } else { "}\n" });
        out.write_all(line.as_bytes()).expect("line");
        written += line.len() as u64;
        if written >= bytes {
            break;
        }
    }
    out.flush().expect("flushed");
}

fn generate_parquet(path: &Path, bytes: u64) {
    let mut schema =
        "message schema { REQUIRED INT64 id; REQUIRED BYTE_ARRAY report_generation_date (STRING);"
            .to_owned();
    for name in NAMES {
        schema.push_str(&format!(" OPTIONAL DOUBLE {name};"));
    }
    let schema = Arc::new(parse_message_type(&format!("{schema} }}")).expect("schema"));
    let properties = WriterProperties::builder()
        .set_compression(parquet::basic::Compression::SNAPPY)
        .build();
    let file = File::create(path).expect("file");
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).expect("writer");
    let mut source = rows();
    while (writer.bytes_written() as u64) < bytes {
        let batch: Vec<Row> = source.by_ref().take(1 << 18).collect();
        let ids: Vec<i64> = batch.iter().map(|row| row.id).collect();
        let days: Vec<ByteArray> = batch.iter().map(|row| row.day.as_str().into()).collect();
        let filled = vec![1; batch.len()];
        let mut group = writer.next_row_group().expect("group");
        let mut column = group.next_column().expect("column").expect("id");
        column
            .typed::<Int64Type>()
            .write_batch(&ids, None, None)
            .expect("ids");
        column.close().expect("closed");
        let mut column = group.next_column().expect("column").expect("day");
        column
            .typed::<ByteArrayType>()
            .write_batch(&days, None, None)
            .expect("days");
        column.close().expect("closed");
        for at in 0..NAMES.len() {
            let figures: Vec<f64> = batch.iter().map(|row| row.figures[at]).collect();
            let mut column = group.next_column().expect("column").expect("figure");
            column
                .typed::<DoubleType>()
                .write_batch(&figures, Some(&filled), None)
                .expect("figures");
            column.close().expect("closed");
        }
        group.close().expect("group closed");
    }
    writer.close().expect("file closed");
}
