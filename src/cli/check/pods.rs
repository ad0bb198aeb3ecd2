//! What a look at a pod shows, and what of it keeps people from seeing the right meetings.

use super::devices::Device;
use super::{CLOCK_OFF, Finding, Grade};
use crate::config::{Pod, TlsTrust};
use crate::model::time::UnixTime;
use crate::pod::config::{LegacyConfig, PodConfig};
use crate::pod::{CalendarMode, PodClient, PodError};
use crate::telemetry::words::service::count;

/// What a look at a pod shows.
pub(super) struct Seen {
    device_id: Option<String>,
    mode: CalendarMode,
    meetings: usize,
    config: PodConfig,
    legacy: Option<LegacyConfig>,
}

pub(super) async fn look(client: &PodClient) -> Result<Seen, PodError> {
    client.sign_in().await?;
    Ok(Seen {
        device_id: client.device_id().await?,
        mode: client.calendar_mode().await?,
        meetings: client.meetings().await?.len(),
        config: client.config().await?,
        // Older and newer firmware may lack it; the mode was asked for above.
        legacy: client.legacy_config().await.ok(),
    })
}

pub(super) fn pod_found(
    subject: String,
    pod: &Pod,
    client: &PodClient,
    seen: Seen,
    now: UnixTime,
) -> Finding {
    let name = seen.config.name().unwrap_or_default();
    let version = seen.legacy.as_ref().and_then(LegacyConfig::version);
    let version = version
        .map(|version| format!(", version {version}"))
        .unwrap_or_default();
    let mut says = vec![
        format!(
            "signed in; device {} `{name}`{version}",
            seen.device_id.as_deref().unwrap_or("(not told)")
        ),
        format!(
            "calendar mode: {}; {} on the display",
            seen.mode,
            count(seen.meetings, "meeting", "meetings")
        ),
    ];
    if let Some(fingerprint) = client.seen() {
        says.push(format!("certificate sha256 {fingerprint}"));
    }
    let oddities = oddities(pod, &seen, now);
    let grade = match (seen.mode.is_known_other(), oddities.is_empty()) {
        (true, _) => Grade::Failed,
        (false, true) => Grade::Good,
        (false, false) => Grade::Warning,
    };
    says.extend(oddities);
    let id = seen.device_id.filter(|id| !id.is_empty());
    let device = id.map(|id| Device {
        pod: pod.url.clone(),
        id,
        certificate: client.seen(),
    });
    Finding {
        grade,
        subject,
        says,
        device,
    }
}

/// What keeps people from seeing the right meetings, though everything answers.
fn oddities(pod: &Pod, seen: &Seen, now: UnixTime) -> Vec<String> {
    let mut says: Vec<String> = Vec::new();
    let mut add = |text: &str| says.push(text.to_owned());
    if seen.mode.is_known_other() {
        add("it is never written to in this mode; set its calendar to \"3rd party only\"");
    }
    if seen.mode == CalendarMode::Unverified {
        add("it does not tell its calendar mode; see `third_party_type`");
    }
    if seen.config.calendar_enabled() == Some(false) {
        add("its calendar is switched off (display.calendar.enabled)");
    }
    if seen.config.calendar_show() == Some(false) {
        add("its calendar is not shown (display.calendar.show)");
    }
    if seen.config.is_modern() == Some(false) {
        add("it has the old welcome screen, which shows no calendar (display.splash.is_modern)");
    }
    if seen.config.signage_covers_the_screen() == Some(true) {
        add("digital signage covers the welcome screen with the calendar");
    }
    if pod.tls == TlsTrust::Off {
        add("any certificate is accepted (tls.verify = \"off\")");
    }
    if let Some(days) = seen
        .legacy
        .as_ref()
        .and_then(LegacyConfig::license_days)
        .filter(|days| *days < 30)
    {
        says.push(format!("its licence ends in {days} days"));
    }
    if let Some(ms) = seen.legacy.as_ref().and_then(LegacyConfig::clock_ms) {
        let clock = UnixTime::from_seconds(ms / 1000);
        let off = clock.seconds().abs_diff(now.seconds());
        if off > CLOCK_OFF {
            says.push(format!(
                "its clock is wrong by {off} s, so it shows meetings at the wrong time; set its time server"
            ));
        }
    }
    says
}
