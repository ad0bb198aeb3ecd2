//! A pod as a simple model: what it shows, how it fails, and what it makes of what it is sent.

use std::sync::Arc;
use std::time::Duration;

use super::calendar::FOREIGN;
use super::fault::Fault;
use super::plan::PodFault;
use crate::control::pod::ReportedMode;
use crate::model::agenda::Agenda;
use crate::model::failure::{Failure, FailureClass};
use crate::model::meeting::{Meeting, MeetingId};
use crate::model::time::UnixTime;

/// What a device makes of a set for good, for as long as it shows that set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alters {
    CutsTitles(usize),
    Keeps(usize),
}

#[derive(Debug)]
pub struct Device {
    pub id: String,
    pub shown: Arc<Agenda>,
    /// A set that it shows later.
    pub pending: Option<(u64, Arc<Agenda>)>,
    pub fault: Fault<PodFault>,
    /// Booting until then.
    pub boots_until: u64,
    /// Counts changes of the password that it accepts.
    pub secret: u32,
    /// How it altered the set that it was sent last.
    pub altered: Option<Alters>,
    pub asked_until: u64,
    /// When its calendar mode became another one.
    pub other_mode_since: Option<u64>,
    numbering: u32,
}

impl Device {
    #[must_use]
    pub fn new(number: usize) -> Self {
        Self {
            id: format!("device-{number}"),
            shown: Arc::default(),
            pending: None,
            fault: Fault::default(),
            boots_until: 0,
            secret: 0,
            altered: None,
            asked_until: 0,
            other_mode_since: None,
            numbering: 0,
        }
    }

    /// Another device in its place.
    pub fn replace(&mut self, number: u32) {
        let secret = self.secret;
        *self = Self {
            id: format!("device-new-{number}"),
            secret,
            ..Self::new(0)
        };
    }

    pub fn reboot(&mut self, until: u64) {
        self.boots_until = until;
        self.shown = Arc::default();
        self.pending = None;
        self.altered = None;
    }

    /// Somebody else writes to it.
    pub fn foreign(&mut self, meetings: u64, now: i64) {
        self.numbering += 1;
        let meetings = (0..meetings).map(|nth| {
            let start = UnixTime::from_seconds(now + 1800 * (nth as i64 + 1));
            Meeting {
                id: MeetingId::from_text(&format!("foreign-{}-{nth}", self.numbering)),
                title: format!("{FOREIGN} {}.{nth}", self.numbering).into(),
                organizer: "".into(),
                description: None,
                start_time: start,
                end_time: start.plus(Duration::from_secs(1800)),
            }
        });
        self.shown = Arc::new(Agenda::new(meetings.collect()));
        self.pending = None;
        self.altered = None;
    }

    /// Somebody deletes all but the nearest meetings.
    pub fn curtail(&mut self, left: usize) {
        self.shown = alter(&self.shown, Alters::Keeps(left));
        self.pending = None;
    }

    /// What applies late applies now.
    pub fn settle(&mut self, now: u64) {
        if let Some((at, agenda)) = &self.pending
            && *at <= now
        {
            self.shown = agenda.clone();
            self.pending = None;
        }
    }

    /// It is sent a set.
    pub fn put(&mut self, agenda: &Arc<Agenda>, now: u64) {
        self.settle(now);
        let fault = self.fault.at(now);
        let mut altered = None;
        let set = match fault {
            Some(PodFault::Ignores) => return,
            Some(PodFault::ReadsEmpty) => Arc::default(),
            Some(PodFault::CutsTitles(length)) => {
                altered = Some(Alters::CutsTitles(length));
                alter(agenda, Alters::CutsTitles(length))
            }
            Some(PodFault::Keeps(most)) => {
                altered = Some(Alters::Keeps(most));
                alter(agenda, Alters::Keeps(most))
            }
            Some(PodFault::NewIds) => {
                self.numbering += 1;
                let number = self.numbering;
                let meetings = agenda
                    .meetings()
                    .iter()
                    .enumerate()
                    .map(|(nth, one)| Meeting {
                        id: MeetingId::from_text(&format!("new-{number}-{nth}")),
                        ..one.clone()
                    });
                Arc::new(Agenda::new(meetings.collect()))
            }
            _ => agenda.clone(),
        };
        self.altered = altered;
        match fault {
            Some(PodFault::Late(seconds)) => self.pending = Some((now + seconds * 1000, set)),
            _ => {
                self.shown = set;
                self.pending = None;
            }
        }
    }

    #[must_use]
    pub fn device_id(&self, now: u64) -> Option<String> {
        match self.fault.at(now) {
            Some(PodFault::NoDeviceId) => None,
            _ => Some(self.id.clone()),
        }
    }

    #[must_use]
    pub fn mode(&self, now: u64) -> ReportedMode {
        match self.fault.at(now) {
            Some(PodFault::OtherMode) => ReportedMode::Other("Microsoft Exchange".to_owned()),
            Some(PodFault::ModeUnknown) => ReportedMode::NotVerified,
            _ => ReportedMode::ThirdParty,
        }
    }

    /// The pod's clock as its answers tell it.
    #[must_use]
    pub fn clock(&self, now: u64, true_seconds: i64) -> Option<UnixTime> {
        let off = match self.fault.at(now) {
            Some(PodFault::ClockOff(off)) => off,
            _ => 0,
        };
        Some(UnixTime::from_seconds(true_seconds + off))
    }

    /// Why a request to it fails, and whether it never came to an answer.
    pub fn failure(&mut self, now: u64) -> Option<Failure> {
        if now < self.boots_until {
            return Some(failure(FailureClass::Unreachable, None));
        }
        match self.fault.at(now)? {
            PodFault::Down => Some(failure(FailureClass::Unreachable, None)),
            PodFault::Hangs => Some(failure(FailureClass::TimedOut, None)),
            PodFault::Error => Some(failure(FailureClass::Other, None)),
            PodFault::Throttles(asked) => {
                let wait = asked.map(Duration::from_secs);
                self.asked_until = now + asked.unwrap_or(0) * 1000;
                Some(failure(FailureClass::Throttled, wait))
            }
            _ => None,
        }
    }
}

/// What a device makes of a set.
#[must_use]
pub fn alter(agenda: &Arc<Agenda>, how: Alters) -> Arc<Agenda> {
    let meetings = agenda.meetings().iter();
    let meetings = match how {
        Alters::CutsTitles(length) => meetings
            .map(|one| Meeting {
                title: one.title.chars().take(length).collect::<String>().into(),
                ..one.clone()
            })
            .collect(),
        Alters::Keeps(most) => meetings.take(most).cloned().collect(),
    };
    Arc::new(Agenda::new(meetings))
}

#[must_use]
pub fn failure(class: FailureClass, retry_after: Option<Duration>) -> Failure {
    Failure {
        class,
        kind: format!("{class:?}"),
        says: format!("{class:?}"),
        hint: "wait".to_owned(),
        is_passing: !matches!(
            class,
            FailureClass::SecretRejected | FailureClass::Forbidden
        ),
        retry_after,
        secret_was_sent: !matches!(
            class,
            FailureClass::Unreachable | FailureClass::SignInPaused
        ),
    }
}
