//! The legacy (v1) configuration, `GET /api/config`: the same settings under other names, and what
//! only it tells, such as the licence.

use std::sync::Arc;

use serde_json::json;

use super::answer::{Answer, Outcome, Refusal};
use super::config;
use super::request::Call;
use super::state::{Pod, State};

/// `GET /api/config`: what the v1 documentation names. The reference only points there.
pub(super) fn get(pod: &Arc<Pod>, state: &mut State, _: &Call) -> Outcome {
    if state.quirks.no_legacy {
        return Err(Refusal::missing("there is nothing at this path"));
    }
    let tree = config::tree(pod, state);
    let at = |path: &str| tree.pointer(path).cloned().unwrap_or_default();
    let now = pod.now(state).seconds();
    Ok(Answer::json(&json!({
        "m_displayId": state.device_id,
        "m_serverVersion": "6.2.0",
        "m_productName": "Solstice",
        "m_productVariant": "Pod",
        "m_productHardwareVersion": 3,
        "m_displayInformation": {
            "m_displayName": at("/display/name"),
            "m_hostName": state.host_name(),
            "m_ipv4": pod.address.ip().to_string(),
            "m_port": pod.address.port(),
        },
        "m_authenticationCuration": {
            "authenticationMode": 0,
            "enableScreenKey": at("/display/splash/screen_key/enabled"),
            "sessionKey": state.screen_key,
        },
        "m_calendarCuration": {
            "enabled": at("/display/calendar/enabled"),
            "show": at("/display/calendar/show"),
            "calendarType": state.mode.legacy_number(),
            "showTitles": at("/display/calendar/show_titles"),
            "showOrganizers": at("/display/calendar/show_organizers"),
            "updateIntervalSeconds": at("/display/calendar/update_interval"),
            "exchangeAuthOpt": 0,
        },
        "m_generalCuration": {
            "language": at("/locale/language"),
            "browserConfigEnabled": at("/security/allow_web_browser_configuration"),
            "localConfigEnabled": at("/security/allow_local_configuration"),
        },
        "m_licenseCuration": {
            "licenseStatus": if state.licensed { 2 } else { 3 },
            "numDaysToExpiration": if state.licensed { 999_999_999 } else { 0 },
            "expirationDate": "",
            "licenseType": "Enterprise",
        },
        "m_systemCuration": {
            "dateTime": now.saturating_mul(1000),
            "timeZone": at("/display/clock/timezone"),
            "autoDateTime": at("/display/clock/ntp_server/enabled"),
            "ntpServer": at("/display/clock/ntp_server/hostname"),
            "use24HourTime": at("/display/clock/show_24_hours"),
            "scheduledRestartEnabled": at("/maintenance/daily_restart/enabled"),
            "scheduledRestartTime": at("/maintenance/daily_restart/time"),
        },
    })))
}
