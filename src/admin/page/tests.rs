//! The page as text; how it looks is tried in a browser by `.ci/page`.

use super::*;
use crate::admin::tests::Fake;

async fn overview() -> Overview {
    Fake::new().survey().await.unwrap()
}

#[tokio::test]
async fn the_first_line_says_how_far_the_data_reaches() {
    let overview = overview().await;
    assert_eq!(
        top::headline(&overview).text,
        "Data through 2026-11-22 for 1 of 2 properties"
    );
    let mut unready = overview.clone();
    unready.status.ready = false;
    assert!(top::headline(&unready).text.starts_with("Not ready"));
    let mut fresh = overview.clone();
    fresh.schedules.clear();
    assert_eq!(top::headline(&fresh).text, "No schedule is declared yet");
    let page = render(&fresh, None);
    assert!(
        page.contains("aptiqd init DIR"),
        "a newcomer is told what to do"
    );
}

#[tokio::test]
async fn what_others_wrote_is_escaped_everywhere() {
    let page = render(&overview().await, Some("<script>"));
    for bad in ["<script>", "<i>Elm", "<b>rent", "<b>waits"] {
        assert!(!page.contains(bad), "{bad} in {page}");
    }
    for good in [
        "&lt;i&gt;Elm&lt;/i&gt; &amp; Oak",
        "added &lt;b&gt;rent",
        "&lt;b&gt;waits",
    ] {
        assert!(page.contains(good), "no {good} in {page}");
    }
}

#[tokio::test]
async fn gaps_come_with_the_command_that_fills_them() {
    let page = render(&overview().await, None);
    let command = "aptiqd backfill owned --from 2026-11-21 --to 2026-11-22</code>";
    assert!(page.contains(command), "{page}");
    assert!(
        page.contains("Mon 23 Nov 12:30 CST"),
        "in the schedule's zone: {page}"
    );
}

#[tokio::test]
async fn nothing_of_the_page_needs_more_than_its_policy_allows() {
    let page = render(&overview().await, None);
    assert!(!page.contains("style=\""), "{page}");
    assert!(!page.contains(" onclick="), "{page}");
    for source in page
        .split("src=\"")
        .skip(1)
        .chain(page.split("href=\"").skip(1))
    {
        assert!(
            source.starts_with(['/', '#']),
            "from elsewhere: {}",
            &source[..40]
        );
    }
}
