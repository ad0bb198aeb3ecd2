//! The words of sign-in: pauses, and pauses that cannot be written. No user name and no
//! secret is in them.

use super::service::count;
use crate::control::secret_gate::GateEvent;
use crate::model::sign_in::AccountKey;
use crate::telemetry::line::{Level, Line, time};

#[must_use]
pub fn line(event: &GateEvent) -> Line {
    match event {
        GateEvent::Paused {
            account,
            user,
            rejections,
            until,
        } => {
            let times = match rejections {
                0 | 1 => String::new(),
                times => format!(" {times} times in a row"),
            };
            let text = format!(
                "{account}: the password or token was rejected{times}; sign-in to this account is paused until \
                 {until}, or until the secret changes"
            );
            of("sign_in.paused", Level::Error, text, account, user)
                .with("rejections", *rejections)
                .with("until", time(*until))
        }
        GateEvent::PausedAlone {
            account,
            user,
            rejections,
            until,
            is_forbidden,
        } => {
            let why = if *is_forbidden {
                "its account is not allowed to do this (403)"
            } else {
                "the password or token was rejected, but accepted elsewhere within the hour"
            };
            let text = format!("{user}: {why}; tried again at {until}, or when the secret changes");
            of("sign_in.paused_alone", Level::Error, text, account, user)
                .with("rejections", *rejections)
                .with("until", time(*until))
                .with("forbidden", *is_forbidden)
        }
        GateEvent::Resumed {
            account,
            user,
            rejections,
        } => {
            let text = format!(
                "{account}: sign-in works again after {}",
                count(*rejections as usize, "rejection", "rejections")
            );
            of("sign_in.resumed", Level::Info, text, account, user).with("rejections", *rejections)
        }
        GateEvent::NotWritable { says } => Line::new(
            "sign_in.not_writable",
            Level::Error,
            format!(
                "pauses of sign-in cannot be written, so passwords and tokens that have not worked yet are not \
                 tried: {says}"
            ),
        )
        .with("error", says.clone()),
        GateEvent::Writable => Line::new(
            "sign_in.writable",
            Level::Info,
            "pauses of sign-in can be written again",
        ),
    }
}

/// About an account, met by a feed or a pod.
fn of(name: &'static str, level: Level, text: String, account: &AccountKey, user: &str) -> Line {
    Line::new(name, level, text)
        .with("host", account.host())
        .with("account", account.as_str())
        .with("used_by", user)
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
        assert!(paused(1).text.contains("was rejected; sign-in"));
        assert!(paused(2).text.contains("rejected 2 times in a row;"));
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
