//! What fuzz targets do with the answers of pods.

use bytes::Bytes;
use serde_json::Value;
use tokio::time::Instant;

use super::answer::Answer;
use super::config::{LegacyConfig, PodConfig};
use super::request::Request;
use super::token::Session;
use super::{calendar, clock, device, settings, tree};
use crate::config::Pod;
use crate::model::name::PodUrl;
use crate::model::time::UnixTime;

/// An answer of a pod, taken for that of each operation; the first byte chooses its status
/// and what it says that it is.
pub fn answer(pod: &Pod, bytes: &[u8]) {
    let Some((&chosen, body)) = bytes.split_first() else {
        return;
    };
    let statuses = [200, 201, 204, 302, 400, 401, 403, 404, 429, 500, 503];
    let kinds = ["application/json", "text/html", "", "image/png"];
    let (status, kind) = (usize::from(chosen & 0x3f), usize::from(chosen >> 6));
    let answer = Answer {
        status: statuses
            .get(status % statuses.len())
            .copied()
            .unwrap_or(200),
        content_type: kinds.get(kind).copied().unwrap_or_default().to_owned(),
        date: Some(UnixTime::from_seconds(1_800_000_000)),
        retry_after: None,
        body: Bytes::copy_from_slice(body),
        place: None,
    };
    taken_for(&answer, &calendar::list());
    taken_for(&answer, &calendar::get("1"));
    taken_for(&answer, &calendar::set(&[]));
    taken_for(&answer, &calendar::clear());
    taken_for(&answer, &device::id());
    taken_for(&answer, &device::metadata());
    taken_for(&answer, &device::info());
    taken_for(&answer, &device::screen_key("1"));
    taken_for(&answer, &device::camera_status());
    taken_for(&answer, &device::camera_version("1"));
    taken_for(&answer, &settings::read_part(&["display", "calendar"]));
    if let Some(config) = taken_for(&answer, &settings::read()) {
        configuration(&config);
    }
    if let Some(config) = taken_for(&answer, &settings::read_legacy()) {
        let _ = (
            config.calendar_type(),
            config.version(),
            config.license_days(),
        );
        let _ = clock::in_legacy_config(&config);
        secrets(&config.without_secrets());
    }
    let mut session = Session::default();
    let _ = session.signed_in(pod, &answer, Instant::now());
    if let Some(value) = answer.value() {
        configuration(&PodConfig::new(value.clone()));
        let _ = LegacyConfig::new(value.clone()).clock_ms();
        let _ = tree::sendable(&value);
        let _ = tree::entries(&value)
            .into_iter()
            .filter_map(tree::time)
            .count();
        let changed = crate::model::digest::sha256(body);
        let _ = (changed, PodUrl::parse(&value.to_string()));
    }
}

/// The answer as that to this request.
fn taken_for<T>(answer: &Answer, request: &Request<T>) -> Option<T> {
    let _ = answer.judge(request.operation, request.is_for_a_part());
    let failure = answer.failure(&["secret"]);
    let _ = request.decode(Err(failure));
    request.decode(Ok(answer)).ok()
}

fn configuration(config: &PodConfig) {
    let _ = (config.name(), config.calendar_type(), config.is_modern());
    let _ = (config.calendar_enabled(), config.calendar_show());
    let _ = config.signage_covers_the_screen();
    let _ = clock::in_config(config);
    secrets(&config.without_secrets());
}

/// What is left of a tree without its secrets is the same without them once more.
fn secrets(shown: &Value) {
    assert_eq!(&tree::without_secrets(shown), shown, "a secret was left");
}
