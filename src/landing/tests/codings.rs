//! Compressions within a file, and codings around a body, that are not to be read.

use super::rows::grid;
use super::*;

async fn delivered(body: Vec<u8>) -> Result<Delivered, Fault> {
    let world = World::new(Format::Parquet, Partition::Date).await;
    let days = window("2026-11-22", "2026-11-22");
    world.deliver_bytes(1, 1, &[10, 11], days, body).await
}

/// Not damaged, and not to be read either: it says by what, and what to do.
#[tokio::test]
async fn parquet_by_a_compression_that_is_not_built_in_is_named() {
    let files: [(&[u8], &str); 3] = [
        (
            include_bytes!("codecs/lz4-raw.parquet"),
            "compressed by LZ4 (column `id`)",
        ),
        (
            include_bytes!("codecs/lz4.parquet"),
            "compressed by LZ4 in Hadoop's frames",
        ),
        (
            include_bytes!("codecs/brotli.parquet"),
            "compressed by Brotli",
        ),
    ];
    for (body, codec) in files {
        let fault = delivered(body.to_vec()).await.expect_err("refused");
        assert_eq!(fault.class, FaultClass::Content, "{fault}");
        let words = fault.message;
        assert!(
            words.contains(codec) && words.contains("format = \"csv\""),
            "{words}"
        );
        assert!(!words.contains("corrupt"), "{words}");
    }
}

/// A coded body is neither kept nor looked into, and the fault says whose doing it may be.
#[tokio::test]
async fn a_coding_that_was_not_asked_for_is_named() {
    let world = World::new(Format::Csv, Partition::Date).await;
    let days = window("2026-11-22", "2026-11-22");
    let body = rows::encode(Format::Csv, &grid(&[10, 11], days, "x"));
    let order = || world.fetch_order(1, 1, "job-1", &[10, 11], days);
    let mut reply = Reply::of(body.clone());
    reply
        .headers
        .push(("Content-Encoding".to_owned(), "gzip".to_owned()));
    let location = world.server.serve(reply);
    let fault = world.landing.fetch(order(), &location).await;
    let fault = fault.expect_err("coded");
    assert_eq!(fault.class, FaultClass::Transfer, "{fault}");
    for words in ["`Content-Encoding: gzip`", "proxy"] {
        assert!(fault.message.contains(words), "{fault}");
    }
    // `identity` is no coding.
    let mut reply = Reply::of(body.clone());
    reply
        .headers
        .push(("Content-Encoding".to_owned(), "identity".to_owned()));
    let location = world.server.serve(reply);
    let artifact = world.landing.fetch(order(), &location).await;
    let raw = world.root().join(artifact.expect("fetched").path);
    assert_eq!(std::fs::read(raw).expect("raw"), body);
}
