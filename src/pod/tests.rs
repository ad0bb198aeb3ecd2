use super::*;
use crate::config::TlsTrust;

pub(super) fn pod(address: &str, password: &str) -> Pod {
    Pod {
        url: PodUrl::parse(address).unwrap(),
        username: "admin".to_owned(),
        password: Secret::new(password),
        tls: TlsTrust::Pin,
        min_interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        third_party_type: None,
        enforce: None,
    }
}
