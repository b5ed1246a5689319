use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::*;

fn content(report: Report, format: Format) -> Content {
    Content {
        seed: 1,
        report,
        format,
        property_ids: vec![99_001_416, 99_001_470, 7],
        from: "2026-11-01".parse().unwrap(),
        to: "2026-11-30".parse().unwrap(),
        units_per_day: 12,
        restated: 0,
    }
}

fn bytes(content: &Content) -> Vec<u8> {
    let mut out = Vec::new();
    content.write(&mut out).unwrap();
    out
}

#[test]
fn the_same_order_gives_the_same_bytes_and_another_seed_or_restatement_does_not() {
    for report in [Report::Property, Report::Units, Report::Floorplans] {
        for format in [Format::Csv, Format::Jsonl, Format::Parquet] {
            let order = content(report, format);
            assert_eq!(bytes(&order), bytes(&order));
            assert_ne!(
                bytes(&order),
                bytes(&Content {
                    seed: 2,
                    ..order.clone()
                })
            );
            assert_ne!(
                bytes(&order),
                bytes(&Content {
                    restated: 1,
                    ..order.clone()
                })
            );
        }
    }
}

#[test]
fn every_format_of_a_report_holds_the_same_rows() {
    for report in [Report::Property, Report::Units, Report::Floorplans] {
        let csv_bytes = bytes(&content(report, Format::Csv));
        let csv_rows = csv::Reader::from_reader(&csv_bytes[..])
            .records()
            .map(Result::unwrap)
            .count();
        let jsonl = bytes(&content(report, Format::Jsonl));
        let json_rows = jsonl
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .inspect(|line| drop(serde_json::from_slice::<serde_json::Value>(line).unwrap()))
            .count();
        let file = SerializedFileReader::new(Bytes::from(bytes(&content(report, Format::Parquet))))
            .unwrap();
        assert_eq!(csv_rows, json_rows);
        assert_eq!(file.metadata().file_metadata().num_rows(), csv_rows as i64);
        assert_eq!(
            file.get_row_iter(None).unwrap().map(Result::unwrap).count(),
            csv_rows
        );
    }
}

#[test]
fn the_property_report_has_each_property_and_day_once() {
    let csv_bytes = bytes(&content(Report::Property, Format::Csv));
    let cells: Vec<(String, String)> = csv::Reader::from_reader(&csv_bytes[..])
        .records()
        .map(|row| {
            row.map(|row| (row[0].to_owned(), row[1].to_owned()))
                .unwrap()
        })
        .collect();
    assert_eq!(cells.len(), 3 * 30);
    assert_eq!(cells.iter().collect::<BTreeSet<_>>().len(), 3 * 30);
}

#[test]
fn figures_are_plausible_and_some_are_null() {
    let mut order = content(Report::Property, Format::Jsonl);
    order.property_ids = (1..=40).collect();
    let lines = bytes(&order);
    let mut nulls = BTreeMap::<&str, u32>::new();
    for line in lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let row: serde_json::Value = serde_json::from_slice(line).unwrap();
        let occupancy = row["advertised_occupancy_pct"].as_f64().unwrap();
        assert!((0.75..=1.0).contains(&occupancy), "{row}");
        assert!(
            (900.0..4000.0).contains(&row["avg_rent"].as_f64().unwrap()),
            "{row}"
        );
        for name in ["avg_ner", "applications_last_7d"] {
            *nulls.entry(name).or_default() += u32::from(row[name].is_null());
        }
    }
    assert!(nulls["avg_ner"] > 0 && nulls["applications_last_7d"] > 0);
}

#[test]
fn a_floor_plan_name_may_hold_a_line_break_that_csv_quotes() {
    let mut order = content(Report::Floorplans, Format::Csv);
    order.property_ids = (1..=20).collect();
    let csv_bytes = bytes(&order);
    let rows: Vec<csv::StringRecord> = csv::Reader::from_reader(&csv_bytes[..])
        .records()
        .map(Result::unwrap)
        .collect();
    assert!(rows.iter().any(|row| row[2].contains('\n')));
    assert!(memchr::memchr_iter(b'\n', &csv_bytes).count() > rows.len() + 1);
}

#[test]
fn a_small_parquet_file_has_several_row_groups() {
    let file =
        SerializedFileReader::new(Bytes::from(bytes(&content(Report::Units, Format::Parquet))))
            .unwrap();
    assert!(file.num_row_groups() >= 3, "{}", file.num_row_groups());
}

#[test]
fn no_property_gives_a_header_nothing_or_an_empty_table() {
    let empty = |format| {
        bytes(&Content {
            property_ids: vec![],
            ..content(Report::Property, format)
        })
    };
    assert_eq!(memchr::memchr_iter(b'\n', &empty(Format::Csv)).count(), 1);
    assert!(empty(Format::Jsonl).is_empty());
    let file = SerializedFileReader::new(Bytes::from(empty(Format::Parquet))).unwrap();
    assert_eq!(file.metadata().file_metadata().num_rows(), 0);
}
