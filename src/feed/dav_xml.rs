//! The documents of CalDAV: what podcal asks (RFC 4918, 4791, 6578) and what
//! servers answer, read by namespace and never by prefix. Pure.
//!
//! Answers come from anywhere, so nothing in them is expanded, nesting has an
//! end, and what is unknown is passed over.

use std::fmt;

use quick_xml::escape::escape;
use quick_xml::events::Event;
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;

use super::error::XmlProblem;

/// An answer of 207, as far as podcal needs it.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Multistatus {
    pub responses: Vec<Response>,
    /// Of a sync-collection report.
    pub sync_token: Option<String>,
}

/// What is said of one resource.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Response {
    /// As the server spells it.
    pub href: String,
    /// Of the resource as a whole; absent where its properties are given.
    pub status: Option<u16>,
    pub properties: Properties,
}

/// The properties that came with a status of 2xx; empty ones count as absent,
/// because some servers answer so for what they do not know.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Properties {
    /// The names in `resourcetype` that matter.
    pub is_collection: bool,
    pub is_calendar: bool,
    pub is_deleted: bool,
    pub display_name: Option<String>,
    pub etag: Option<String>,
    pub ctag: Option<String>,
    pub sync_token: Option<String>,
    pub content_type: Option<String>,
    pub calendar_data: Option<String>,
    pub principal: Option<String>,
    pub home_sets: Vec<String>,
    /// In upper case; empty where the server does not say.
    pub components: Vec<String>,
    pub offers_sync: bool,
}

/// Numbers only: hrefs and events do not reach a log by accident.
impl fmt::Debug for Multistatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multistatus")
            .field("responses", &self.responses.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Properties")
            .field("is_calendar", &self.is_calendar)
            .field("home_sets", &self.home_sets.len())
            .finish_non_exhaustive()
    }
}

impl Properties {
    /// Takes over what `other` says; a property may come in several parts.
    fn merge(&mut self, other: Self) {
        self.is_collection |= other.is_collection;
        self.is_calendar |= other.is_calendar;
        self.is_deleted |= other.is_deleted;
        self.offers_sync |= other.offers_sync;
        self.home_sets.extend(other.home_sets);
        self.components.extend(other.components);
        for (mine, theirs) in [
            (&mut self.display_name, other.display_name),
            (&mut self.etag, other.etag),
            (&mut self.ctag, other.ctag),
            (&mut self.sync_token, other.sync_token),
            (&mut self.content_type, other.content_type),
            (&mut self.calendar_data, other.calendar_data),
            (&mut self.principal, other.principal),
        ] {
            if theirs.is_some() {
                *mine = theirs;
            }
        }
    }
}

/// Far more than any answer has (about ten), far less than a stack.
const MAX_DEPTH: usize = 64;

/// Somewhat more than the events that a calendar may have.
const MAX_RESPONSES: usize = 120_000;

/// Of one answer, all responses together.
const MAX_HREFS: usize = MAX_RESPONSES;

/// Web servers accept addresses of eight kilobytes.
const MAX_HREF: usize = 8 * 1024;

/// Of one property other than the event itself.
const MAX_PROPERTY: usize = 64 * 1024;

/// Home sets and kinds of components.
const MAX_LIST: usize = 64;

/// A name that podcal knows; everything else is `Other`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Multistatus,
    Response,
    Href,
    Status,
    Propstat,
    Prop,
    ResourceType,
    Collection,
    Calendar,
    DeletedCalendar,
    Title,
    Etag,
    Ctag,
    SyncToken,
    ContentType,
    CalendarData,
    Principal,
    HomeSet,
    ComponentSet,
    Component,
    ReportSet,
    SyncCollection,
    Other,
}

fn name_of(namespace: &ResolveResult<'_>, local: &str) -> Name {
    let ResolveResult::Bound(namespace) = namespace else {
        // Bitrix24 leaves the namespaces out; its names are understood in any case.
        return [DAV, CALDAV, CALENDAR_SERVER]
            .into_iter()
            .map(|namespace| name_in(namespace, local))
            .find(|name| *name != Name::Other)
            .unwrap_or(Name::Other);
    };
    name_in(*namespace, local)
}

const DAV: Namespace<'_> = Namespace("DAV:");
const CALDAV: Namespace<'_> = Namespace("urn:ietf:params:xml:ns:caldav");
const CALENDAR_SERVER: Namespace<'_> = Namespace("http://calendarserver.org/ns/");

fn name_in(namespace: Namespace<'_>, local: &str) -> Name {
    match (namespace, local) {
        (DAV, "multistatus") => Name::Multistatus,
        (DAV, "response") => Name::Response,
        (DAV, "href") => Name::Href,
        (DAV, "status") => Name::Status,
        (DAV, "propstat") => Name::Propstat,
        (DAV, "prop") => Name::Prop,
        (DAV, "resourcetype") => Name::ResourceType,
        (DAV, "collection") => Name::Collection,
        (DAV, "displayname") => Name::Title,
        (DAV, "getetag") => Name::Etag,
        (DAV, "getcontenttype") => Name::ContentType,
        (DAV, "sync-token") => Name::SyncToken,
        (DAV, "current-user-principal") => Name::Principal,
        (DAV, "supported-report-set") => Name::ReportSet,
        (DAV, "sync-collection") => Name::SyncCollection,
        (CALDAV, "calendar") => Name::Calendar,
        (CALDAV, "calendar-data") => Name::CalendarData,
        (CALDAV, "calendar-home-set") => Name::HomeSet,
        (CALDAV, "supported-calendar-component-set") => Name::ComponentSet,
        (CALDAV, "comp") => Name::Component,
        (CALENDAR_SERVER, "getctag") => Name::Ctag,
        // Nextcloud's trash bin keeps deleted calendars under their old names.
        (_, "deleted-calendar") => Name::DeletedCalendar,
        _ => Name::Other,
    }
}

/// Reads an answer of 207.
///
/// Control characters, which XML forbids and some servers let through, are
/// taken as they come: what becomes of them is for the calendar's reader.
pub(super) fn read(bytes: &[u8]) -> Result<Multistatus, XmlProblem> {
    let text = std::str::from_utf8(bytes).map_err(|_| XmlProblem::NotUtf8)?;
    let mut reader = Reader::default();
    walk(text, &mut reader)?;
    if reader.is_multistatus {
        Ok(reader.multistatus)
    } else {
        Err(XmlProblem::Unexpected)
    }
}

/// Goes through a document once, without recursion.
fn walk(text: &str, sink: &mut Reader) -> Result<(), XmlProblem> {
    const BROKEN: XmlProblem = XmlProblem::NotWellFormed;
    let mut reader = NsReader::from_str(text.trim_start_matches('\u{feff}').trim_start());
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.check_end_names = true;
    let mut depth: usize = 0;
    let mut roots = 0;
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(|_| BROKEN)?;
        match event {
            Event::Start(start) => {
                if depth == 0 {
                    roots += 1;
                }
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(XmlProblem::TooDeep);
                }
                let local = start.local_name();
                let name = name_of(&namespace, local.as_ref());
                let component = (name == Name::Component)
                    .then(|| start.try_get_attribute("name").ok().flatten())
                    .flatten()
                    .map(|attribute| attribute.value.to_ascii_uppercase());
                sink.open(name, component);
            }
            Event::End(_) => {
                depth = depth.checked_sub(1).ok_or(BROKEN)?;
                sink.close()?;
            }
            Event::Text(text) => sink.text(&text.xml10_content())?,
            Event::CData(data) => sink.text(&data.xml10_content())?,
            Event::GeneralRef(reference) => {
                let character = match reference.as_ref() {
                    "amp" => '&',
                    "lt" => '<',
                    "gt" => '>',
                    "quot" => '"',
                    "apos" => '\'',
                    // A number that is not a character, such as `&#0;`, is a hole in
                    // one event's text and no reason to lose the others.
                    _ if reference.is_char_ref() => reference
                        .resolve_char_ref()
                        .ok()
                        .flatten()
                        .unwrap_or(char::REPLACEMENT_CHARACTER),
                    _ => return Err(XmlProblem::Entities),
                };
                sink.text(character.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err(XmlProblem::Entities),
            Event::Eof => break,
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    if depth == 0 && roots == 1 {
        Ok(())
    } else {
        Err(BROKEN)
    }
}

/// Gathers a multistatus while the document goes by.
#[derive(Default)]
struct Reader {
    is_multistatus: bool,
    multistatus: Multistatus,
    path: Vec<Name>,
    /// Of the innermost element that was opened.
    text: String,
    hrefs: Vec<String>,
    href_count: usize,
    status: Option<u16>,
    /// Of the response, from those parts that came with 2xx.
    properties: Properties,
    /// Of the part that is being read, and its status.
    part: Properties,
    part_status: Option<u16>,
}

impl Reader {
    /// `component` is the attribute `name` of a `comp`.
    fn open(&mut self, name: Name, component: Option<String>) {
        if self.path.is_empty() && name == Name::Multistatus {
            self.is_multistatus = true;
        }
        match name {
            Name::Response => {
                self.hrefs.clear();
                self.status = None;
                self.properties = Properties::default();
            }
            Name::Propstat => {
                self.part = Properties::default();
                self.part_status = None;
            }
            Name::Collection if self.is_in(Name::ResourceType) => self.part.is_collection = true,
            Name::Calendar if self.is_in(Name::ResourceType) => self.part.is_calendar = true,
            Name::DeletedCalendar if self.is_in(Name::ResourceType) => self.part.is_deleted = true,
            Name::Component
                if self.is_in(Name::ComponentSet) && self.part.components.len() < MAX_LIST =>
            {
                self.part.components.extend(component);
            }
            Name::SyncCollection if self.path.contains(&Name::ReportSet) => {
                self.part.offers_sync = true;
            }
            _ => {}
        }
        self.path.push(name);
        self.text.clear();
    }

    fn text(&mut self, text: &str) -> Result<(), XmlProblem> {
        let (what, limit) = match self.path.last() {
            // The body as a whole has a limit.
            Some(Name::CalendarData) => ("", usize::MAX),
            None | Some(Name::Other) => return Ok(()),
            Some(Name::Href) => ("bytes in one address", MAX_HREF),
            Some(_) => ("bytes in one property", MAX_PROPERTY),
        };
        if self.text.len() + text.len() > limit {
            return Err(XmlProblem::TooMuch { what, limit });
        }
        self.text.push_str(text);
        Ok(())
    }

    fn close(&mut self) -> Result<(), XmlProblem> {
        let Some(name) = self.path.pop() else {
            return Ok(());
        };
        let text = std::mem::take(&mut self.text);
        if name == Name::CalendarData {
            if !text.trim().is_empty() {
                self.part.calendar_data = Some(text);
            }
            return Ok(());
        }
        let text = text.trim();
        let value = (!text.is_empty()).then(|| text.to_owned());
        match (name, self.path.last()) {
            (Name::Href, Some(Name::Response)) => {
                self.href_count += 1;
                if self.href_count > MAX_HREFS {
                    let (what, limit) = ("addresses", MAX_HREFS);
                    return Err(XmlProblem::TooMuch { what, limit });
                }
                self.hrefs.extend(value);
            }
            (Name::Href, Some(Name::Principal)) => self.part.principal = value,
            (Name::Href, Some(Name::HomeSet)) if self.part.home_sets.len() < MAX_LIST => {
                self.part.home_sets.extend(value);
            }
            (Name::Status, Some(Name::Response)) => self.status = status(text),
            (Name::Status, Some(Name::Propstat)) => self.part_status = status(text),
            (Name::Title, Some(Name::Prop)) => self.part.display_name = value,
            (Name::Etag, Some(Name::Prop)) => self.part.etag = value,
            (Name::Ctag, Some(Name::Prop)) => self.part.ctag = value,
            (Name::ContentType, Some(Name::Prop)) => self.part.content_type = value,
            (Name::SyncToken, Some(Name::Prop)) => self.part.sync_token = value,
            (Name::SyncToken, Some(Name::Multistatus)) => self.multistatus.sync_token = value,
            (Name::Propstat, _) => {
                let part = std::mem::take(&mut self.part);
                if self.part_status.is_none_or(|status| status / 100 == 2) {
                    self.properties.merge(part);
                }
            }
            (Name::Response, _) => self.finish_response()?,
            _ => {}
        }
        Ok(())
    }

    /// One response may speak of several resources (RFC 4918 section 14.24), but
    /// then of their status alone: properties are for the first.
    fn finish_response(&mut self) -> Result<(), XmlProblem> {
        let mut properties = std::mem::take(&mut self.properties);
        for href in std::mem::take(&mut self.hrefs) {
            if self.multistatus.responses.len() >= MAX_RESPONSES {
                let (what, limit) = ("responses", MAX_RESPONSES);
                return Err(XmlProblem::TooMuch { what, limit });
            }
            self.multistatus.responses.push(Response {
                href,
                status: self.status,
                properties: std::mem::take(&mut properties),
            });
        }
        Ok(())
    }

    fn is_in(&self, name: Name) -> bool {
        self.path.last() == Some(&name)
    }
}

/// The number in `HTTP/1.1 404 Not Found`.
fn status(line: &str) -> Option<u16> {
    line.split_whitespace()
        .find_map(|word| word.parse().ok().filter(|code| (100..1000).contains(code)))
}

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";
const NAMESPACES: &str = "xmlns:d=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:caldav\" \
                          xmlns:cs=\"http://calendarserver.org/ns/\"";

/// What a place is, and where to look next.
pub(super) fn ask_what_it_is() -> String {
    format!(
        "{HEAD}<d:propfind {NAMESPACES}><d:prop><d:resourcetype/><d:displayname/>\
         <d:current-user-principal/><c:calendar-home-set/>\
         <c:supported-calendar-component-set/></d:prop></d:propfind>"
    )
}

/// Whether a calendar changed, and which reports it offers.
pub(super) fn ask_for_change_marks() -> String {
    format!(
        "{HEAD}<d:propfind {NAMESPACES}><d:prop><d:resourcetype/><d:displayname/><cs:getctag/>\
         <d:sync-token/><d:supported-report-set/></d:prop></d:propfind>"
    )
}

/// All members of a calendar with their entity tags.
pub(super) fn ask_for_list() -> String {
    format!(
        "{HEAD}<d:propfind {NAMESPACES}><d:prop><d:resourcetype/><d:getetag/>\
         <d:getcontenttype/></d:prop></d:propfind>"
    )
}

/// All events with their tags, for servers without a list. No time range: ranges
/// lose events on most servers.
pub(super) fn ask_for_events() -> String {
    format!(
        "{HEAD}<c:calendar-query {NAMESPACES}><d:prop><d:getetag/></d:prop>\
         <c:filter><c:comp-filter name=\"VCALENDAR\"><c:comp-filter name=\"VEVENT\"/>\
         </c:comp-filter></c:filter></c:calendar-query>"
    )
}

/// What changed since a token; all members for an empty one. Never with a limit:
/// some servers then cut the answer and still give the final token.
pub(super) fn ask_for_changes(token: &str) -> String {
    let token = escape(token);
    format!(
        "{HEAD}<d:sync-collection {NAMESPACES}><d:sync-token>{token}</d:sync-token>\
         <d:sync-level>1</d:sync-level><d:prop><d:getetag/><d:getcontenttype/>\
         <d:resourcetype/></d:prop></d:sync-collection>"
    )
}

/// The events at these addresses, in the server's own spelling.
pub(super) fn ask_for_bodies<'a>(hrefs: impl Iterator<Item = &'a str>) -> String {
    let hrefs: String = hrefs
        .map(|href| format!("<d:href>{}</d:href>", escape(href)))
        .collect();
    format!(
        "{HEAD}<c:calendar-multiget {NAMESPACES}><d:prop><d:getetag/><c:calendar-data/></d:prop>\
         {hrefs}</c:calendar-multiget>"
    )
}

#[cfg(test)]
mod tests;
