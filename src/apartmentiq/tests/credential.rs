//! Tokens: one renewal for all, the standby, no hammering.

use super::*;

#[tokio::test]
async fn one_token_is_asked_for_by_all_who_lack_it() {
    let server = server(|_, request| {
        if request.starts_with("POST /oauth/token") {
            let fresh =
                request.contains("client_id=me") && request.contains("client_secret=s3cret");
            assert!(fresh && !request.contains("authorization"));
            let token = if request.contains("never") {
                "x"
            } else {
                "opened"
            };
            return ok(&format!(
                r#"{{"access_token":"{token}","expires_in":7200}}"#
            ));
        }
        ok(JOB)
    })
    .await;
    let client = server.oauth();
    let calls = (0..20).map(|_| client.job("j-1"));
    for job in futures_util::future::join_all(calls).await {
        job.unwrap();
    }
    assert_eq!(server.count("POST /oauth/token"), 1);
    let state = client.credential();
    assert_eq!((state.kind, state.refused), (CredentialKind::Client, false));
    assert!(state.expires_at.unwrap() > crate::clock::now() + chrono::TimeDelta::hours(1));
}

#[tokio::test]
async fn a_token_that_ends_early_is_renewed_by_one_and_the_calls_repeated() {
    let grants = Arc::new(Mutex::new(0));
    let given = grants.clone();
    let server = server(move |_, request| {
        if request.starts_with("POST /oauth/token") {
            let mut given = given.lock().unwrap();
            *given += 1;
            return ok(&format!(
                r#"{{"access_token":"t{given}","expires_in":7200}}"#
            ));
        }
        if bearer(request) == "t1" {
            unauthorized()
        } else {
            ok(JOB)
        }
    })
    .await;
    let client = server.oauth();
    let order = order();
    let creates = (0..20).map(|_| client.create(&order));
    for job in futures_util::future::join_all(creates).await {
        job.unwrap();
    }
    assert_eq!(*grants.lock().unwrap(), 2);
    assert!(server.count("POST /apartmentiq") <= 40);
}

#[tokio::test]
async fn a_credential_that_stays_refused_is_not_hammered() {
    let server = server(|_, request| {
        if request.starts_with("POST /oauth/token") {
            return ok(r#"{"access_token":"t","expires_in":7200}"#);
        }
        unauthorized()
    })
    .await;
    let client = server.oauth();
    for _ in 0..10 {
        assert_eq!(
            client.job("j-1").await.unwrap_err().class,
            FaultClass::Credential
        );
    }
    assert!(client.credential().refused);
    assert_eq!(server.count("GET "), 2);
    assert_eq!(server.count("POST /oauth/token"), 2);
}

#[tokio::test]
async fn a_failing_token_endpoint_is_not_hammered_and_nothing_is_sent() {
    let server = server(|_, _| answer("500 Oops", "", "")).await;
    let client = server.oauth();
    for _ in 0..10 {
        let (known, class) = known(client.create(&order()).await);
        assert_eq!((known, class), (Unsent, FaultClass::Unanswered));
    }
    assert_eq!(server.requests().len(), 1);
    // Another secret is worth another try at once.
    write(&server.folder.path().join("secret"), "another");
    client.job("j-1").await.unwrap_err();
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn the_standby_serves_while_the_first_is_refused() {
    let server = server(|_, request| match bearer(request) {
        "standby" | "mended" => ok(JOB),
        _ => unauthorized(),
    })
    .await;
    let standby = server.folder.path().join("standby");
    write(&standby, " standby\n");
    let settings = Settings {
        standby_token_file: Some(standby),
        ..server.settings()
    };
    let client = Client::new(settings).unwrap();
    client.create(&order()).await.unwrap();
    client.job("j-1").await.unwrap();
    let state = client.credential();
    assert_eq!((state.in_use, state.refused), (InUse::Standby, false));
    let sent: Vec<String> = server
        .requests()
        .iter()
        .map(|r| bearer(r).to_owned())
        .collect();
    assert_eq!(sent, ["first", "first", "standby", "standby"]);

    let changed = client.credential_changed();
    tokio::pin!(changed);
    assert!(futures_util::poll!(&mut changed).is_pending());
    write(&server.folder.path().join("token"), "mended");
    client.job("j-1").await.unwrap();
    changed.await;
    assert_eq!(client.credential().in_use, InUse::First);
}

#[tokio::test]
async fn a_changed_token_file_is_used_at_once() {
    let server = server(|_, _| ok(JOB)).await;
    let client = server.client();
    client.job("j-1").await.unwrap();
    write(&server.folder.path().join("token"), "second");
    client.job("j-1").await.unwrap();
    let sent: Vec<String> = server
        .requests()
        .iter()
        .map(|r| bearer(r).to_owned())
        .collect();
    assert_eq!(sent, ["first", "second"]);
}

/// As at the start; once it is closed to the others, it is read again.
#[tokio::test]
async fn a_token_file_that_others_can_read_is_not_used() {
    let server = server(|_, _| ok(JOB)).await;
    let client = server.client();
    client.job("j-1").await.unwrap();
    let file = server.folder.path().join("token");
    write(&file, "second");
    for open in [0o604, 0o640] {
        allow(&file, open);
        let fault = client.job("j-1").await.unwrap_err();
        assert_eq!(fault.class, FaultClass::Credential);
        assert!(fault.message.contains("chmod 600"), "{fault}");
    }
    assert_eq!(server.requests().len(), 1);
    allow(&file, 0o600);
    client.job("j-1").await.unwrap();
    assert_eq!(bearer(&server.requests()[1]), "second");
}
