//! What is said of secrets: pauses of sign-in, and pauses that cannot be written.

use serde_json::json;

use super::count;
use crate::control::secret_gate::GateEvent;
use crate::telemetry::line::{Level, Line};

/// The line of an event. No user name and no secret is in it.
#[must_use]
pub fn line(event: &GateEvent) -> Line {
    match event {
        GateEvent::Paused {
            account,
            user,
            rejections,
            until,
        } => Line {
            name: "sign_in.paused",
            level: Level::Error,
            text: format!(
                "{}: the password or token was rejected ({}); sign-in to this account is paused until {until}, \
                 or until the secret changes",
                account.host(),
                count(*rejections as usize, "time", "times in a row"),
            ),
            fields: vec![
                ("host", json!(account.host())),
                ("account", json!(account.as_str())),
                ("user", json!(user)),
                ("rejections", json!(rejections)),
                ("until", json!(until.to_string())),
            ],
        },
        GateEvent::PausedAlone {
            account,
            user,
            rejections,
            until,
            is_forbidden,
        } => Line {
            name: "sign_in.paused_here",
            level: Level::Error,
            text: if *is_forbidden {
                format!(
                    "{user}: the account may not read this (403); it is tried again at {until}, \
                     or when the secret changes"
                )
            } else {
                format!(
                    "{user}: the password or token was rejected here, but accepted elsewhere within the hour; \
                     it is tried again at {until}, or when the secret changes"
                )
            },
            fields: vec![
                ("host", json!(account.host())),
                ("account", json!(account.as_str())),
                ("user", json!(user)),
                ("rejections", json!(rejections)),
                ("until", json!(until.to_string())),
                ("forbidden", json!(is_forbidden)),
            ],
        },
        GateEvent::Resumed {
            account,
            user,
            rejections,
        } => Line {
            name: "sign_in.resumed",
            level: Level::Info,
            text: format!(
                "{}: sign-in works again after {}",
                account.host(),
                count(*rejections as usize, "rejection", "rejections"),
            ),
            fields: vec![
                ("host", json!(account.host())),
                ("account", json!(account.as_str())),
                ("user", json!(user)),
                ("rejections", json!(rejections)),
            ],
        },
        GateEvent::NotWritable { says } => Line {
            name: "sign_in.not_writable",
            level: Level::Error,
            text: format!(
                "pauses of sign-in cannot be written, so passwords and tokens that have not worked yet are not \
                 tried: {says}"
            ),
            fields: vec![("error", json!(says))],
        },
        GateEvent::Writable => Line {
            name: "sign_in.writable",
            level: Level::Info,
            text: "pauses of sign-in can be written again".to_owned(),
            fields: Vec::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sign_in::AccountKey;
    use crate::model::time::UnixTime;

    #[test]
    fn lines_name_the_host_and_nobodys_name() {
        let account = AccountKey::new("dav.example.com", &["room-user"]);
        let user = "dav.example.com#1a2b3c".to_owned();
        let until = UnixTime::parse("2027-03-02T10:05:00Z").unwrap();
        let paused = |rejections| {
            line(&GateEvent::Paused {
                account: account.clone(),
                user: user.clone(),
                rejections,
                until,
            })
        };
        assert!(paused(1).text.contains("(1 time)"));
        assert!(paused(2).text.contains("(2 times in a row)"));
        assert_eq!(paused(1).level, Level::Error);
        for is_forbidden in [false, true] {
            let line = line(&GateEvent::PausedAlone {
                account: account.clone(),
                user: user.clone(),
                rejections: 1,
                until,
                is_forbidden,
            });
            assert_eq!(line.text.contains("403"), is_forbidden);
            assert!(line.text.contains("2027-03-02T10:05:00Z"));
            assert!(!format!("{line:?}").contains("room-user"));
        }
        let resumed = line(&GateEvent::Resumed {
            account,
            user,
            rejections: 3,
        });
        assert_eq!(resumed.level, Level::Info);
        assert!(resumed.text.ends_with("after 3 rejections"));
    }
}
