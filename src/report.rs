//! An error and its causes as text for people, and the exit codes.
//!
//! Who prints it, and where, is for the commands.

use std::fmt::Write as _;

use crate::fault::{self, Fault};

/// Something failed at work: a feed, a room, a pod.
pub const FAILURE: u8 = 1;
/// The command line or the configuration is wrong.
pub const USAGE: u8 = 2;

/// The whole story of an error, without a line break at its end: what and where,
/// each cause once, and the hint on a line of its own.
#[must_use]
pub fn print(fault: &dyn Fault) -> String {
    let mut text = format!("error: {}", fault::chain(fault));
    let hint = fault.hint();
    if !hint.is_empty() {
        let _ = write!(text, "\n  hint: {hint}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the network is down")]
    struct Network;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot connect: {0}")]
    struct Connection(#[source] Network);

    #[derive(Debug, thiserror::Error)]
    #[error("the pod at 192.0.2.11 does not answer")]
    struct Silent {
        source: Connection,
        hint: &'static str,
    }

    impl Fault for Silent {
        fn hint(&self) -> Cow<'static, str> {
            self.hint.into()
        }

        fn is_passing(&self) -> bool {
            true
        }
    }

    #[track_caller]
    fn check(hint: &'static str, text: &str) {
        let source = Connection(Network);
        assert_eq!(print(&Silent { source, hint }), text);
    }

    #[test]
    fn each_cause_is_told_once_and_the_hint_last() {
        check(
            "see whether it has power",
            "error: the pod at 192.0.2.11 does not answer: cannot connect: the network is down\n  \
             hint: see whether it has power",
        );
    }

    #[test]
    fn without_a_hint_there_is_no_empty_line() {
        check(
            "",
            "error: the pod at 192.0.2.11 does not answer: cannot connect: the network is down",
        );
    }
}
