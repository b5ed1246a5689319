//! Every way a file can lie: each ends as a named fault or a failed check, never as a panic, and nothing
//! of it is visible below `data/`.

use super::rows::{encode, grid};
use super::*;
use crate::run::CheckStatus;

const IDS: [i64; 5] = [10, 11, 12, 13, 14];

fn days() -> Window {
    window("2026-11-21", "2026-11-23")
}

/// What became of a delivery.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Fault(FaultClass, String),
    /// Nothing landed, because of these checks.
    Kept(Vec<String>),
    /// What came is there, and what lacks is told.
    Incomplete,
    /// Landed, with these checks not passed.
    Landed(Vec<String>),
}

fn strict() -> Checks {
    let mut checks = no_checks();
    checks.unique = vec!["id".to_owned(), "report_generation_date".to_owned()];
    checks.range.insert("avg_rent".to_owned(), (0.0, 5_000.0));
    checks.max_null_rate.insert("avg_rent".to_owned(), 0.5);
    checks
}

async fn delivered(format: Format, checks: Checks, body: Vec<u8>) -> (World, End) {
    let mut world = World::new(format, Partition::Date).await;
    world.checks = checks;
    let part = match world.deliver_bytes(1, 1, &IDS, days(), body).await {
        Ok(part) => part,
        Err(fault) => return (world, End::Fault(fault.class, fault.message)),
    };
    let order = world.order(1, &IDS, days(), vec![part]);
    let published = match world.landing.publish(order).await {
        Ok(published) => published,
        Err(fault) => return (world, End::Fault(fault.class, fault.message)),
    };
    let unlike = |wanted: fn(CheckStatus) -> bool| -> Vec<String> {
        let checks = published.checks.iter().filter(|check| wanted(check.status));
        checks.map(|check| check.name.clone()).collect()
    };
    let end = match published.verdict {
        Verdict::Quarantined => End::Kept(unlike(|status| status == CheckStatus::Fail)),
        Verdict::Incomplete => End::Incomplete,
        Verdict::Landed => End::Landed(unlike(|status| status != CheckStatus::Pass)),
    };
    (world, end)
}

async fn end_of(format: Format, body: Vec<u8>) -> End {
    let (world, end) = delivered(format, strict(), body).await;
    if matches!(end, End::Fault(..) | End::Kept(_)) {
        assert!(world.visible().is_empty(), "{format:?}: {end:?}");
    }
    end
}

fn rows() -> Vec<Row> {
    grid(&IDS, days(), "x")
}

/// Good rows, spoilt.
fn spoilt(spoil: impl Fn(&mut Vec<Row>)) -> impl Fn(Format) -> Vec<u8> {
    move |format| {
        let mut rows = rows();
        spoil(&mut rows);
        encode(format, &rows)
    }
}

enum Wanted {
    /// A content fault whose words hold this.
    Refused(&'static str),
    Checked(&'static str),
    Incomplete,
    /// Nothing is wrong with it; at most a remark.
    Lands(&'static [&'static str]),
}
use Wanted::{Checked, Incomplete, Lands, Refused};

struct Lie {
    name: &'static str,
    formats: &'static [Format],
    body: Box<dyn Fn(Format) -> Vec<u8>>,
    wanted: Wanted,
}

fn lie(
    name: &'static str,
    formats: &'static [Format],
    wanted: Wanted,
    body: impl Fn(Format) -> Vec<u8> + 'static,
) -> Lie {
    Lie {
        name,
        formats,
        body: Box::new(body),
        wanted,
    }
}

const TEXT: &[Format] = &[Format::Csv, Format::Jsonl];
const CSV: &[Format] = &[Format::Csv];
const JSONL: &[Format] = &[Format::Jsonl];
const PARQUET: &[Format] = &[Format::Parquet];

const S3_ERROR: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code>\
    <Message>Request has expired</Message><X-Amz-Signature>secret</X-Amz-Signature></Error>";

fn wide(format: Format) -> Vec<u8> {
    let names: Vec<String> = (0..10_000).map(|number| format!("c{number}")).collect();
    let mut text = String::new();
    if format == Format::Csv {
        text = format!("id,report_generation_date,avg_rent,{}\n", names.join(","));
    }
    for row in rows() {
        let rent = row.rent.unwrap_or(1.0);
        match format {
            Format::Csv => {
                text += &format!("{},{},{rent}{}\n", row.id, row.day, ",1".repeat(10_000));
            }
            _ => {
                let more: String = names.iter().map(|name| format!(",\"{name}\":1")).collect();
                text += &format!(
                    "{{\"id\":{},\"report_generation_date\":\"{}\",\"avg_rent\":{rent}{more}}}\n",
                    row.id, row.day
                );
            }
        }
    }
    text.into_bytes()
}

fn nested(depth: usize) -> Vec<u8> {
    let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let lines = rows().into_iter().map(|row| {
        format!(
            "{{\"id\":{},\"report_generation_date\":\"{}\",\"avg_rent\":1,\"deep\":{deep}}}\n",
            row.id, row.day
        )
    });
    lines.collect::<String>().into_bytes()
}

/// A Parquet file whose first page claims to become two gigabytes.
fn huge_page() -> Vec<u8> {
    let mut body = encode(Format::Parquet, &rows());
    // A page's header: type, then the two sizes, each behind the same byte; after the magic.
    let fields = [4, 6];
    assert!(
        fields.iter().all(|at| body[*at] == 0x15),
        "{:x?}",
        &body[4..16]
    );
    let length = body[7..]
        .iter()
        .position(|byte| byte & 0x80 == 0)
        .expect("an end")
        + 1;
    let claim = [0xfe, 0xff, 0xff, 0xff, 0x0f];
    // What follows moves into the page's bytes, which nobody must come to read.
    let tail = body[7 + length..7 + length + 40].to_vec();
    body[7..12].copy_from_slice(&claim);
    body[12..52].copy_from_slice(&tail);
    body
}

fn at_end(change: impl Fn(&mut [u8])) -> impl Fn(Format) -> Vec<u8> {
    move |format| {
        let mut body = encode(format, &rows());
        let from = body.len() - 8;
        change(&mut body[from..]);
        body
    }
}

fn lies() -> Vec<Lie> {
    let with_mark = |format| [b"\xef\xbb\xbf".to_vec(), encode(format, &rows())].concat();
    let with_returns = |format: Format| {
        // The notes hold newlines of their own, which are values.
        let plain: Vec<Row> = rows()
            .into_iter()
            .map(|row| Row {
                note: "plain".to_owned(),
                ..row
            })
            .collect();
        let text = String::from_utf8(encode(format, &plain)).expect("text");
        text.replace('\n', "\r\n").into_bytes()
    };
    vec![
        lie("nothing at all", TEXT, Incomplete, |_| Vec::new()),
        lie("nothing at all", PARQUET, Incomplete, |_| Vec::new()),
        lie(
            "an S3 error document",
            &FORMATS,
            Refused("an S3 error document (AccessDenied)"),
            |_| S3_ERROR.as_bytes().to_vec(),
        ),
        lie("a page of HTML", &FORMATS, Refused("HTML"), |_| {
            b"<html><body>502</body></html>".to_vec()
        }),
        lie("gzip", &FORMATS, Refused("gzip"), |_| {
            [b"\x1f\x8b\x08\0".to_vec(), vec![7; 600]].concat()
        }),
        lie("JSON in place of CSV", CSV, Refused("JSONL"), |_| {
            encode(Format::Jsonl, &rows())
        }),
        lie("CSV in place of JSON", JSONL, Refused("CSV"), |_| {
            encode(Format::Csv, &rows())
        }),
        lie("Parquet in place of text", TEXT, Refused("Parquet"), |_| {
            encode(Format::Parquet, &rows())
        }),
        lie("CSV in place of Parquet", PARQUET, Refused("CSV"), |_| {
            encode(Format::Csv, &rows())
        }),
        lie("JSON in place of Parquet", PARQUET, Refused("JSON"), |_| {
            encode(Format::Jsonl, &rows())
        }),
        lie("another window", &FORMATS, Incomplete, |format| {
            encode(format, &grid(&IDS, window("2026-11-24", "2026-11-26"), "x"))
        }),
        lie(
            "a day too many",
            &FORMATS,
            Checked("unexpected_dates"),
            |format| encode(format, &grid(&IDS, window("2026-11-21", "2026-11-24"), "x")),
        ),
        lie(
            "dates of 2099",
            &FORMATS,
            Checked("unexpected_dates"),
            |format| spoilt(|rows| rows[3].day = day("2099-01-01"))(format),
        ),
        lie(
            "foreign properties",
            &FORMATS,
            Checked("unexpected_properties"),
            |format| encode(format, &grid(&[10, 11, 12, 13, 14, 99], days(), "x")),
        ),
        lie(
            "a property that is none",
            &FORMATS,
            Checked("unexpected_properties"),
            |format| spoilt(|rows| rows[0].id = -1)(format),
        ),
        lie("duplicate keys", &FORMATS, Checked("unique"), |format| {
            spoilt(|rows| rows.push(rows[4].clone()))(format)
        }),
        lie(
            "a figure scaled by 100",
            &FORMATS,
            Checked("range:avg_rent"),
            |format| spoilt(|rows| rows[1].rent = rows[1].rent.map(|rent| rent * 100.0))(format),
        ),
        lie(
            "nulls",
            &FORMATS,
            Checked("max_null_rate:avg_rent"),
            |format| spoilt(|rows| rows.iter_mut().for_each(|row| row.rent = None))(format),
        ),
        lie("fewer properties", &FORMATS, Incomplete, |format| {
            encode(format, &grid(&IDS[..4], days(), "x"))
        }),
        lie("a byte order mark", TEXT, Lands(&["format"]), with_mark),
        lie("carriage returns", TEXT, Lands(&[]), with_returns),
        lie("cells of a megabyte", &FORMATS, Lands(&[]), |format| {
            spoilt(|rows| rows[2].note = "long ".repeat(200_000))(format)
        }),
        lie("ten thousand columns", TEXT, Lands(&[]), wide),
        lie(
            "more columns than any",
            CSV,
            Refused("more than 16384 columns"),
            |_| {
                let names: Vec<String> = (0..20_000).map(|number| format!("c{number}")).collect();
                format!("{}\n", names.join(",")).into_bytes()
            },
        ),
        lie("deeply nested JSON", JSONL, Lands(&[]), |_| nested(50_000)),
        lie("JSON that never closes", JSONL, Refused("line 1"), |_| {
            vec![b'{'; 100_000]
        }),
        lie("an endless line", TEXT, Refused("longer than"), |format| {
            let open: &[u8] = if format == Format::Csv {
                b"a,b\n\""
            } else {
                b"{\"a\":\""
            };
            [open.to_vec(), vec![b'x'; 17 << 20]].concat()
        }),
        lie("a ragged row", CSV, Refused("row 1"), |_| {
            b"id,a\n1\n".to_vec()
        }),
        lie(
            "quotes that never close",
            CSV,
            Refused("within the quotes"),
            |_| b"id,a\n1,\"x\n2,y\n".to_vec(),
        ),
        lie("a column named twice", CSV, Refused("twice"), |_| {
            b"id,a,a\n1,2,3\n".to_vec()
        }),
        lie("bytes that are no text", JSONL, Refused("line 1"), |_| {
            b"{\"a\":\"\xff\xfe\"}\n".to_vec()
        }),
        lie(
            "a footer of another magic",
            PARQUET,
            Refused("does not end with a footer"),
            |format| at_end(|end| end[4] = b'X')(format),
        ),
        lie(
            "a footer larger than the file",
            PARQUET,
            Refused("footer"),
            |format| at_end(|end| end[..4].copy_from_slice(&u32::MAX.to_le_bytes()))(format),
        ),
        lie(
            "a footer of another length",
            PARQUET,
            Refused("Parquet"),
            |format| at_end(|end| end[0] ^= 0x15)(format),
        ),
        lie(
            "a page of two gigabytes",
            PARQUET,
            Refused("claims 2147483647 bytes"),
            |_| huge_page(),
        ),
        lie("a page of noise", PARQUET, Refused("corrupt"), |format| {
            let mut body = encode(format, &rows());
            body[4..40].fill(0xee);
            body
        }),
    ]
}

#[tokio::test]
async fn every_lie_is_met_by_name() {
    for lie in lies() {
        for format in lie.formats {
            let end = end_of(*format, (lie.body)(*format)).await;
            let met = match (&lie.wanted, &end) {
                (Refused(words), End::Fault(FaultClass::Content, message)) => {
                    message.contains(words) && !message.contains("secret")
                }
                (Checked(name), End::Kept(failed)) => failed.iter().any(|one| one == name),
                (Incomplete, End::Incomplete) => true,
                (Lands(remarks), End::Landed(unlike)) => unlike == remarks,
                _ => false,
            };
            assert!(met, "{} as {format:?} ended in {end:?}", lie.name);
        }
    }
}

/// Cut anywhere, with a length that matches the cut: a fault, or what lacks is told.
#[tokio::test]
async fn a_file_cut_at_any_hundredth_never_passes_for_whole() {
    for format in FORMATS {
        let body = encode(format, &rows());
        for hundredth in 0..100 {
            let cut = body[..body.len() * hundredth / 100].to_vec();
            let end = end_of(format, cut).await;
            let told = matches!(end, End::Fault(FaultClass::Content, _) | End::Incomplete);
            assert!(told, "{format:?} at {hundredth} %: {end:?}");
        }
    }
}

/// What a check keeps out is there, marked, if the schedule says so.
#[tokio::test]
async fn a_schedule_that_lands_what_fails_marks_it() {
    for lie in lies() {
        let Checked(name) = lie.wanted else { continue };
        for format in lie.formats {
            let mut checks = strict();
            checks.on_fail = OnFail::Land;
            let (_, end) = delivered(*format, checks, (lie.body)(*format)).await;
            let marked = match &end {
                End::Landed(unlike) => unlike.iter().any(|one| one == name),
                // Rows of other days land nowhere.
                End::Incomplete => true,
                _ => false,
            };
            assert!(marked, "{} as {format:?} ended in {end:?}", lie.name);
        }
    }
}
