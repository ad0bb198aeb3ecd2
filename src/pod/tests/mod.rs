//! The client against a server of bytes: what is sent, and what is made of answers.

mod requests;
mod stand_in;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Mutex;

use self::stand_in::{Reply, StandIn, json, new_certificate};
use super::client::Inner;
use super::verifier::Verifier;
use super::*;
use crate::config::{Pod, TlsTrust};
use crate::fault::Fault as _;
use crate::model::meeting::Meeting;
use crate::model::name::PodUrl;
use crate::model::secret::Secret;
use crate::net::tests::version_1;
use crate::net::transport::Cause;
use crate::sim::{self, Sim};

const PASSWORD: &str = "correct horse & battery";
const TOKEN: &str = r#"{"access_token":"token-1","token_type":"jwt"}"#;
const DONE: &str = r#"{"message":"success!","reboot_required":false,"restart_required":true}"#;

pub(super) fn pod(address: &str, password: &str) -> Pod {
    Pod {
        url: PodUrl::parse(address).unwrap(),
        username: "admin".to_owned(),
        password: Secret::new(password),
        tls: TlsTrust::Pin,
        min_interval: Duration::from_secs(10),
        timeout: Duration::from_secs(20),
        third_party_type: None,
        enforce: None,
    }
}

fn client(stand_in: &StandIn) -> PodClient {
    PodClient::new(&pod(&stand_in.address, PASSWORD), None, Access::ReadWrite).unwrap()
}

/// A pod that gives tokens and answers everything else with `answer`.
async fn pod_that(answer: impl Fn(&str, usize) -> Reply + Send + Sync + 'static) -> StandIn {
    StandIn::start(move |asked, before| match asked.line.as_str() {
        "POST /v2/token" => json(
            200,
            &format!(
                r#"{{"access_token":"token-{}","token_type":"jwt"}}"#,
                before + 1
            ),
        ),
        line => answer(line, before),
    })
    .await
}

fn meeting(title: &str) -> Meeting {
    serde_json::from_value(json!({
        "id": "1", "title": title, "organizer": "", "start_time": 60, "end_time": 120
    }))
    .unwrap()
}

fn check_clean(error: &PodError) {
    let text = format!("{error} {error:?} {}", error.hint());
    for secret in [PASSWORD, "token-", "horse", "Merger"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn one_sign_in_serves_many_requests() {
    let stand_in = pod_that(|_, _| json(200, r#"{"device_id":"abc"}"#)).await;
    let client = client(&stand_in);
    let (one, two) = (client.clone(), client.clone());
    let (a, b, c) = tokio::join!(one.device_id(), two.device_id(), metadata(&client));
    let id = Some("abc".to_owned());
    assert_eq!((a.unwrap(), b.unwrap()), (id.clone(), id));
    assert_eq!(c.unwrap(), json!({"device_id": "abc"}));
    let asked = stand_in.asked();
    assert_eq!(asked.len(), 4, "{asked:?}");
    assert_eq!(asked[0].line, "POST /v2/token");
    assert_eq!(
        asked[0].text(),
        "grant_type=password&username=admin&password=correct+horse+%26+battery"
    );
    assert!(
        asked[0]
            .head
            .contains("content-type: application/x-www-form-urlencoded\r\n")
    );
    for request in &asked[1..] {
        assert_eq!(request.line, "GET /v2/metadata");
        assert!(request.head.contains("authorization: bearer token-1\r\n"));
        assert!(
            !request.head.contains("accept-encoding"),
            "{}",
            request.head
        );
    }
}

#[tokio::test]
async fn a_changed_certificate_stops_before_the_password() {
    let stand_in = pod_that(|_, _| json(200, r#"{"device_id":"abc"}"#)).await;
    let pin = Fingerprint([7; 32]);
    let pod = pod(&stand_in.address, PASSWORD);
    let client = PodClient::new(&pod, Some(pin), Access::ReadWrite).unwrap();
    let error = client.device_id().await.unwrap_err();
    let found = Fingerprint::of(&stand_in.certificate);
    assert!(
        matches!(&error.kind, PodErrorKind::CertificateChanged { expected, found: seen } if *expected == pin && *seen == found),
        "{error}"
    );
    assert!(error.hint().contains("podcal pod ROOM trust"));
    assert!(error.hint().contains(&found.to_string()));
    assert!(!error.is_passing());
    assert_eq!(stand_in.lines(), Vec::<String>::new());
    assert_eq!(client.seen(), None);
    assert_eq!(certificate(&pod).await.unwrap(), found);
    assert_eq!(stand_in.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn the_first_certificate_is_insisted_on() {
    let first = pod_that(|_, _| json(200, r#"{"device_id":"abc"}"#)).await;
    let client = client(&first);
    assert_eq!(client.seen(), None);
    client.device_id().await.unwrap();
    let seen = client.seen().unwrap();
    assert_eq!(seen, Fingerprint::of(&first.certificate));

    let address = first.address.clone();
    drop(first);
    // The same address, another key: the client must not speak to it.
    let key = new_certificate();
    let second = StandIn::start_with(&key, |_, _| json(200, TOKEN)).await;
    let moved = pod(&second.address, PASSWORD);
    assert_ne!(address, second.address);
    let client = PodClient::new(&moved, Some(seen), Access::ReadWrite).unwrap();
    let error = client.device_id().await.unwrap_err();
    assert_eq!(error.key(), "certificate_changed");
    assert!(second.lines().is_empty());
}

#[tokio::test]
async fn a_certificate_without_its_key_is_not_pinned() {
    let verifier = Verifier::of(&TlsTrust::Pin, None).unwrap();
    let shown = new_certificate();
    use rustls::client::danger::ServerCertVerifier as _;
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let now = rustls::pki_types::UnixTime::now();
    verifier
        .verify_server_cert(shown.cert.der(), &[], &name, &[], now)
        .unwrap();
    assert_eq!(verifier.proven(), None);
    let other = new_certificate();
    verifier
        .verify_server_cert(other.cert.der(), &[], &name, &[], now)
        .unwrap();
}

#[tokio::test]
async fn an_old_certificate_can_be_pinned_and_only_by_who_has_its_key() {
    let (key, certificate) = version_1();
    let stranger = rcgen::KeyPair::generate().unwrap().serialize_der();
    for versions in [[&rustls::version::TLS12], [&rustls::version::TLS13]] {
        let own = StandIn::start_as(&certificate, key.clone(), &versions, |_, _| {
            json(200, TOKEN)
        });
        let own = own.await;
        let client = client(&own);
        client.sign_in().await.unwrap();
        let seen = client.seen();
        assert_eq!(seen, Some(Fingerprint::of(&certificate)));

        let thief = StandIn::start_as(&certificate, stranger.clone(), &versions, |_, _| {
            json(200, TOKEN)
        });
        let thief = thief.await;
        for pin in [None, seen] {
            let pod = pod(&thief.address, PASSWORD);
            let client = PodClient::new(&pod, pin, Access::ReadWrite).unwrap();
            let error = client.sign_in().await.unwrap_err();
            let expected = PodErrorKind::NotConnected(Cause::KeyNotProven);
            assert_eq!(error.kind, expected);
            assert!(!error.password_was_sent());
            assert_eq!(client.seen(), None);
            assert!(thief.lines().is_empty());
        }
    }
}

#[tokio::test]
async fn a_session_is_resumed_under_its_pin_only_and_for_a_while() {
    for versions in [[&rustls::version::TLS12], [&rustls::version::TLS13]] {
        let key = new_certificate();
        let private = key.signing_key.serialize_der();
        let stand_in =
            StandIn::start_as(key.cert.der(), private, &versions, |_, _| json(200, TOKEN));
        let stand_in = stand_in.await;
        let own = client(&stand_in);
        // Each sign-in has a connection of its own.
        own.sign_in().await.unwrap();
        own.sign_in().await.unwrap();
        assert_eq!(stand_in.resumed(), [false, true]);
        assert_eq!(own.seen(), Some(Fingerprint::of(&stand_in.certificate)));
        // Another pin, another client: it starts with nothing.
        let pod = pod(&stand_in.address, PASSWORD);
        let other = Some(Fingerprint([7; 32]));
        let other = PodClient::new(&pod, other, Access::ReadWrite).unwrap();
        let error = other.sign_in().await.unwrap_err();
        assert_eq!(error.key(), "certificate_changed");
        assert!(!error.password_was_sent());
        assert_eq!(stand_in.lines().len(), 2);
        // After a while the certificate is looked at again.
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(16 * 60)).await;
        tokio::time::resume();
        own.sign_in().await.unwrap();
        own.sign_in().await.unwrap();
        assert_eq!(stand_in.resumed(), [false, true, false, true]);
    }
}

#[tokio::test]
async fn requests_of_one_contact_share_a_connection() {
    let (sim, client) = simulated(sim::Quirks::default()).await;
    client.device_id().await.unwrap();
    let made_at = client.0.connection.made_at();
    client.meetings().await.unwrap();
    client.calendar_mode().await.unwrap();
    client.set_meetings(&[meeting("Review")]).await.unwrap();
    assert!(made_at.is_some() && client.0.connection.made_at() == made_at);
    assert!(client.0.connection.has_kept());
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3)).await;
    tokio::time::resume();
    client.meetings().await.unwrap();
    assert_ne!(client.0.connection.made_at(), made_at);
    client.close();
    assert_eq!(client.0.connection.made_at(), None);
    client.meetings().await.unwrap();
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_pod_that_asks_to_be_left_alone_is_understood() {
    let reply = |head: &str| {
        let head = format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n");
        Reply::Raw(head.into_bytes())
    };
    let check = async |head: &'static str, throttled: bool, seconds: Option<u64>| {
        let stand_in = pod_that(move |_, _| reply(head)).await;
        let error = client(&stand_in).meetings().await.unwrap_err();
        assert_eq!(error.is_throttled(), throttled, "{error}");
        let found = error.retry_after().map(|wait| wait.as_secs());
        assert_eq!(found, seconds, "{head}");
        assert!(error.is_passing() && error.password_was_sent());
    };
    check("429 X\r\nRetry-After: 120", true, Some(120)).await;
    check("429 X", true, None).await;
    check("503 X\r\nRetry-After: 9999999", true, Some(86_400)).await;
    // The date counts by the pod's own clock.
    let date = "503 X\r\nDate: Mon, 02 Mar 2026 09:00:00 GMT\r\nRetry-After: Mon, 02 Mar 2026 09:01:00 GMT";
    check(date, true, Some(60)).await;
    check("500 X\r\nRetry-After: 120", false, None).await;
}

#[tokio::test]
async fn the_clock_of_a_pod_is_seen_in_its_answers() {
    let stand_in = pod_that(|_, _| {
        let body = r#"{"meetings":[]}"#;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Mon, 02 Mar 2026 09:05:00 GMT";
        Reply::Raw(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
    })
    .await;
    let client = client(&stand_in);
    let now = crate::model::time::UnixTime::parse("2026-03-02T09:00:00Z").unwrap();
    assert_eq!(client.clock_offset(now), None);
    client.meetings().await.unwrap();
    let offset = client.clock_offset(now).unwrap();
    assert!((300..310).contains(&offset), "{offset}");
}

#[tokio::test]
async fn firmware_that_does_not_report_who_it_is_has_no_identity() {
    let check = async |status: u16, body: &'static str, expected: Option<&str>| {
        let stand_in = pod_that(move |_, _| json(status, body)).await;
        let found = client(&stand_in).device_id().await.unwrap();
        assert_eq!(found.as_deref(), expected, "{status} {body}");
    };
    check(200, r#"{"device_id":"abc"}"#, Some("abc")).await;
    check(404, "", None).await;
    check(404, "<html>", None).await;
    check(400, r#"{"errors":[{"error":"not_found"}]}"#, None).await;
    let stand_in = pod_that(|_, _| json(500, "")).await;
    client(&stand_in).device_id().await.unwrap_err();
}

#[tokio::test]
async fn a_flood_of_meetings_is_refused_by_name() {
    let stand_in = pod_that(|_, _| {
        let many = vec!["{}"; 5_001].join(",");
        json(200, &format!("{{\"meetings\":[{many}]}}"))
    })
    .await;
    let error = client(&stand_in).meetings().await.unwrap_err();
    assert!(
        error.to_string().contains("more than 5000 meetings"),
        "{error}"
    );
}

#[tokio::test]
async fn each_way_of_trust_decides_before_the_password() {
    let key = new_certificate();
    let stand_in = StandIn::start_with(&key, |_, _| json(200, TOKEN)).await;
    let own = Fingerprint::of(&stand_in.certificate);
    let other = new_certificate();
    let pem = |key: &rcgen::CertifiedKey<rcgen::KeyPair>| -> Arc<[u8]> {
        key.cert.pem().into_bytes().into()
    };
    let check = async |tls: TlsTrust, address: String, expected: Result<(), &str>| {
        let before = stand_in.lines().len();
        let mut pod = pod(&address, PASSWORD);
        pod.tls = tls.clone();
        let client = PodClient::new(&pod, Some(Fingerprint([1; 32])), Access::ReadOnly).unwrap();
        let found = client.sign_in().await.map(drop);
        let kinds = found.as_ref().copied().map_err(PodError::key);
        assert_eq!(kinds, expected, "{tls:?}: {found:?}");
        let asked = stand_in.lines().len() - before;
        assert_eq!(asked, usize::from(expected.is_ok()), "{tls:?}");
    };
    let address = stand_in.address.clone();
    let by_name = address.replace("127.0.0.1", "localhost");
    check(TlsTrust::Off, address.clone(), Ok(())).await;
    check(TlsTrust::Sha256(own.0), address.clone(), Ok(())).await;
    let wrong = Err("certificate_changed");
    check(TlsTrust::Sha256([9; 32]), address.clone(), wrong).await;
    check(TlsTrust::CaFile(pem(&key)), by_name.clone(), Ok(())).await;
    let wrong = Err("certificate_untrusted");
    check(TlsTrust::CaFile(pem(&other)), by_name, wrong).await;
    check(TlsTrust::CaFile(pem(&other)), address, wrong).await;
}

#[tokio::test]
async fn an_authority_vouches_for_a_name_and_not_for_another() {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::new(params, ca_key);
    let check = async |names: &[&str], days: (i32, i32), expected: Option<Cause>| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let signing_key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(days.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(days.1, 1, 1);
        let cert = params.signed_by(&signing_key, &issuer).unwrap();
        let key = rcgen::CertifiedKey { cert, signing_key };
        let stand_in = StandIn::start_with(&key, |_, _| json(200, TOKEN)).await;
        let mut pod = pod(&stand_in.address, PASSWORD);
        pod.tls = TlsTrust::CaFile(ca.pem().into_bytes().into());
        let client = PodClient::new(&pod, None, Access::ReadOnly).unwrap();
        match (client.sign_in().await, expected.clone()) {
            (Ok(_), None) => {}
            (Err(error), Some(expected)) => {
                assert_eq!(error.kind, PodErrorKind::NotConnected(expected));
            }
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
        assert_eq!(stand_in.lines().is_empty(), expected.is_some());
    };
    check(&["127.0.0.1"], (2020, 4000), None).await;
    check(&["pod.example.com"], (2020, 4000), Some(Cause::WrongName)).await;
    check(&["127.0.0.1"], (2020, 2021), Some(Cause::Expired)).await;
}

#[tokio::test]
async fn a_file_without_authorities_is_refused_at_once() {
    let mut pod = pod("127.0.0.1", "");
    for pem in [
        "",
        "no PEM",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        pod.tls = TlsTrust::CaFile(pem.as_bytes().into());
        let error = PodClient::new(&pod, None, Access::ReadOnly).unwrap_err();
        assert_eq!(error.key(), "no_authorities", "{pem}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    let stand_in = StandIn::start(|_, _| json(401, r#"{"error":"unauthorized"}"#)).await;
    let client = client(&stand_in);
    let first = client.device_id().await.unwrap_err();
    assert!(matches!(
        first.kind,
        PodErrorKind::WrongPassword { asked: true }
    ));
    assert!(first.password_was_sent());
    for _ in 0..3 {
        let error = client.meetings().await.unwrap_err();
        assert!(matches!(
            &error.kind,
            PodErrorKind::WrongPassword { asked: false }
        ));
        assert!(!error.password_was_sent());
        assert!(!error.is_passing());
        check_clean(&error);
    }
    assert_eq!(stand_in.lines(), ["POST /v2/token"]);
    // For how long is not for the client to say: it asks as soon as it may.
    client.permit_sign_in().await;
    let again = client.device_id().await.unwrap_err();
    assert!(again.password_was_sent());
    assert_eq!(stand_in.lines(), ["POST /v2/token", "POST /v2/token"]);
}

#[tokio::test]
async fn a_token_that_ran_out_is_renewed_once() {
    let stand_in = pod_that(|_, before| match before {
        0 => json(200, r#"{"device_id":"abc"}"#),
        1 => json(
            401,
            r#"{"errors":[{"error":"invalid_token","description":"expired"}]}"#,
        ),
        2 => json(200, r#"{"device_id":"def"}"#),
        _ => json(401, ""),
    })
    .await;
    let client = client(&stand_in);
    assert_eq!(client.device_id().await.unwrap().unwrap(), "abc");
    assert_eq!(client.device_id().await.unwrap().unwrap(), "def");
    let error = client.device_id().await.unwrap_err();
    assert_eq!(error.key(), "token_refused");
    check_clean(&error);
    let lines = stand_in.lines();
    let tokens = lines.iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!((lines.len(), tokens), (8, 3), "{lines:?}");
}

#[tokio::test]
async fn a_short_lived_token_is_not_used_beyond_its_life() {
    // exp is one second after iat, whatever the clocks say.
    let token = "e30.eyJleHAiOjEwMSwiaWF0IjoxMDB9.x";
    let stand_in = StandIn::start(move |_, _| {
        json(
            200,
            &format!(r#"{{"access_token":"{token}","token_type":"jwt"}}"#),
        )
    })
    .await;
    let facts = client(&stand_in).sign_in().await.unwrap();
    assert_eq!(facts.valid_for, Some(Duration::from_secs(1)));
    assert_eq!(facts.used_for, Duration::from_millis(900));
    assert_eq!(facts.token_type, "jwt");
}

#[tokio::test]
async fn an_empty_object_makes_the_token_suspect() {
    let stand_in = pod_that(|_, before| match before {
        0 => json(200, "{}"),
        _ => json(200, r#"{"meetings:":[]}"#),
    })
    .await;
    assert_eq!(client(&stand_in).meetings().await.unwrap(), []);
    assert_eq!(stand_in.lines().len(), 4);

    let stand_in = pod_that(|_, _| json(200, "{}")).await;
    let error = client(&stand_in).meetings().await.unwrap_err();
    assert!(error.to_string().ends_with("200 with an empty object"));
    assert!(error.is_passing());
    assert_eq!(stand_in.lines().len(), 4);

    let done = client(&stand_in).set_meetings(&[]).await.unwrap();
    assert!(!done.confirmed);
}

#[tokio::test]
async fn a_meeting_is_never_added_twice() {
    let stand_in = pod_that(|_, _| json(200, "{}")).await;
    let error = client(&stand_in)
        .ask(&calendar::add(&NewMeeting::default()))
        .await
        .unwrap_err();
    assert!(error.ended_unanswered(), "{error}");
    assert_eq!(stand_in.lines(), ["POST /v2/token", "POST /v2/calendar"]);
}

#[tokio::test]
async fn a_whole_set_is_put_and_confirmed() {
    let stand_in = pod_that(|_, _| json(200, DONE)).await;
    let client = client(&stand_in);
    let done = client.set_meetings(&[meeting("Review")]).await.unwrap();
    assert!(done.confirmed && done.restart_required && !done.reboot_required);
    let put = &stand_in.asked()[1];
    assert_eq!(put.line, "PUT /v2/calendar");
    assert!(put.head.contains("content-type: application/json\r\n"));
    assert_eq!(
        serde_json::from_str::<Value>(&put.text()).unwrap(),
        json!({"meetings": [
            {"id": "1", "title": "Review", "organizer": "", "start_time": 60, "end_time": 120}
        ]})
    );
}

#[tokio::test]
async fn errors_of_a_pod_are_told_without_what_it_quotes() {
    let stand_in = pod_that(|_, _| {
        json(
            400,
            r#"{"errors":[{"error":"invalid_request","description":"`Merger talks` sent with token-1"}]}"#,
        )
    })
    .await;
    let client = client(&stand_in);
    let error = client.set_meetings(&[meeting("Merger talks")]).await;
    let error = error.unwrap_err();
    assert_eq!(error.key(), "invalid_request");
    assert!(!error.ended_unanswered());
    check_clean(&error);
}

#[tokio::test]
async fn a_lost_answer_is_not_taken_for_a_failure_to_write() {
    let check = async |reply: fn() -> Reply, kind: &str, timeout: Duration| {
        let stand_in = pod_that(move |_, _| reply()).await;
        let mut pod = pod(&stand_in.address, PASSWORD);
        pod.timeout = Duration::from_secs(20);
        let client = PodClient::new(&pod, None, Access::ReadWrite).unwrap();
        client.sign_in().await.unwrap();
        let client = with_timeout(&client, timeout);
        let error = client.set_meetings(&[]).await.unwrap_err();
        assert_eq!(error.key(), kind, "{error}");
        assert!(error.ended_unanswered(), "{error}");
        assert!(error.is_passing(), "{error}");
        let reading = client.meetings().await.unwrap_err();
        assert_eq!(reading.key(), kind);
        assert!(!reading.ended_unanswered());
    };
    let long = Duration::from_secs(20);
    check(|| Reply::Raw(Vec::new()), "lost_answer", long).await;
    let cut = || Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"mes".to_vec());
    check(cut, "cut_off", long).await;
    check(|| Reply::Hang, "timed_out", Duration::from_millis(300)).await;
}

/// The same session with another time limit.
fn with_timeout(client: &PodClient, timeout: Duration) -> PodClient {
    let mut pod = client.pod().clone();
    pod.timeout = timeout;
    let session = std::mem::take(&mut *client.0.session.try_lock().unwrap());
    PodClient(Arc::new(Inner {
        pod,
        access: client.0.access,
        connection: connection::Connection::new(&client.0.verifier, timeout).unwrap(),
        verifier: Arc::clone(&client.0.verifier),
        session: Mutex::new(session),
        clock: std::sync::Mutex::default(),
    }))
}

#[tokio::test]
async fn pods_that_cannot_be_reached_are_told_apart() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let closed = pod(&address, PASSWORD);
    let plain = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        drop(stream);
    });
    let client = PodClient::new(&closed, None, Access::ReadWrite).unwrap();
    let error = client.device_id().await.unwrap_err();
    assert_eq!(error.key(), "tls", "{error}");
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
    let error = client.device_id().await.unwrap_err();
    assert!(
        error.kind == PodErrorKind::NotConnected(Cause::Reset),
        "{error:?}"
    );
    plain.await.unwrap();
    for error in [
        client.set_meetings(&[]).await.unwrap_err(),
        certificate(&closed).await.unwrap_err(),
    ] {
        assert!(
            error.kind == PodErrorKind::NotConnected(Cause::Refused),
            "{error:?}"
        );
        assert!(error.is_passing() && !error.ended_unanswered());
    }
}

#[tokio::test]
async fn a_dry_run_sends_no_write() {
    let stand_in = pod_that(|_, _| json(200, DONE)).await;
    let pod = pod(&stand_in.address, PASSWORD);
    let client = PodClient::new(&pod, None, Access::ReadOnly).unwrap();
    let refused = [
        client.set_meetings(&[]).await.unwrap_err(),
        client.ask(&calendar::clear()).await.unwrap_err(),
        client.ask(&calendar::delete("1")).await.unwrap_err(),
        client.patch_config(json!({}), None).await.unwrap_err(),
        client.ask(&device::hdmi_input(true)).await.unwrap_err(),
        client
            .ask(&device::update_camera("a", true))
            .await
            .unwrap_err(),
        client
            .ask(&device::write_splash(1, Aspect::Single, image(vec![0; 8])))
            .await
            .unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.key(), "read_only");
    }
    assert!(stand_in.lines().is_empty());
}

#[tokio::test]
async fn unknown_settings_survive_reading_changing_and_reading() {
    let tree = json!({
        "display": {"name": "Aurora", "calendar": {"enabled": false}, "new_in_8": [1, {"a": null}]},
        "kepler": {"secret_key": {"secret_hash": "H", "secret_salt": "S"}},
        "future": {"x": 1.5},
    });
    let answer = tree.to_string();
    let stand_in = pod_that(move |line, _| match line {
        "GET /v2/config" => json(200, &answer),
        _ => json(200, r#"{"device_id":"abc","message":"success!"}"#),
    })
    .await;
    let client = client(&stand_in);
    let config = client.config().await.unwrap();
    assert_eq!(config.reveal(), &tree);
    let mut changed = tree::sendable(config.reveal());
    changed["display"]["calendar"]["enabled"] = json!(true);
    let done = client.patch_config(changed, Some(30)).await.unwrap();
    assert_eq!(done.device_id.as_deref(), Some("abc"));
    let patch = &stand_in.asked()[2];
    assert_eq!(patch.line, "PATCH /v2/config?rollback_timeout_seconds=30");
    assert_eq!(
        serde_json::from_str::<Value>(&patch.text()).unwrap(),
        json!({
            "display": {"name": "Aurora", "calendar": {"enabled": true}, "new_in_8": [1, {"a": null}]},
            "future": {"x": 1.5},
        })
    );
}

#[tokio::test]
async fn the_mode_is_read_where_a_pod_tells_it() {
    let check = async |legacy: (u16, &'static str), config: &'static str, expected| {
        let stand_in = pod_that(move |line, _| match line {
            "GET /v2/api/config" => json(legacy.0, legacy.1),
            _ => json(200, config),
        })
        .await;
        assert_eq!(client(&stand_in).calendar_mode().await.unwrap(), expected);
    };
    let exchange = r#"{"display":{"calendar":{"type":"exchange"}}}"#;
    let third = r#"{"m_calendarCuration":{"calendarType":3}}"#;
    check((200, third), exchange, CalendarMode::ThirdParty).await;
    check((404, ""), exchange, CalendarMode::Exchange).await;
    let missing = r#"{"errors":[{"error":"not_found","description":""}]}"#;
    check((404, missing), r#"{"locale":{}}"#, CalendarMode::Unverified).await;
    check((200, r#"{"m_other":1}"#), exchange, CalendarMode::Exchange).await;
}

#[tokio::test]
async fn missing_meetings_and_wrong_keys_are_answers_and_no_errors() {
    let stand_in = pod_that(|line, _| match line {
        "GET /v2/calendar/1" => json(
            200,
            r#"{"id":"1","title":"A","organizer":"","start_time":60,"end_time":120}"#,
        ),
        "POST /v2/info/screen_key" => Reply::Full(404, "text/plain", Vec::new()),
        _ => json(
            500,
            r#"{"errors":[{"error":"internal","description":"Failed to find meeting"}]}"#,
        ),
    })
    .await;
    let client = client(&stand_in);
    assert_eq!(
        client.ask(&calendar::get("1")).await.unwrap().unwrap(),
        meeting("A")
    );
    assert_eq!(client.ask(&calendar::get("2")).await.unwrap(), None);
    assert!(!client.ask(&device::screen_key("1234")).await.unwrap());
}

#[tokio::test]
async fn pages_redirects_and_floods_are_no_answers() {
    let check = async |reply: fn() -> Reply, kind: &str| {
        let stand_in = pod_that(move |_, _| reply()).await;
        let error = client(&stand_in).meetings().await.unwrap_err();
        assert_eq!(error.key(), kind, "{error}");
        assert_eq!(stand_in.lines().len(), 2);
    };
    let page = || Reply::Full(200, "text/html", b"<html>Sign in".to_vec());
    check(page, "unexpected_answer").await;
    let moved = || {
        Reply::Raw(
            b"HTTP/1.1 302 X\r\nLocation: https://192.0.2.1/\r\nContent-Length: 0\r\n\r\n".to_vec(),
        )
    };
    check(moved, "redirected").await;
    let flood = || Reply::Full(200, "application/json", vec![b' '; 3 * 1024 * 1024]);
    check(flood, "too_large").await;
    let unlicensed = || json(403, r#"{"errors":[{"error":"not_licensed"}]}"#);
    check(unlicensed, "not_licensed").await;
}

#[tokio::test]
async fn images_are_streamed_both_ways() {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    png.extend(std::iter::repeat_n(7, 100_000));
    let served = png.clone();
    let stand_in = pod_that(move |line, before| match (line, before) {
        ("GET /v2/config/display/splash/images/1/16x9", 0) => json(401, ""),
        ("GET /v2/config/display/splash/images/1/16x9", _) => {
            Reply::Full(200, "image/png", served.clone())
        }
        ("GET /v2/config/display/splash/images/2/16x9", _) => json(
            400,
            r#"{"errors":[{"error":"invalid_request","description":"no"}]}"#,
        ),
        _ => Reply::Full(200, "text/plain", Vec::new()),
    })
    .await;
    let client = client(&stand_in);
    let got = client.ask(&device::read_splash(1, Aspect::Single)).await;
    assert_eq!(got.unwrap(), png);
    let error = client.ask(&device::read_splash(2, Aspect::Single)).await;
    assert_eq!(error.unwrap_err().key(), "invalid_request");

    let sent = Arc::new(AtomicU64::new(0));
    let progress = Arc::clone(&sent);
    let with_progress = Image {
        progress: Some(Arc::new(move |n| progress.store(n, Ordering::SeqCst))),
        ..image(png.clone())
    };
    let done = client
        .ask(&device::write_splash(3, Aspect::Double, with_progress))
        .await
        .unwrap();
    assert!(!done.confirmed);
    assert_eq!(sent.load(Ordering::SeqCst), png.len() as u64);
    let patch = stand_in.asked().pop().unwrap();
    assert_eq!(patch.line, "PATCH /v2/config/display/splash/images/3/32x9");
    assert!(patch.head.contains("content-type: image/png\r\n"));
    assert!(!patch.head.contains("transfer-encoding"));
    assert_eq!(patch.body, png);

    let gif = image(b"GIF89a...".to_vec());
    let gif = client
        .ask(&device::write_splash(3, Aspect::Double, gif))
        .await;
    assert_eq!(gif.unwrap_err().key(), "bad_request");
}

fn image(bytes: Vec<u8>) -> Image {
    Image {
        bytes: bytes.into(),
        progress: None,
    }
}

async fn metadata(client: &PodClient) -> Result<Value, PodError> {
    client.ask(&device::metadata()).await
}

#[tokio::test]
async fn nothing_of_a_client_prints_its_secrets() {
    let stand_in = pod_that(|_, _| json(200, r#"{"device_id":"abc"}"#)).await;
    let client = client(&stand_in);
    let (token, facts) = client.fresh_token().await.unwrap();
    assert_eq!(token.reveal(), "token-1");
    let request = device::screen_key("4711");
    let text = format!(
        "{client:?} {token:?} {facts:?} {request:?} {:?}",
        client.pod()
    );
    for secret in ["token-1", PASSWORD, "4711"] {
        assert!(!text.contains(secret), "{text}");
    }
}

async fn simulated(quirks: sim::Quirks) -> (Sim, PodClient) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = sim::Options {
        password: PASSWORD.into(),
        quirks,
        ..sim::Options::default()
    };
    let sim = Sim::start(listener, options).unwrap();
    let pod = pod(&sim.url(), PASSWORD);
    let client = PodClient::new(&pod, None, Access::ReadWrite).unwrap();
    (sim, client)
}

#[tokio::test]
async fn pods_that_differ_from_the_reference_are_understood() {
    let (sim, client) = simulated(sim::Quirks {
        colon_in_meetings: true,
        times_as_strings: true,
        empty_object_for_bad_token: true,
        arrays: true,
        wrapped: true,
        no_info: true,
        no_legacy: true,
    })
    .await;
    let meetings = [meeting("Review")];
    assert!(client.set_meetings(&meetings).await.unwrap().confirmed);
    assert_eq!(client.meetings().await.unwrap(), meetings);
    sim.expire_tokens();
    assert_eq!(client.meetings().await.unwrap(), meetings);
    sim.expire_tokens();
    assert!(client.set_meetings(&[]).await.unwrap().confirmed);
    assert!(sim.meetings().is_empty());
    let name = client
        .ask(&settings::read_part(&["display", "name"]))
        .await
        .unwrap();
    assert_eq!(
        Some(name),
        client
            .config()
            .await
            .unwrap()
            .at(&["display", "name"])
            .cloned()
    );
    let clock = client
        .ask(&settings::read_part(&["display", "clock"]))
        .await
        .unwrap();
    assert!(clock.get("timezone").is_some());
    let images = client.config().await.unwrap();
    let images = tree::entries(images.at(&["display", "splash", "images"]).unwrap()).len();
    assert_eq!(images, 6);
    let mode = client.calendar_mode().await.unwrap();
    assert_eq!(mode, CalendarMode::Unverified);
    let info = client.ask(&device::info()).await.unwrap_err();
    assert!(info.hint().contains("6.2"), "{}", info.hint());
    assert_eq!(sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_lost_answer_may_well_have_been_a_push() {
    let (sim, client) = simulated(sim::Quirks::default()).await;
    sim.fault(sim::Fault::lost_answer().on("PUT", "/v2/calendar").once());
    let meetings = [meeting("Review")];
    let error = client.set_meetings(&meetings).await.unwrap_err();
    assert!(error.ended_unanswered(), "{error}");
    assert_eq!(client.meetings().await.unwrap(), meetings);
    assert_eq!(sim.count("PUT", "/v2/calendar"), 1);
    let mode = client.calendar_mode().await.unwrap();
    assert_eq!(mode, CalendarMode::ThirdParty);
    sim.reboot();
    assert_eq!(client.meetings().await.unwrap(), []);
}
