//! What an answer says of the members of a calendar: which there are, in which
//! version, and which are gone.

use std::collections::HashSet;

use super::dav::Page;
use super::dav_xml::Response;
use super::error::{PullError, PullErrorKind};
use super::member::{Folder, Key, Member, Position};

/// More events than this is no room's calendar.
const MAX_ITEMS: usize = 100_000;

/// A member as it was listed.
pub(super) struct Entry {
    pub member: Member,
    /// Kept rather than the tag that comes with the body: if the event changes in
    /// between, the older tag makes the next pull look again.
    pub etag: Option<String>,
}

/// A list of members.
pub(super) struct List {
    pub entries: Vec<Entry>,
    /// Whether what it does not name is gone.
    pub complete: bool,
}

impl List {
    pub(super) fn of(page: Page) -> Result<Self, PullError> {
        let host = page.url.host();
        let mut changes = Changes::default();
        let more = changes.take(page)?;
        let is_lost = |entry: &Entry| entry.member.position == Position::WithoutPrefix;
        if !changes.entries.is_empty() && changes.entries.iter().all(is_lost) {
            return Err(PullErrorKind::ProxyPath.at(host));
        }
        Ok(Self {
            entries: changes.entries,
            complete: !more,
        })
    }

    pub(super) fn untagged(&self) -> usize {
        let untagged = |entry: &&Entry| entry.etag.is_none();
        self.entries.iter().filter(untagged).count()
    }
}

/// What lists and increments say.
#[derive(Default)]
pub(super) struct Changes {
    pub entries: Vec<Entry>,
    pub removed: Vec<Key>,
    /// Two spellings of one address must not become two events.
    seen: HashSet<Key>,
}

impl Changes {
    /// Reads one page; whether there is more to come.
    pub(super) fn take(&mut self, page: Page) -> Result<bool, PullError> {
        let mut more = false;
        page.weight.keep();
        let folder = Folder::of(&page.url);
        for response in page.multistatus.responses {
            let is_no_event = is_no_event(&response);
            let Some(member) = folder.member(response.href) else {
                // RFC 6578 section 3.6: 507 on the calendar itself.
                more |= response.status == Some(507);
                continue;
            };
            match response.status {
                // 418 was seen from Nextcloud.
                Some(404 | 410 | 418) => self.removed.push(member.key),
                Some(507) => more = true,
                Some(status) if status / 100 != 2 => {}
                _ if is_no_event => {}
                _ if !self.seen.insert(member.key) => {}
                _ => self.entries.push(Entry {
                    member,
                    etag: response.properties.etag,
                }),
            }
            if self.entries.len() + self.removed.len() > MAX_ITEMS {
                return Err(PullErrorKind::TooMany {
                    what: "events",
                    limit: MAX_ITEMS,
                }
                .at(page.url.host()));
            }
        }
        Ok(more)
    }
}

/// Folders, and what is declared to be something else than a calendar object.
fn is_no_event(response: &Response) -> bool {
    let properties = &response.properties;
    let content_type = properties.content_type.as_deref().unwrap_or_default();
    let content_type = content_type.to_ascii_lowercase();
    let other_kind = [
        "text/html",
        "text/vcard",
        "text/xml",
        "application/xml",
        "image/",
    ]
    .iter()
    .any(|kind| content_type.starts_with(kind));
    let other_component = content_type
        .split_once("component=")
        .is_some_and(|(_, component)| {
            let component = component.trim_matches(['"', ' ']);
            ["vtodo", "vjournal", "vfreebusy", "vavailability"]
                .iter()
                .any(|other| component.starts_with(other))
        });
    properties.is_collection || other_kind || other_component
}
