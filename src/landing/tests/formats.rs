//! Every way a file can lie about being what was asked for.

use super::super::inspect::{Facts, Inspector};
use super::rows::{csv, encode, grid, jsonl, parquet};
use super::*;
use crate::run::FaultClass;

const IDS: [i64; 4] = [10, 11, 12, 13];

fn days() -> Window {
    window("2026-11-21", "2026-11-23")
}

fn terms() -> Terms {
    Terms {
        properties: IDS.to_vec(),
        window: days(),
        partition: Partition::Window,
        columns: columns(),
        checks: no_checks(),
    }
}

/// Inspects bytes fed in portions of `portion`.
fn inspect_in(format: Format, body: &[u8], portion: usize, terms: &Terms) -> Result<Facts, Fault> {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("file");
    std::fs::write(&path, body).expect("written");
    let mut inspector = Inspector::new(format, terms, &folder.path().join("part.keys"));
    for chunk in body.chunks(portion.max(1)) {
        inspector.feed(chunk)?;
    }
    inspector.finish(&path).map(|(facts, _)| facts)
}

fn inspect(format: Format, body: &[u8]) -> Result<Facts, Fault> {
    inspect_in(format, body, 1 << 20, &terms())
}

fn refused(format: Format, body: &[u8]) -> String {
    let fault = inspect(format, body).expect_err("refused");
    assert_eq!(fault.class, FaultClass::Content, "{fault}");
    fault.message
}

#[test]
fn portions_make_no_difference() {
    let rows = grid(&IDS, days(), "naïve, ünïcode");
    for format in FORMATS {
        let body = encode(format, &rows);
        let whole = inspect(format, &body).expect("good");
        assert_eq!(whole.rows, 12);
        assert!(whole.dated() && whole.has_property);
        assert_eq!(whole.cells.len(), IDS.len());
        for portion in [1, 2, 3, 7, 64, 511, 513] {
            assert_eq!(
                inspect_in(format, &body, portion, &terms()),
                Ok(whole.clone()),
                "{portion}"
            );
        }
    }
}

#[test]
fn every_cut_is_a_fault_or_plainly_fewer_rows() {
    let rows = grid(&IDS, days(), "x");
    for format in FORMATS {
        let body = encode(format, &rows);
        for percent in 1..100 {
            let cut = &body[..body.len() * percent / 100];
            match inspect(format, cut) {
                Err(fault) => {
                    assert_eq!(fault.class, FaultClass::Content, "{format:?} {percent} %")
                }
                // Only text can be cut between rows; then what is missing is missing by name.
                Ok(facts) => {
                    assert_ne!(format, Format::Parquet, "{percent} %");
                    assert!(facts.rows < 12, "{format:?} {percent} %");
                }
            }
        }
    }
}

#[test]
fn another_formats_bytes_are_named() {
    let rows = grid(&IDS, days(), "x");
    let s3 =
        b"<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>X</Message></Error>";
    let html = b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>";
    for format in FORMATS {
        assert!(refused(format, s3).contains("S3 error document (AccessDenied)"));
        assert!(refused(format, html).contains("HTML"));
        assert!(refused(format, b"\x1f\x8b\x08\x00garbage").contains("gzip"));
        assert!(refused(format, &[0; 600]).contains("binary"));
        for other in FORMATS.into_iter().filter(|other| *other != format) {
            let message = refused(format, &encode(other, &rows));
            assert!(
                message.starts_with(&format!("asked for {}", format.as_str())),
                "{message}"
            );
        }
    }
}

#[test]
fn nothing_at_all_is_zero_rows() {
    for format in FORMATS {
        let facts = inspect(format, b"").expect("empty");
        assert_eq!((facts.rows, facts.cells.len()), (0, 0));
    }
    for header in [
        &b"id,report_generation_date\n"[..],
        b"id,report_generation_date",
        b"\xef\xbb\xbfid,x\r\n",
    ] {
        assert_eq!(inspect(Format::Csv, header).expect("header").rows, 0);
    }
    assert_eq!(
        inspect(Format::Parquet, &parquet(&[], 5))
            .expect("no groups")
            .rows,
        0
    );
}

#[test]
fn csv_oddities_are_read_and_remarked() {
    let text = "\u{feff}id,report_generation_date,note\r\n10,2026-11-21,\"a\r\nb \"\"c\"\"\"\r\n\r\n11,2026-11-22T05:00:00Z,x";
    let facts = inspect(Format::Csv, text.as_bytes()).expect("good");
    assert_eq!(facts.rows, 2);
    let names: Vec<&str> = facts
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(names, ["id", "report_generation_date", "note"]);
    assert_eq!(
        facts.cells,
        [
            span(10, "2026-11-21", "2026-11-21"),
            span(11, "2026-11-22", "2026-11-22")
        ]
    );
    assert_eq!(
        facts.remarks,
        ["begins with a byte order mark", "ends without a newline"]
    );
}

#[test]
fn broken_csv_is_a_fault_with_its_row() {
    assert!(refused(Format::Csv, b"a,b\n1,2\n3\n").contains("row 2"));
    assert!(refused(Format::Csv, b"a,b\n1,2,3\n").contains("row 1"));
    assert!(refused(Format::Csv, b"a,b\n1,\"2\n").contains("within the quotes of row 1"));
    assert!(refused(Format::Csv, b"a,b,a\n1,2,3\n").contains("`a` twice"));
}

#[test]
fn the_scanner_agrees_with_the_csv_crate() {
    use proptest::prelude::*;
    let field = prop_oneof![Just(String::new()), "[a-c,\"\r\n ]{0,6}", "[0-9]{1,3}"];
    let rows = proptest::collection::vec(proptest::collection::vec(field, 3), 1..6);
    proptest!(|(rows in rows, crlf: bool)| {
        let mut writer = ::csv::WriterBuilder::new();
        if crlf {
            writer.terminator(::csv::Terminator::CRLF);
        }
        let mut writer = writer.from_writer(Vec::new());
        writer.write_record(["x", "y", "z"]).expect("header");
        rows.iter().for_each(|row| writer.write_record(row).expect("row"));
        let body = writer.into_inner().expect("body");
        let facts = inspect(Format::Csv, &body).expect("good");
        prop_assert_eq!(facts.rows, rows.len() as u64);
    });
}

#[test]
fn broken_jsonl_is_a_fault_with_its_line() {
    assert!(refused(Format::Jsonl, b"{\"a\":1}\n{\"a\":1\n").contains("line 2"));
    assert!(refused(Format::Jsonl, b"{\"a\":1}\n[1]\n").contains("line 2"));
    assert!(refused(Format::Jsonl, b"{\"a\":1} {\"a\":2}\n").contains("line 1"));
    assert!(refused(Format::Jsonl, b"{\"a\":1}\n{\"a\":").contains("line 2"));
    let deep = format!("{{\"a\":{}{}}}\n", "[".repeat(100_000), "]".repeat(100_000));
    // Depth alone is no fault, and must not exhaust the stack.
    assert_eq!(
        inspect(Format::Jsonl, deep.as_bytes()).expect("deep").rows,
        1
    );
    let facts = inspect(
        Format::Jsonl,
        b"\n{\"id\":\"10\",\"report_generation_date\":\"2026-11-21\"}",
    )
    .expect("good");
    assert_eq!(facts.cells, [span(10, "2026-11-21", "2026-11-21")]);
}

#[test]
fn jsonl_types_are_joined_over_rows() {
    let body = b"{\"a\":null,\"b\":1,\"c\":true}\n{\"a\":\"x\",\"b\":1.5,\"c\":[1],\"d\":null}\n";
    let facts = inspect(Format::Jsonl, body).expect("good");
    let kinds: Vec<&str> = facts
        .columns
        .iter()
        .map(|column| column.kind.as_str())
        .collect();
    assert_eq!(kinds, ["text", "float", "mixed", "null"]);
    assert!(!facts.has_property && !facts.has_date);
    // Without the columns all that was asked for may be meant.
    assert_eq!(facts.cells.len(), IDS.len());
}

#[test]
fn corrupt_parquet_never_passes_as_good_and_never_panics() {
    let rows = grid(&IDS, days(), "x");
    let good = inspect(Format::Parquet, &parquet(&rows, 5)).expect("good");
    let body = parquet(&rows, 5);
    // The footer, byte by byte.
    for at in body.len() - 8..body.len() {
        let mut bad = body.clone();
        bad[at] ^= 0xff;
        assert!(inspect(Format::Parquet, &bad).is_err(), "byte {at}");
    }
    // Huge declared footer.
    let mut bad = body.clone();
    let at = bad.len() - 8;
    bad[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(inspect(Format::Parquet, &bad).is_err());
    // Anywhere: a fault, or the very same facts about ids and days where values are untouched.
    let mut faults = 0;
    for at in (4..body.len()).step_by(3) {
        let mut bad = body.clone();
        bad[at] ^= 0x55;
        match inspect(Format::Parquet, &bad) {
            Err(_) => faults += 1,
            Ok(facts) => assert_eq!(facts.rows, good.rows),
        }
    }
    assert!(faults > 50, "{faults}");
}

#[test]
fn foreign_properties_and_days_are_named() {
    let rows = grid(&[10, 11, 99], window("2026-11-22", "2026-11-25"), "x");
    for format in FORMATS {
        let facts = inspect(format, &encode(format, &rows)).expect("good");
        assert_eq!(facts.foreign_properties.rows, 4);
        assert_eq!(facts.foreign_properties.first, ["99"]);
        assert_eq!(facts.foreign_days.rows, 6);
        assert_eq!(facts.foreign_days.first, ["2026-11-24", "2026-11-25"]);
        let expected = [
            span(10, "2026-11-22", "2026-11-23"),
            span(11, "2026-11-22", "2026-11-23"),
        ];
        assert_eq!(facts.cells, expected);
    }
}

#[test]
fn watched_columns_and_keys_are_counted_alike_in_every_format() {
    let mut terms = terms();
    terms
        .checks
        .max_null_rate
        .insert("avg_rent".to_owned(), 0.1);
    terms
        .checks
        .range
        .insert("avg_rent".to_owned(), (0.0, 1511.0));
    terms.checks.unique = vec!["id".to_owned(), "report_generation_date".to_owned()];
    let mut rows = grid(&IDS, days(), "x");
    rows.push(rows[0].clone());
    for format in FORMATS {
        let facts = inspect_in(format, &encode(format, &rows), 100, &terms).expect("good");
        let seen = &facts.watched["avg_rent"];
        assert_eq!(
            (seen.nulls, seen.outside, seen.unreadable),
            (3, 6, 0),
            "{format:?}"
        );
        assert_eq!((seen.min, seen.max), (Some(1510.25), Some(1513.25)));
        assert_eq!(facts.unique.expect("asked for").duplicates, 1);
        let days: Vec<(u64, u64)> = facts
            .days
            .values()
            .map(|day| (day.rows, day.duplicates))
            .collect();
        assert_eq!(days.iter().map(|day| day.0).sum::<u64>(), 13);
        assert_eq!(days.iter().map(|day| day.1).sum::<u64>(), 1);
    }
}

#[test]
fn a_megabyte_cell_and_ten_thousand_columns_pass() {
    let wide: Vec<String> = (0..10_000).map(|n| format!("c{n}")).collect();
    let body = format!("{}\n{}\n", wide.join(","), vec!["1"; 10_000].join(","));
    assert_eq!(
        inspect(Format::Csv, body.as_bytes())
            .expect("wide")
            .columns
            .len(),
        10_000
    );
    let mut rows = grid(&IDS, days(), "x");
    rows[0].note = "long ".repeat(200_000);
    assert_eq!(inspect(Format::Csv, &csv(&rows)).expect("long").rows, 12);
    assert_eq!(
        inspect(Format::Jsonl, &jsonl(&rows)).expect("long").rows,
        12
    );
}
