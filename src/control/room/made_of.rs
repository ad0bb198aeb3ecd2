//! What an agenda was made of, so that it is not merged again from the same.

use super::part::Part;
use super::{Basis, RoomController};
use crate::control::now::Now;
use crate::model::time::UnixTime;
use crate::model::version::VersionId;

/// While it is the same, merging again would give the same agenda.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MadeOf {
    parts: Vec<Option<(VersionId, Basis)>>,
    from: UnixTime,
    /// The first end of a meeting.
    until: UnixTime,
}

impl RoomController {
    pub(super) fn is_made_of_the_same(&self, now: Now) -> bool {
        let Some(made_of) = self.made_of.as_ref().filter(|_| self.is_known) else {
            return false;
        };
        let mut parts = self.parts.iter().zip(&made_of.parts);
        made_of.from <= now.wall
            && now.wall < made_of.until
            && made_of.parts.len() == self.parts.len()
            && parts.all(|(part, of)| of.is_some() && part.in_use() == *of)
    }

    /// `None` where meetings are kept that no reading accounts for.
    pub(super) fn made_of_now(&self, now: Now) -> Option<MadeOf> {
        let is_sure = |part: &Part| !part.is_unsure();
        let ends = self.parts.iter().flat_map(|part| part.to_come(now));
        let until = ends.map(|one| one.meeting.end_time).min();
        self.parts.iter().all(is_sure).then(|| MadeOf {
            parts: self.parts.iter().map(Part::in_use).collect(),
            from: now.wall,
            until: until.unwrap_or(UnixTime::MAX),
        })
    }
}
