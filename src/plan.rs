//! What to do about one display: push, leave it, hold, or refuse. Pure.

use crate::config::Guard;
use crate::model::agenda::{Agenda, Changes, OnDisplay};
use crate::model::time::UnixTime;

/// What is known of one display when a decision is due.
#[derive(Clone, Debug)]
pub struct Display {
    pub on_display: OnDisplay,
    /// What it confirmed last, also where it has lost it since.
    pub confirmed: Option<Agenda>,
    /// Whether it was seen to have lost that.
    pub lost: bool,
    /// The calendar mode that it is known to be in, where that is not the API's.
    pub other_mode: Option<String>,
}

/// What the person or the schedule asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Push what is in step, and what the guard holds.
    pub force: bool,
}

/// The guard of a room, and since when it has seen nothing where meetings were.
#[derive(Clone, Copy, Debug)]
pub struct Vanishing {
    pub guard: Guard,
    pub since: Option<UnixTime>,
}

/// What to do about one display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Send this set, whole.
    Push {
        agenda: Agenda,
        changes: Changes,
        reason: PushReason,
    },
    Skip {
        reason: SkipReason,
    },
    /// All meetings to come vanished at once; not believed before `until`.
    ///
    /// What is still to come of the old set stays, or is sent again where the
    /// display lost it or shows meetings that have ended.
    Hold {
        since: UnixTime,
        until: UnixTime,
        missing: usize,
        push: Option<(Agenda, Changes)>,
    },
    /// A PUT could alter a real mailbox.
    Refuse {
        mode: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushReason {
    First,
    Lost,
    Changed,
    Forced,
}

impl PushReason {
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Lost => "lost",
            Self::Changed => "changed",
            Self::Forced => "forced",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    InStep,
}

/// Decides about one display.
///
/// | on display | now composed | forced | decision |
/// | --- | --- | --- | --- |
/// | known to be in another calendar mode | any | – | Refuse: mode |
/// | `Never` | any | – | Push: first |
/// | `Lost` | any | – | Push: lost |
/// | `Shows` the same | – | no | Skip: in step |
/// | `Shows` the same | – | yes | Push: forced |
/// | `Shows` another | – | – | Push: changed (first, lost: where that is known) |
/// | several to come (shown or confirmed), and all of them are gone at once | nothing | no | Hold, until seen again for `guard.hold` |
///
/// "The same" is what people see: ids do not count. A refusal is not forced:
/// `podcal pod ROOM calendar set --insist` is the way to write to such a pod.
#[must_use]
pub fn decide(
    agenda: &Agenda,
    display: &Display,
    vanishing: Vanishing,
    wish: Wish,
    now: UnixTime,
) -> Decision {
    if let Some(mode) = &display.other_mode {
        return Decision::Refuse { mode: mode.clone() };
    }
    if !wish.force
        && agenda.is_empty()
        && let Some(hold) = hold(display, vanishing, now)
    {
        return hold;
    }
    let before = shown(display);
    let is_same =
        matches!(&display.on_display, OnDisplay::Shows(shown) if shown.looks_like(agenda));
    let reason = match &display.on_display {
        OnDisplay::Shows(_) if is_same && !wish.force => {
            return Decision::Skip {
                reason: SkipReason::InStep,
            };
        }
        OnDisplay::Shows(_) if is_same => PushReason::Forced,
        OnDisplay::Lost => PushReason::Lost,
        OnDisplay::Never => PushReason::First,
        OnDisplay::Shows(_) if display.lost => PushReason::Lost,
        OnDisplay::Shows(_) if display.confirmed.is_none() => PushReason::First,
        OnDisplay::Shows(_) => PushReason::Changed,
    };
    Decision::Push {
        agenda: agenda.clone(),
        changes: Changes::between(before, agenda),
        reason,
    }
}

/// Holds when meetings to come vanished whole, and not for long enough.
fn hold(display: &Display, vanishing: Vanishing, now: UnixTime) -> Option<Decision> {
    let Vanishing { guard, since } = vanishing;
    let expected = display
        .confirmed
        .as_ref()
        .unwrap_or_else(|| shown(display))
        .still_to_come(now);
    // Once it holds it goes on, although meetings end meanwhile and fewer are left.
    let enough = if since.is_some() {
        1
    } else {
        usize::try_from(guard.vanished).unwrap_or(usize::MAX)
    };
    if guard.vanished == 0 || expected.len() < enough.max(1) {
        return None;
    }
    let since = since.unwrap_or(now);
    let until = since.plus(guard.hold);
    if now >= until {
        return None;
    }
    let in_step =
        matches!(&display.on_display, OnDisplay::Shows(shown) if shown.looks_like(&expected));
    let missing = expected.len();
    let push = (!in_step).then(|| {
        let changes = Changes::between(shown(display), &expected);
        (expected, changes)
    });
    Some(Decision::Hold {
        since,
        until,
        missing,
        push,
    })
}

fn shown(display: &Display) -> &Agenda {
    static NOTHING: Agenda = Agenda::empty();
    match &display.on_display {
        OnDisplay::Shows(agenda) => agenda,
        OnDisplay::Never | OnDisplay::Lost => &NOTHING,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::meeting::{Meeting, MeetingId};

    const NOW: UnixTime = UnixTime::from_seconds(1_000_000);
    const FORCED: Wish = Wish { force: true };

    /// Meetings of an hour each, the first beginning `first` hours from now.
    fn agenda(first: i64, count: i64) -> Agenda {
        Agenda::new(
            (first..first + count)
                .map(|hour| Meeting {
                    id: MeetingId::from_text(&hour.to_string()),
                    title: "T".into(),
                    organizer: String::new(),
                    description: None,
                    start_time: UnixTime::from_seconds(NOW.seconds() + hour * 3600),
                    end_time: UnixTime::from_seconds(NOW.seconds() + (hour + 1) * 3600),
                })
                .collect(),
        )
    }

    fn display(on_display: OnDisplay) -> Display {
        let confirmed = match &on_display {
            OnDisplay::Shows(agenda) => Some(agenda.clone()),
            OnDisplay::Never | OnDisplay::Lost => None,
        };
        Display {
            on_display,
            confirmed,
            lost: false,
            other_mode: None,
        }
    }

    fn vanishing(since: Option<i64>) -> Vanishing {
        Vanishing {
            guard: Guard {
                vanished: 3,
                hold: Duration::from_secs(900),
            },
            since: since.map(|ago| UnixTime::from_seconds(NOW.seconds() - ago)),
        }
    }

    #[track_caller]
    fn check(
        on_display: OnDisplay,
        composed: &Agenda,
        wish: Wish,
        expected: Result<PushReason, SkipReason>,
    ) {
        let decision = decide(composed, &display(on_display), vanishing(None), wish, NOW);
        match (decision, expected) {
            (Decision::Push { agenda, reason, .. }, Ok(wanted)) => {
                assert_eq!((reason, &agenda), (wanted, composed));
            }
            (Decision::Skip { reason }, Err(wanted)) => assert_eq!(reason, wanted),
            (decision, expected) => panic!("{decision:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn a_display_that_never_had_a_push_gets_one() {
        check(
            OnDisplay::Never,
            &agenda(1, 2),
            Wish::default(),
            Ok(PushReason::First),
        );
        check(
            OnDisplay::Never,
            &agenda(0, 0),
            Wish::default(),
            Ok(PushReason::First),
        );
    }

    #[test]
    fn a_display_that_lost_its_meetings_gets_them_again() {
        check(
            OnDisplay::Lost,
            &agenda(1, 2),
            Wish::default(),
            Ok(PushReason::Lost),
        );
    }

    #[test]
    fn a_display_in_step_is_left_alone_unless_forced() {
        check(
            OnDisplay::Shows(agenda(1, 2)),
            &agenda(1, 2),
            Wish::default(),
            Err(SkipReason::InStep),
        );
        check(
            OnDisplay::Shows(agenda(1, 2)),
            &agenda(1, 2),
            FORCED,
            Ok(PushReason::Forced),
        );
    }

    #[test]
    fn a_display_that_shows_something_else_gets_the_whole_set() {
        check(
            OnDisplay::Shows(agenda(1, 5)),
            &agenda(1, 4),
            Wish::default(),
            Ok(PushReason::Changed),
        );
        check(
            OnDisplay::Shows(agenda(1, 2)),
            &agenda(0, 0),
            Wish::default(),
            Ok(PushReason::Changed),
        );
    }

    #[test]
    fn another_calendar_mode_is_never_written_to_even_when_forced() {
        let display = Display {
            other_mode: Some("exchange".into()),
            ..display(OnDisplay::Never)
        };
        let decision = decide(&agenda(1, 1), &display, vanishing(None), FORCED, NOW);
        assert_eq!(
            decision,
            Decision::Refuse {
                mode: "exchange".into()
            }
        );
    }

    #[track_caller]
    fn check_hold(display: &Display, since: Option<i64>, expected: Option<(usize, Option<usize>)>) {
        let held = match decide(
            &agenda(0, 0),
            display,
            vanishing(since),
            Wish::default(),
            NOW,
        ) {
            Decision::Hold { missing, push, .. } => {
                Some((missing, push.map(|(agenda, _)| agenda.len())))
            }
            _ => None,
        };
        assert_eq!(held, expected);
    }

    #[test]
    fn a_feed_that_vanishes_whole_is_not_believed_at_once() {
        let three = display(OnDisplay::Shows(agenda(1, 3)));
        check_hold(&three, None, Some((3, None)));
        check_hold(&three, Some(899), Some((3, None)));
        check_hold(&three, Some(900), None);
        check_hold(&display(OnDisplay::Shows(agenda(1, 2))), None, None);
        // A hold goes on although meetings end meanwhile.
        check_hold(
            &display(OnDisplay::Shows(agenda(1, 1))),
            Some(60),
            Some((1, None)),
        );
        let forced = decide(&agenda(0, 0), &three, vanishing(None), FORCED, NOW);
        assert!(matches!(
            forced,
            Decision::Push {
                reason: PushReason::Changed,
                ..
            }
        ));
        let off = Vanishing {
            guard: Guard {
                vanished: 0,
                hold: Duration::from_secs(900),
            },
            since: None,
        };
        assert!(matches!(
            decide(&agenda(0, 0), &three, off, Wish::default(), NOW),
            Decision::Push { .. }
        ));
    }

    #[test]
    fn meetings_that_ended_do_not_count_as_vanished_and_leave_during_a_hold() {
        check_hold(&display(OnDisplay::Shows(agenda(-4, 4))), None, None);
        check_hold(
            &display(OnDisplay::Shows(agenda(-1, 4))),
            None,
            Some((3, Some(3))),
        );
    }

    #[test]
    fn what_a_display_loses_during_a_hold_is_sent_again() {
        let lost = Display {
            confirmed: Some(agenda(1, 3)),
            ..display(OnDisplay::Lost)
        };
        check_hold(&lost, Some(60), Some((3, Some(3))));
    }
}
