//! Which instances a display may show, by what they say of themselves and by
//! what the room's configuration asks for. The first rule that applies decides.

use crate::config::{MeetingRules, Only};
use crate::model::occurrence::{BusyStatus, Class, Details, Occurrence, Status};
use crate::model::verdict::Rule;

/// The rule by which a display leaves this instance out, if any.
#[must_use]
pub fn left_out(occurrence: &Occurrence, only: &Only, rules: &MeetingRules) -> Option<Rule> {
    let details = &occurrence.details;
    if let Some(rule) = not_taking_place(details) {
        return Some(rule);
    }
    if details.room_declined {
        return Some(Rule::Declined);
    }
    if let Some(key) = only.missed(details) {
        return Some(Rule::NotForThisRoom { key });
    }
    if !rules.tentative && is_tentative(details) {
        return Some(Rule::Tentative);
    }
    if !rules.all_day && occurrence.all_day {
        return Some(Rule::AllDay);
    }
    (occurrence.end <= occurrence.start).then_some(Rule::NoLength)
}

/// The rule by which nobody is in the room for this, whatever the configuration says.
#[must_use]
pub fn not_taking_place(details: &Details) -> Option<Rule> {
    if details.status == Status::Cancelled {
        return Some(Rule::Cancelled);
    }
    is_free(details).then_some(Rule::Free)
}

/// Whether an event takes no time (RFC 5545 section 3.8.2.7).
///
/// Where Outlook says how busy it is and TRANSP says otherwise, Outlook is right:
/// TRANSP there is made from it. WORKINGELSEWHERE alone does not tell.
fn is_free(details: &Details) -> bool {
    match details.busy_status {
        Some(BusyStatus::Free) => true,
        Some(BusyStatus::Tentative | BusyStatus::Busy | BusyStatus::OutOfOffice) => false,
        Some(BusyStatus::WorkingElsewhere) | None => details.transparent,
    }
}

fn is_tentative(details: &Details) -> bool {
    details.status == Status::Tentative || details.busy_status == Some(BusyStatus::Tentative)
}

/// Whether the title may not be shown.
#[must_use]
pub fn is_private(details: &Details) -> bool {
    details.class == Class::Private
}
