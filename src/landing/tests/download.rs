use super::rows::{encode, grid};
use super::server::{Framing, Reply};
use super::*;

const DAYS: (&str, &str) = ("2026-11-21", "2026-11-22");

async fn world() -> (World, Window, Vec<u8>) {
    let world = World::new(Format::Jsonl, Partition::Window).await;
    let days = window(DAYS.0, DAYS.1);
    let properties: Vec<i64> = (1..=400).collect();
    let body = encode(Format::Jsonl, &grid(&properties, days, "x"));
    (world, days, body)
}

fn order(world: &World, days: Window) -> FetchOrder {
    let properties: Vec<i64> = (1..=400).collect();
    world.fetch_order(1, 1, "job", &properties, days)
}

fn assert_whole(world: &World, artifact: &Artifact, body: &[u8]) {
    assert_eq!(
        std::fs::read(world.root().join(&artifact.path)).expect("raw"),
        body
    );
    assert_eq!(artifact.bytes, body.len() as u64);
    assert_eq!(
        artifact.sha256,
        merge::hex(&<sha2::Sha256 as sha2::Digest>::digest(body))
    );
    assert_eq!(artifact.rows, 800);
    assert_eq!(
        artifact.path,
        "raw/owned/owned.b20261201T000000000Z-1/part-0001.jsonl"
    );
}

#[tokio::test]
async fn the_raw_file_is_the_body_byte_for_byte_however_it_is_framed() {
    for framing in [Framing::Length, Framing::Chunked] {
        let (world, days, body) = world().await;
        let location = world.server.serve(Reply {
            framing,
            ..Reply::of(body.clone())
        });
        let artifact = world
            .landing
            .fetch(order(&world, days), &location)
            .await
            .expect("fetched");
        assert_whole(&world, &artifact, &body);
        assert!(world.visible().is_empty());
    }
}

#[tokio::test]
async fn no_credential_referer_or_coding_is_sent() {
    let (world, days, body) = world().await;
    let target = world.server.serve(Reply::of(body));
    let mut redirect = Reply::status(302);
    redirect.headers.push(("Location".to_owned(), target));
    let location = world.server.serve(redirect);
    world
        .landing
        .fetch(order(&world, days), &location)
        .await
        .expect("fetched");
    for headers in world.server.requests() {
        for name in ["authorization", "referer", "accept-encoding", "cookie"] {
            assert!(!headers.contains_key(name), "{name}");
        }
    }
    assert_eq!(world.server.requests().len(), 2);
}

#[tokio::test]
async fn a_fetched_part_is_not_downloaded_again() {
    let (world, days, body) = world().await;
    let location = world.server.serve(Reply::of(body.clone()));
    let first = world
        .landing
        .fetch(order(&world, days), &location)
        .await
        .expect("fetched");
    let again = world
        .landing
        .fetch(order(&world, days), "https://nowhere.test/")
        .await
        .expect("kept");
    assert_eq!(first, again);
    assert_eq!(world.server.requests().len(), 1);

    // Another job of the same part is another file.
    let mut other = order(&world, days);
    other.job_id = "job-2".to_owned();
    world
        .landing
        .fetch(other, &location)
        .await
        .expect("fetched");
    assert_eq!(world.server.requests().len(), 2);

    // Raw bytes that were changed are not trusted.
    let raw = world.root().join(&first.path);
    std::fs::remove_file(&raw).expect("removed");
    std::fs::write(&raw, b"{}").expect("written");
    let mut other = order(&world, days);
    other.job_id = "job-2".to_owned();
    let artifact = world
        .landing
        .fetch(other, &location)
        .await
        .expect("fetched");
    assert_whole(&world, &artifact, &body);
}

#[tokio::test]
async fn a_cut_download_is_a_transfer_fault_and_the_next_one_goes_on() {
    let (world, days, body) = world().await;
    let reply = Reply {
        cut: Some(body.len() / 3),
        etag: Some("\"one\"".to_owned()),
        ..Reply::of(body.clone())
    };
    let location = world.server.serve(reply);
    let fault = world
        .landing
        .fetch(order(&world, days), &location)
        .await
        .expect_err("cut");
    assert_eq!(fault.class, FaultClass::Transfer, "{fault}");
    assert!(!fault.message.contains("CANARY"), "{fault}");
    assert!(world.visible().is_empty());

    let artifact = world
        .landing
        .fetch(order(&world, days), &location)
        .await
        .expect("resumed");
    assert_whole(&world, &artifact, &body);
    let asked = world.server.requests()[1].clone();
    let from: usize = asked["range"]
        .trim_start_matches("bytes=")
        .trim_end_matches('-')
        .parse()
        .expect("a number");
    assert!(from > 0 && from <= body.len() / 3);
    assert_eq!(asked["if-range"], "\"one\"");
}

#[tokio::test]
async fn a_changed_etag_or_an_ignored_range_starts_again() {
    for changed in [true, false] {
        let (world, days, body) = world().await;
        let reply = Reply {
            cut: Some(body.len() / 2),
            etag: Some("\"one\"".to_owned()),
            ..Reply::of(b"{\"id\": 1}\n".repeat(9000))
        };
        let location = world.server.serve(reply);
        world
            .landing
            .fetch(order(&world, days), &location)
            .await
            .expect_err("cut");
        world.server.change(&location, |reply| {
            reply.body.clone_from(&body);
            reply.ignores_range = !changed;
            if changed {
                reply.etag = Some("\"two\"".to_owned());
            }
        });
        let artifact = world
            .landing
            .fetch(order(&world, days), &location)
            .await
            .expect("whole");
        assert!(world.server.requests()[1].contains_key("range"));
        assert_whole(&world, &artifact, &body);
    }
}

#[tokio::test]
async fn another_job_never_goes_on_from_this_ones_bytes() {
    let (world, days, body) = world().await;
    let reply = Reply {
        cut: Some(1000),
        etag: Some("\"one\"".to_owned()),
        ..Reply::of(body.clone())
    };
    let location = world.server.serve(reply);
    world
        .landing
        .fetch(order(&world, days), &location)
        .await
        .expect_err("cut");
    let mut other = order(&world, days);
    other.job_id = "other".to_owned();
    let artifact = world.landing.fetch(other, &location).await.expect("whole");
    assert!(!world.server.requests()[1].contains_key("range"));
    assert_whole(&world, &artifact, &body);
}

#[tokio::test]
async fn a_body_whose_end_cannot_be_proven_must_come_twice_alike() {
    let (world, days, body) = world().await;
    let close = world.server.serve(Reply {
        framing: Framing::Close,
        cut: Some(5000),
        ..Reply::of(body.clone())
    });
    let fault = world
        .landing
        .fetch(order(&world, days), &close)
        .await
        .expect_err("cut once");
    assert_eq!(fault.class, FaultClass::Transfer);
    let artifact = world.landing.fetch(order(&world, days), &close).await;
    assert_eq!(artifact.expect("whole").bytes, body.len() as u64);
}

#[tokio::test]
async fn a_chunked_body_without_its_last_chunk_is_refused() {
    let (world, days, body) = world().await;
    let chunked = Reply {
        framing: Framing::Chunked,
        cut: Some(5000),
        ..Reply::of(body)
    };
    let chunked = world.server.serve(chunked);
    let fault = world
        .landing
        .fetch(order(&world, days), &chunked)
        .await
        .expect_err("no last chunk");
    assert_eq!(fault.class, FaultClass::Transfer);
}

#[tokio::test]
async fn a_stalled_download_is_a_transfer_fault() {
    let (mut world, days, body) = world().await;
    let patient = settings(world.root());
    world.landing = Landing::open(Settings {
        read_timeout: Duration::from_millis(300),
        ..patient
    })
    .expect("landing");
    let location = world.server.serve(Reply {
        stall: Some(2000),
        ..Reply::of(body)
    });
    let fault = world
        .landing
        .fetch(order(&world, days), &location)
        .await
        .expect_err("stalled");
    assert_eq!(fault.class, FaultClass::Transfer);
    assert!(fault.message.contains("stalled"), "{fault}");
}

#[tokio::test]
async fn more_than_bytes_max_is_refused_at_the_header_and_at_the_limit() {
    for framing in [Framing::Length, Framing::Chunked] {
        let (mut world, days, body) = world().await;
        let wide = settings(world.root());
        world.landing = Landing::open(Settings {
            bytes_max: 5000,
            ..wide
        })
        .expect("landing");
        let location = world.server.serve(Reply {
            framing,
            ..Reply::of(body)
        });
        let fault = world
            .landing
            .fetch(order(&world, days), &location)
            .await
            .expect_err("too large");
        assert_eq!(fault.class, FaultClass::TooLarge);
        let staging = layout::staging(world.root(), &world.run(1));
        assert!(!staging.join("part-0001.partial").exists());
    }
}

#[tokio::test]
async fn statuses_become_the_right_faults() {
    for (status, class) in [
        (403, FaultClass::Gone),
        (404, FaultClass::Gone),
        (410, FaultClass::Gone),
        (500, FaultClass::Transfer),
        (503, FaultClass::Transfer),
        (400, FaultClass::Transfer),
        (204, FaultClass::Transfer),
    ] {
        let (world, days, _) = world().await;
        let location = world.server.serve(Reply::status(status));
        let fault = world
            .landing
            .fetch(order(&world, days), &location)
            .await
            .expect_err("status");
        assert_eq!(fault.class, class, "{status}");
        assert!(!fault.message.contains("CANARY"), "{fault}");
    }
}

#[tokio::test]
async fn a_redirect_to_a_forbidden_place_is_never_connected_to() {
    let (world, days, body) = world().await;
    let victim = tokio::net::TcpListener::bind("127.0.0.2:0")
        .await
        .expect("port");
    let port = victim.local_addr().expect("address").port();
    for target in [
        format!("http://127.0.0.2:{port}/x"),
        "https://169.254.169.254/latest".to_owned(),
        "file:///etc/passwd".to_owned(),
        "https://evil.test/x".to_owned(),
    ] {
        let mut redirect = Reply::status(302);
        redirect
            .headers
            .push(("Location".to_owned(), target.clone()));
        let location = world.server.serve(redirect);
        let fault = world
            .landing
            .fetch(order(&world, days), &location)
            .await
            .expect_err(&target);
        assert_eq!(fault.class, FaultClass::Address, "{target}");
    }
    let connected = tokio::select! {
        biased;
        _ = victim.accept() => true,
        () = std::future::ready(()) => false,
    };
    assert!(!connected);

    let looped = world.server.serve(Reply::of(body));
    world.server.change(&looped, |reply| {
        reply.status = 302;
        reply.headers.push(("Location".to_owned(), looped.clone()));
    });
    let before = world.server.requests().len();
    let fault = world
        .landing
        .fetch(order(&world, days), &looped)
        .await
        .expect_err("loop");
    assert_eq!(fault.class, FaultClass::Address);
    assert_eq!(world.server.requests().len() - before, 4);
}

#[tokio::test]
async fn a_name_that_resolves_to_loopback_is_refused_without_the_permission() {
    let (mut world, days, _) = world().await;
    let open = settings(world.root());
    world.landing = Landing::open(Settings {
        allowed_hosts: vec!["*.localhost".to_owned(), "localhost".to_owned()],
        loopback_allowed: false,
        ..open
    })
    .expect("landing");
    let fault = world
        .landing
        .fetch(order(&world, days), "https://localhost:1/x")
        .await
        .expect_err("private");
    assert_eq!(fault.class, FaultClass::Address);
}

#[tokio::test]
async fn a_landing_folder_that_vanished_is_a_disk_fault() {
    let (world, days, body) = world().await;
    let location = world.server.serve(Reply::of(body));
    let root = world.root().to_owned();
    std::fs::remove_dir_all(&root).expect("removed");
    let fault = world
        .landing
        .fetch(order(&world, days), &location)
        .await
        .expect_err("gone");
    assert_eq!(fault.class, FaultClass::Disk, "{fault}");
    assert!(!root.exists());
    std::fs::create_dir_all(&root).expect("back");
}
