//! The configuration of a pod as it is delivered: every key of the reference's schemas and of its
//! example, with the type that it has there. What a pod was told since lies over it; see
//! `config.rs`.

use serde_json::{Map, Value, json};

/// What some values of the tree depend on.
pub(super) struct Facts<'a> {
    pub name: &'a str,
    pub host_name: &'a str,
    pub time_zone: &'a str,
    pub calendar_type: &'a str,
    pub ip_address: &'a str,
}

/// The whole tree, in the schema's form: indexed collections are objects with the keys `"0"`,
/// `"1"`, ...
pub(super) fn delivered(facts: &Facts<'_>) -> Value {
    json!({
        "audio": { "usb": { "microphone": { "override": "" }, "speaker": { "override": "" } } },
        "conference": { "url_parsing": { "Zoom": "zoom.us", "Teams": "teams.microsoft.com" } },
        "connection": connection(facts),
        "debug": { "fd_monitoring": { "enabled": false, "period_seconds": 60, "process_names": {} } },
        "display": display(facts),
        "kepler": { "enabled": false, "secret_key": secret() },
        "locale": { "language": "en-US" },
        "maintenance": maintenance(),
        "room_services": room_services(),
        "security": security(),
        "sharing": sharing(),
    })
}

/// Maps whose keys are free.
pub(super) const FREE_MAPS: [&str; 3] = [
    "conference.url_parsing",
    "debug.fd_monitoring.process_names",
    "room_services.room_integration.http",
];

/// A secret that is not set. What is set shows a salt and a hash.
pub(super) fn secret() -> Value {
    json!({ "secret_salt": "", "secret_hash": "" })
}

pub(super) fn is_secret(value: &Value) -> bool {
    value.as_object().is_some_and(|object| {
        object.len() == 2
            && object.contains_key("secret_salt")
            && object.contains_key("secret_hash")
    })
}

/// An object whose keys are `"0"`, `"1"`, ...
pub(super) fn is_indexed(object: &Map<String, Value>) -> bool {
    !object.is_empty() && object.keys().all(|key| key.parse::<u8>().is_ok())
}

fn indexed(count: usize, of: impl Fn(usize) -> Value) -> Value {
    Value::Object(
        (0..count)
            .map(|index| (index.to_string(), of(index)))
            .collect(),
    )
}

fn connection(facts: &Facts<'_>) -> Value {
    let proxy = || {
        json!({
            "bypass_on_same_subnet": true, "enabled": false, "exclusion_list": "", "hostname": "",
            "password": secret(), "port": 3128, "username": "",
        })
    };
    let vlan = |_| json!({ "enabled": false, "ip_configuration": ip("dhcp", "", 0), "label": "", "tag": 1 });
    json!({
        "discovery": {
            "broadcast": true,
            "publish_to_sds": false,
            "sds_hosts": indexed(5, |_| json!({ "hostname": "" })),
        },
        "ethernet": {
            "enabled": true,
            "enterprise_configuration": enterprise(),
            "ip_configuration": ip("dhcp", facts.ip_address, 8),
            "name": "INTERNAL",
            "vlans": indexed(3, vlan),
        },
        "gateway_check_enabled": true,
        "host_name": facts.host_name,
        "http_proxy": proxy(),
        "https_proxy": proxy(),
        "lldp": { "enabled": false, "poe_enabled": false },
        "qos": { "audio_dscp": "EF", "enabled": false, "video_dscp": "AF41" },
        "wifi": {
            "mode": "off",
            "wap": {
                "channel": 6, "hide_ssid": false, "hostname": "", "password": secret(), "protocol": "wpa2", "ssid": "",
            },
            "wifi_client": {
                "enterprise_configuration": enterprise(),
                "ip_configuration": ip("dhcp", "", 0),
                "protocol": "wpa2",
                "ssid": "",
            },
        },
    })
}

fn ip(kind: &str, address: &str, prefix: u8) -> Value {
    json!({
        "allow_admin": true, "dns1": "", "dns2": "", "gateway": "", "hostname": "", "ip_address": address,
        "ip_type": kind, "network_prefix_length": prefix,
    })
}

fn enterprise() -> Value {
    json!({
        "ca_certificate": { "data": "", "name": "" },
        "eap_method": "none",
        "identity": "",
        "password": secret(),
        "phase2_auth": "none",
        "tls_user_certificate": { "cert": { "data": secret(), "name": "" } },
    })
}

fn display(facts: &Facts<'_>) -> Value {
    json!({
        "calendar": {
            "enabled": true,
            "exchange": {
                "authorization_type": "basic", "delegation_mailbox": "", "impersonation_mailbox": "",
                "mailbox_type": "default", "ntlm_domain": "", "url": "", "user_account_shared": "",
                "user_account_unique": "", "user_password_shared": secret(), "user_password_unique": secret(),
            },
            "google": { "credentials": { "data": secret(), "name": "" }, "room_mailbox": "" },
            "o365": { "client_id": "", "client_secret": secret(), "tenant": "", "username": "" },
            "show": true, "show_organizers": true, "show_titles": true,
            "type": facts.calendar_type, "update_interval": 60,
        },
        "clock": {
            "current_time": "",
            "ntp_server": { "enabled": true, "hostname": "pool.ntp.org" },
            "show": true, "show_24_hours": true, "timezone": facts.time_zone,
        },
        "digital_signage": {
            "enabled": false, "external_caching_enabled": false, "instruction_options": "network_only",
            "screen_options": "fullscreen", "start_after": 10, "url": "",
        },
        "display_message_enabled": false,
        "first_run": { "completed": true },
        "input_hdcp_mode": false,
        "input_mode": "standard",
        "instructions": { "custom_text": "", "overlay": "hide", "show_airplay": true, "show_miracast": true },
        "license_agree": true,
        "name": facts.name,
        "output_mode": "single",
        "preferred_input": { "enabled": false, "resolution_options": "1080p" },
        "presence_bar": {
            "auto_hide": true, "show": true, "show_ip_address": true, "show_name": true, "show_screenkey": true,
        },
        "splash": splash(),
        "usb_audio_to_hdmi_enabled": false,
    })
}

fn splash() -> Value {
    let message = || json!({ "enabled": false, "text": "" });
    json!({
        "foreground_color": "#ffffff",
        "images": indexed(6, |index| {
            json!({ "16x9": { "hash": "" }, "32x9": { "hash": "" }, "enabled": index < 2 })
        }),
        "is_modern": true,
        "messaging": {
            "custom_message": message(),
            "emergency_message": message(),
            "rss_feed_count": 0,
            "rss_feeds": indexed(2, |_| json!({ "duration": 10, "enabled": false, "title": "", "url": "" })),
        },
        "screen_key": { "enabled": true, "show": true, "speak": false },
        "should_animate_background": true, "show_fully_qualified_name": false, "show_hostname_instead_of_ip": false,
        "show_name": true, "show_wifi": true,
    })
}

fn maintenance() -> Value {
    let hours = |all_day: bool| json!({ "all_day": all_day, "end_time": "19:00", "start_time": "07:00", "suspend_after": 30 });
    json!({
        "daily_restart": { "enabled": false, "restart_with_hdmi": false, "time": "03:00" },
        "power_management": {
            "control": { "command_display_off": "", "command_display_on": "", "control_method": "hdmi" },
            "force_suspend": false,
            "occupancy_delay_minutes": 10,
            "occupancy_enabled": false,
            "off_hours_enabled": false,
            "weekday": hours(false),
            "weekend": hours(true),
        },
    })
}

fn room_services() -> Value {
    json!({
        "location_services": { "enabled": false },
        "occupancy_counting": { "auto_reserve_enabled": false, "enabled": false },
        "reachthrough": { "enabled": false },
        "room_integration": {
            "enabled": false, "http": {}, "method": "", "roomtype": "",
            "overlay": { "banner_position": "top", "enabled": false, "message": "", "position": "left" },
            "rs232": { "usb_acquire_cmd": "", "usb_release_cmd": "" },
        },
        "wework_sensor": { "enabled": false },
        "workplace_discovery": { "enabled": false },
    })
}

fn security() -> Value {
    let file = || json!({ "data": secret(), "name": "" });
    json!({
        "admin_password": secret(),
        "allow_local_configuration": true,
        "allow_web_browser_configuration": true,
        "ca_certificate_bundle": { "data": "", "name": "" },
        "deliver_app_on_443": true,
        "disable_captive_portal": false,
        "disable_icmp_ping_replies": false,
        "display_certificate": { "cert": file(), "key": file(), "password": secret() },
        "encryption_enabled": true,
        "enforce_admin_password_validation_rules": false,
        "https_quick_connect_redirect": true,
        "use_ca_certificate_bundle": false,
    })
}

fn sharing() -> Value {
    json!({
        "airplay": { "bluetooth_enabled": true, "enabled": true, "proxy_enabled": false },
        "alignment": "grid",
        "android_mirroring_enabled": true,
        "application": { "enabled": true },
        "browser_look_in": "enabled",
        "desktop": { "enabled": true },
        "miracast": { "infrastructure_enabled": true, "wifi_direct_enabled": true },
        "moderator_mode_disallowed": false,
        "multi_room_enabled": false,
        "quick_connect_action": "launch_and_connect",
        "relay_enabled": true,
        "webrtc_enabled": true,
    })
}
