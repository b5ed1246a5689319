//! Files without the column that would tell their rows apart.

use super::*;

const IDS: [i64; 6] = [1, 2, 3, 4, 5, 6];

#[tokio::test]
async fn without_a_property_column_a_subset_needs_the_whole_partition() {
    let world = World::new(Format::Csv, Partition::Date).await;
    let day = window("2026-11-22", "2026-11-22");
    let body = |rows: usize| format!("name,rent\n{}", "x,1\n".repeat(rows)).into_bytes();
    let part = world
        .deliver_bytes(1, 1, &IDS, day, body(9))
        .await
        .expect("delivered");
    let published = world.publish(1, &IDS, day, vec![part]).await;
    assert_eq!(published.verdict, Verdict::Landed);
    let coverage = &published.checks[0];
    assert!(
        coverage.observed["basis"]
            .as_str()
            .expect("basis")
            .contains("no column `id`")
    );

    let part = world
        .deliver_bytes(2, 1, &[2], day, body(2))
        .await
        .expect("delivered");
    let order = world.order(2, &[2], day, vec![part]);
    let fault = world.landing.publish(order).await.expect_err("a subset");
    assert_eq!(fault.class, FaultClass::Content);
    assert!(
        fault.message.contains("export the whole partition anew"),
        "{fault}"
    );
    assert_eq!(fault.remedy, Some(Remedy::WholePartitions), "{fault}");
    assert_eq!(world.manifest("date=2026-11-22").file.rows, 9);

    // A run for all that the schedule asks for takes the place of what it does not ask for any more.
    let five = &IDS[..5];
    let part = world
        .deliver_bytes(4, 1, five, day, body(7))
        .await
        .expect("delivered");
    let mut order = world.order(4, five, day, vec![part]);
    order.whole = true;
    let published = world.landing.publish(order.clone()).await.expect("landed");
    assert_eq!(published.verdict, Verdict::Landed);
    assert_eq!(published.lost, [span(6, "2026-11-22", "2026-11-22")]);
    assert_eq!(world.manifest("date=2026-11-22").file.rows, 7);

    // Where a part of such a run failed, the file stays as it is.
    let part = world
        .deliver_bytes(5, 1, &IDS[..4], day, body(2))
        .await
        .expect("delivered");
    order.run = world.run(5);
    order.parts = vec![part];
    let published = world.landing.publish(order).await.expect("kept");
    assert_eq!(published.verdict, Verdict::Incomplete);
    assert!(
        published
            .reason
            .expect("a reason")
            .contains("keeps its earlier file")
    );
    assert_eq!((published.missing.len(), published.landed.len()), (0, 5));
    assert_eq!(world.manifest("date=2026-11-22").file.rows, 7);

    let part = world
        .deliver_bytes(6, 1, &IDS, day, body(4))
        .await
        .expect("delivered");
    world.publish(6, &IDS, day, vec![part]).await;
    assert_eq!(world.manifest("date=2026-11-22").file.rows, 4);
}

#[tokio::test]
async fn days_cannot_be_split_without_a_date_column() {
    let world = World::new(Format::Csv, Partition::Date).await;
    let days = window("2026-11-21", "2026-11-22");
    let body = b"id,rent\n1,5\n".to_vec();
    let part = world
        .deliver_bytes(1, 1, &[1], days, body.clone())
        .await
        .expect("delivered");
    let fault = world
        .landing
        .publish(world.order(1, &[1], days, vec![part]))
        .await
        .expect_err("two days");
    assert_eq!(fault.remedy, Some(Remedy::OneDayParts), "{fault}");

    // In parts of one day it needs no column.
    let mut parts = Vec::new();
    for (number, day) in (1..).zip(days.days()) {
        let part = world
            .deliver_bytes(1, number, &[1], Window::day(day), body.clone())
            .await;
        parts.push(part.expect("delivered"));
    }
    let published = world.publish(1, &[1], days, parts).await;
    assert_eq!(published.verdict, Verdict::Landed);
    assert_eq!(published.files.len(), 2);
    assert_eq!(world.manifest("date=2026-11-21").columns.len(), 2);
}

/// A month's file without a date column is made of days, so that one of them can be replaced.
#[tokio::test]
async fn a_day_of_a_month_is_replaced_without_a_date_column() {
    for format in [Format::Csv, Format::Jsonl] {
        let world = World::new(format, Partition::Month).await;
        let days = window("2026-11-20", "2026-11-22");
        let body = |rent: u32| match format {
            Format::Csv => format!("id,rent\n1,{rent}\n2,{rent}\n").into_bytes(),
            _ => {
                format!("{{\"id\":1,\"rent\":{rent}}}\n{{\"id\":2,\"rent\":{rent}}}\n").into_bytes()
            }
        };
        let whole = world.deliver_bytes(1, 1, &[1, 2], days, body(5)).await;
        let order = world.order(1, &[1, 2], days, vec![whole.expect("delivered")]);
        let fault = world.landing.publish(order).await.expect_err("three days");
        assert_eq!(fault.remedy, Some(Remedy::OneDayParts), "{fault}");

        let mut parts = Vec::new();
        for (number, day) in (2..).zip(days.days()) {
            let rent = 10 + number;
            let part = world.deliver_bytes(1, number, &[1, 2], Window::day(day), body(rent));
            parts.push(part.await.expect("delivered"));
        }
        let published = world.publish(1, &[1, 2], days, parts).await;
        assert_eq!(published.names_days, Some(false));

        let day = window("2026-11-21", "2026-11-21");
        let part = world.deliver_bytes(2, 1, &[1, 2], day, body(99)).await;
        let order = world.order(2, &[1, 2], day, vec![part.expect("delivered")]);
        let published = world
            .landing
            .publish(PublishOrder {
                whole: true,
                ..order
            })
            .await;
        let published = published.expect("landed");
        assert_eq!(published.verdict, Verdict::Landed);
        assert_eq!((published.lost.len(), published.files[0].rows), (0, 6));
        let text = std::fs::read_to_string(world.data("month=2026-11-01")).expect("a file");
        for (rent, times) in [("12", 2), ("13", 0), ("14", 2), ("99", 2)] {
            assert_eq!(text.matches(rent).count(), times, "{rent}: {text}");
        }

        // Without the raw files of the other days nothing is dropped: the run says what would help.
        std::fs::remove_dir_all(world.root().join("raw")).expect("removed");
        let part = world.deliver_bytes(3, 1, &[1, 2], day, body(77)).await;
        let order = world.order(3, &[1, 2], day, vec![part.expect("delivered")]);
        let refused = world
            .landing
            .publish(PublishOrder {
                whole: true,
                ..order
            })
            .await;
        let fault = refused.expect_err("other days");
        assert!(
            fault.message.contains("--from 2026-11-01 --to 2026-11-30"),
            "{fault}"
        );
        assert_eq!(world.manifest("month=2026-11-01").file.rows, 6);
    }
}
