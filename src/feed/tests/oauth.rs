//! OAuth 2.0: one token for one credential, kept, renewed and shared.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::config::OAuth2;

fn feed_with(host: &TestHost, path: &str, refresh: &str) -> Feed {
    let oauth2 = OAuth2 {
        token_url: FeedUrl::parse(&host.url("/token")).unwrap().0,
        client_id: "id".to_owned(),
        client_secret: Secret::new("s3cret"),
        refresh_token: Secret::new(refresh),
    };
    feed(Source::Ics {
        url: FeedUrl::parse(&host.url(path)).unwrap().0,
        login: Login::OAuth2(Arc::new(oauth2)),
    })
}

fn paths(host: &TestHost) -> Vec<String> {
    host.requests()
        .into_iter()
        .map(|asked| asked.path)
        .collect()
}

async fn pull_by(network: &Network, feed: &Feed) -> Result<Pulled, PullError> {
    let client = FeedClient::new(feed, network).unwrap();
    client.pull(&Held::default(), NOW).await
}

/// Every refresh token is good once, and every access token until the next.
async fn rotating() -> TestHost {
    let count = AtomicUsize::new(0);
    TestHost::start(move |asked| {
        let at = count.load(Ordering::Relaxed);
        if asked.path != "/token" {
            let good = format!("Bearer a{at}");
            return match asked.header("authorization") == Some(good.as_str()) {
                true => Reply::ok(ICS),
                false => Reply::status("401 Unauthorized"),
            };
        }
        if !asked.body.contains(&format!("refresh_token=r{at}&")) {
            return Reply::with("400 Bad Request", &[], r#"{"error":"invalid_grant"}"#);
        }
        let at = count.fetch_add(1, Ordering::Relaxed) + 1;
        Reply::ok(format!(
            r#"{{"access_token":"a{at}","expires_in":3600,"refresh_token":"r{at}"}}"#
        ))
    })
    .await
}

#[tokio::test]
async fn a_token_is_renewed_once_when_it_is_refused() {
    let host =
        TestHost::start(
            |asked| match (asked.path.as_str(), asked.header("authorization")) {
                ("/token", _) if asked.body.contains("refresh_token=first") => {
                    Reply::ok(r#"{"access_token":"a1","expires_in":3600,"refresh_token":"second"}"#)
                }
                ("/token", _) => Reply::ok(r#"{"access_token":"a2","expires_in":"3600"}"#),
                ("/a.ics", Some("Bearer a2")) => Reply::ok(ICS),
                _ => Reply::status("401 Unauthorized"),
            },
        )
        .await;
    let network = Network::new();
    let feed = feed_with(&host, "/a.ics", "first");
    pull_by(&network, &feed).await.unwrap();
    assert_eq!(paths(&host), ["/token", "/a.ics", "/token", "/a.ics"]);
    pull_by(&network, &feed).await.unwrap();
    assert_eq!(host.requests().len(), 1, "a token is kept");
}

#[tokio::test]
async fn feeds_of_one_credential_share_its_token() {
    let host = rotating().await;
    let network = Network::new();
    let feeds: Vec<Feed> = (0..10)
        .map(|at| feed_with(&host, &format!("/{at}.ics"), "r0"))
        .collect();
    let all = feeds.iter().map(|feed| pull_by(&network, feed));
    let pulled = futures_util::future::join_all(all).await;
    assert!(pulled.iter().all(Result::is_ok));
    let paths = paths(&host);
    assert_eq!(paths.iter().filter(|path| *path == "/token").count(), 1);
}

#[tokio::test]
async fn a_rotated_token_outlives_the_process_and_is_shared_between_two() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.json");
    let host = rotating().await;
    let feed = feed_with(&host, "/a.ics", "r0");
    let service = Network::with_token_file(file.clone());
    pull_by(&service, &feed).await.unwrap();
    assert_eq!(paths(&host), ["/token", "/a.ics"]);
    // A command beside the service, and the service after a restart.
    let command = Network::with_token_file(file.clone());
    pull_by(&command, &feed).await.unwrap();
    assert_eq!(paths(&host), ["/a.ics"], "the access token is shared");
    // An hour later both find the newest refresh token.
    for network in [&command, &service, &command] {
        expire(&file);
        let fresh = Network::with_token_file(file.clone());
        pull_by(&fresh, &feed).await.unwrap();
        pull_by(network, &feed).await.unwrap();
    }
    // The credential in the configuration is what names it.
    let other = feed_with(&host, "/a.ics", "r9");
    let error = pull_by(&service, &other).await.unwrap_err();
    assert_eq!(error.rejection(), Some(Rejection::Unauthorized));
    assert_eq!(not_saved(&service, &feed).await, None);
}

async fn not_saved(network: &Network, feed: &Feed) -> Option<String> {
    let client = FeedClient::new(feed, network).unwrap();
    client.token_not_saved().await
}

/// It works on in this process, and a person has to know before that ends.
#[tokio::test]
async fn a_rotated_token_that_cannot_be_saved_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("missing/tokens.json");
    let host = rotating().await;
    let feed = feed_with(&host, "/a.ics", "r0");
    let network = Network::with_token_file(file.clone());
    assert_eq!(not_saved(&network, &feed).await, None);
    pull_by(&network, &feed).await.unwrap();
    let problem = not_saved(&network, &feed).await.unwrap();
    assert!(
        problem.contains("tokens.json` cannot be written"),
        "{problem}"
    );
}

fn expire(file: &Path) {
    let text = std::fs::read_to_string(file).unwrap();
    let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (_, kept) in document["credentials"].as_object_mut().unwrap() {
        kept["expires_at"] = 0.into();
    }
    std::fs::write(file, document.to_string()).unwrap();
}

#[tokio::test]
async fn a_pull_that_is_given_up_does_not_lose_the_rotated_token() {
    let host = rotating().await;
    let network = Network::new();
    let feed = feed_with(&host, "/a.ics", "r0");
    {
        let pulling = pull_by(&network, &feed);
        tokio::time::timeout(Duration::from_millis(1), pulling)
            .await
            .ok();
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    pull_by(&network, &feed).await.unwrap();
    let asked = paths(&host);
    assert_eq!(asked.iter().filter(|path| *path == "/token").count(), 1);
}

#[tokio::test]
async fn what_the_token_endpoint_says_is_passed_on() {
    let cases = [
        (
            "400 Bad Request",
            "invalid_grant",
            Some(Rejection::Unauthorized),
            false,
        ),
        (
            "401 Unauthorized",
            "invalid_client",
            Some(Rejection::Unauthorized),
            false,
        ),
        ("400 Bad Request", "slow_down", None, true),
        ("503 Service Unavailable", "", None, true),
        ("400 Bad Request", "invalid_scope", None, false),
    ];
    for (status, word, rejection, passing) in cases {
        let body = format!(r#"{{"error":"{word}","error_description":"Secret text"}}"#);
        let host = TestHost::start(move |_| Reply::with(status, &["Retry-After: 90"], &body)).await;
        let network = Network::new();
        let feed = feed_with(&host, "/a.ics", "r3fresh");
        let error = pull_by(&network, &feed).await.unwrap_err();
        assert_eq!(error.rejection(), rejection, "{word}");
        assert_eq!(error.is_passing(), passing, "{word}");
        assert_eq!(error.kind(), "auth");
        assert!(error.secret_was_sent());
        assert!(error.to_string().contains(word), "{error}");
        assert!(
            !format!("{error} {error:?}").contains("Secret text"),
            "{error:?}"
        );
        assert_eq!(error.retry_after(), Some(Duration::from_secs(90)));
        // Until then nobody asks again, whatever feed it is for.
        assert_eq!(host.requests().len(), 1);
        let other = feed_with(&host, "/b.ics", "r3fresh");
        assert_eq!(
            pull_by(&network, &other).await.unwrap_err().kind,
            error.kind
        );
        assert_eq!(host.requests().len(), 0);
    }
}

#[tokio::test]
async fn a_withdrawn_grant_is_asked_for_once_by_all_that_wait() {
    let host =
        TestHost::start(|_| Reply::with("400 Bad Request", &[], r#"{"error":"invalid_grant"}"#))
            .await;
    let network = Network::new();
    let feeds: Vec<Feed> = (0..10)
        .map(|at| feed_with(&host, &format!("/{at}.ics"), "r0"))
        .collect();
    let all = feeds.iter().map(|feed| pull_by(&network, feed));
    for pulled in futures_util::future::join_all(all).await {
        let error = pulled.unwrap_err();
        assert!(error.to_string().contains("`invalid_grant`"), "{error}");
        assert!(!error.is_passing());
    }
    assert_eq!(host.requests().len(), 1);
}
