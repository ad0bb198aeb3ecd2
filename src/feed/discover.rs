//! From the address in the configuration to a calendar (RFC 4791 section 6.2,
//! RFC 5397, RFC 6764): the address may be the calendar itself, a home of several,
//! a principal, or just the server.
//!
//! A calendar that is gone is never replaced by another one that happens to be
//! found: from an address that answers 404, nothing is searched.

use std::collections::HashSet;
use std::fmt;

use super::dav::{Dav, Depth, Page, Reply};
use super::dav_xml::{self, Response};
use super::error::{Names, PullError, PullErrorKind};
use super::member::{self, Folder, Key};
use super::pace::Pace;
use crate::model::feed_url::FeedUrl;

/// A calendar that this login can see.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Calendar {
    pub url: FeedUrl,
    /// The display name, or the last part of the address; made fit for a line of text.
    pub name: String,
}

/// Without its name, which may be the last part of its address.
impl fmt::Debug for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Calendar({})", self.url.host())
    }
}

/// The calendars that the address stands for.
pub(super) struct Found {
    pub calendars: Vec<Calendar>,
    /// Whether the address is a calendar itself.
    pub direct: bool,
    /// Of the first answer.
    pub headers: hyper::header::HeaderMap,
}

/// The one calendar that is meant.
pub(super) async fn find(
    dav: &Dav<'_>,
    url: &FeedUrl,
    wanted: Option<&str>,
) -> Result<Calendar, PullError> {
    let found = search(dav, url, wanted).await?;
    choose(dav, found, url, wanted).await
}

/// Servers of a campus have thousands of calendars, so this is done aside.
pub(super) async fn choose(
    dav: &Dav<'_>,
    found: Found,
    url: &FeedUrl,
    wanted: Option<&str>,
) -> Result<Calendar, PullError> {
    let host = url.host();
    let wanted = wanted.map(str::to_owned);
    let size = found.calendars.len() * 100;
    let choose = move || chosen(&found, wanted.as_deref());
    let chosen = dav.exchange.network().work_on(size, choose).await;
    chosen.map_err(|kind| kind.at(host))
}

fn chosen(found: &Found, wanted: Option<&str>) -> Result<Calendar, PullErrorKind> {
    let names = |calendars: &[&Calendar]| Names::of(calendars.iter().map(|one| one.name.as_str()));
    let all: Vec<&Calendar> = found.calendars.iter().collect();
    let Some(wanted) = wanted else {
        return match all.as_slice() {
            [] => Err(PullErrorKind::NoCalendar),
            [calendar] => Ok((*calendar).clone()),
            [calendar, ..] if found.direct => Ok((*calendar).clone()),
            several => Err(PullErrorKind::SeveralCalendars(names(several))),
        };
    };
    let wanted = wanted.trim();
    let lower = wanted.to_lowercase();
    let mut matching: Vec<&Calendar> = all.clone();
    matching.retain(|one| one.name.trim() == wanted);
    if matching.is_empty() {
        matching = all.clone();
        matching.retain(|one| one.name.trim().to_lowercase() == lower);
    }
    match matching.as_slice() {
        [calendar] => Ok((*calendar).clone()),
        [] => Err(PullErrorKind::NoSuchCalendar {
            wanted: plain(wanted),
            names: names(&all),
        }),
        several => Err(PullErrorKind::SeveralCalendars(names(several))),
    }
}

/// Every calendar that the address leads to.
pub(super) async fn search(
    dav: &Dav<'_>,
    url: &FeedUrl,
    wanted: Option<&str>,
) -> Result<Found, PullError> {
    let given = match first_look(dav, url).await {
        Ok(page) => {
            let found = look_from(dav, &page, wanted).await?;
            if !found.calendars.is_empty() {
                return Ok(found);
            }
            Err(PullErrorKind::NoCalendar.at(url.host()))
        }
        Err(error) => Err(error),
    };
    // Only where the address is the bare server, or is not DAV at all.
    let bare = matches!(url.reveal().path(), "" | "/");
    let worth_it = match given.as_ref().map_err(|error| &error.kind) {
        Err(PullErrorKind::NotDav(_)) => true,
        Err(PullErrorKind::NoCalendar | PullErrorKind::NotFound(_)) => bare,
        // Some servers forbid their root or answer nonsense there.
        Err(PullErrorKind::LoginRejected { status, .. }) => bare && status.0 == 403,
        Err(PullErrorKind::BadXml(_) | PullErrorKind::UnexpectedStatus(_)) => bare,
        _ => false,
    };
    if worth_it {
        for path in ["/.well-known/caldav", "/"] {
            if path == "/" && bare {
                continue;
            }
            let place = member::resolve(url, path);
            let Some(place) = place else { continue };
            if let Some(page) = look(dav, &place).await? {
                let found = look_from(dav, &page, wanted).await?;
                if !found.calendars.is_empty() {
                    return Ok(found);
                }
            }
        }
    }
    given
}

/// The address as given. Collections end in a slash, and some servers answer 401
/// to a calendar without it; others know only the address as it was written.
async fn first_look(dav: &Dav<'_>, url: &FeedUrl) -> Result<Page, PullError> {
    let what = dav_xml::ask_what_it_is;
    let with_slash = with_slash(url);
    if let Some(with_slash) = with_slash {
        match dav.propfind(&with_slash, Depth::Zero, what()).await? {
            Reply::Other(answer) if matches!(answer.status.as_u16(), 400 | 403 | 404 | 405) => {}
            reply => return dav.page(reply).and_then(there),
        }
    }
    let reply = dav.propfind(url, Depth::Zero, what()).await?;
    dav.page(reply).and_then(there)
}

fn with_slash(url: &FeedUrl) -> Option<FeedUrl> {
    let mut longer = url.reveal().clone();
    if longer.path().ends_with('/') || longer.query().is_some() {
        return None;
    }
    let path = format!("{}/", longer.path());
    longer.set_path(&path);
    FeedUrl::from_url(longer)
}

/// Xandikos says of a collection that is missing: 207, and inside of it 404.
pub(super) fn there(page: Page) -> Result<Page, PullError> {
    let status = itself(&page).and_then(|response| response.status);
    match status {
        Some(404 | 410) => {
            Err(PullErrorKind::NotFound(super::error::Status(404)).at(page.url.host()))
        }
        _ => Ok(page),
    }
}

/// A place that may or may not be DAV.
async fn look(dav: &Dav<'_>, url: &FeedUrl) -> Result<Option<Page>, PullError> {
    let reply = dav
        .propfind(url, Depth::Zero, dav_xml::ask_what_it_is())
        .await?;
    let reply = match reply {
        // RFC 6764 lets this address redirect to the host that has the calendars,
        // so over https that one is named by the server that the login is for.
        Reply::Other(answer) if answer.status.as_u16() == 401 => {
            if dav.exchange.session().is_for(&answer.url) {
                return Err(dav.error(&answer));
            }
            dav.exchange.session().trust(url, &answer.url);
            if !dav.exchange.session().is_for(&answer.url) {
                return Err(dav.error(&answer));
            }
            dav.propfind(&answer.url, Depth::Zero, dav_xml::ask_what_it_is())
                .await?
        }
        reply => reply,
    };
    if let Reply::Other(answer) = &reply {
        dav.fatal(answer)?;
    }
    Ok(dav.page(reply).ok())
}

/// Goes from a place to calendars: the place itself, what lies in it, the homes
/// it names, and the homes of the principal it names.
async fn look_from(dav: &Dav<'_>, page: &Page, wanted: Option<&str>) -> Result<Found, PullError> {
    let mut found = Found {
        calendars: Vec::new(),
        direct: false,
        headers: page.headers.clone(),
    };
    let Some(place) = itself(page) else {
        return Ok(found);
    };
    let mut known = Known::default();
    if is_for_events(place) {
        // Where the server spells this address in another way, ours is the one that works.
        let named = member::is_same(&page.url, &place.href);
        let folder = Folder::of(&page.url);
        let url = named.then(|| child_address(dav, page, &folder, &place.href));
        let url = url.flatten();
        let calendar = Calendar {
            url: url.unwrap_or_else(|| page.url.clone()),
            name: name(place),
        };
        let meant = wanted.is_none_or(|wanted| wanted.trim() == calendar.name);
        found.direct = true;
        known.add(&mut found.calendars, calendar);
        if meant {
            return Ok(found);
        }
    }
    // A home may be a calendar itself (DavMail), so its children count as well.
    let mut more = children(dav, &page.url).await?;
    if more.is_empty() && !found.direct {
        more = homes(dav, page, place).await?;
    }
    if more.is_empty()
        && !found.direct
        && let Some(principal) = place.properties.principal.as_deref()
        && let Some(url) = address(dav, page, principal)
        && let Some(page) = look(dav, &url).await?
        && let Some(place) = itself(&page)
    {
        more = homes(dav, &page, place).await?;
    }
    let mut pace = Pace::default();
    for calendar in more {
        pace.step().await;
        known.add(&mut found.calendars, calendar);
    }
    Ok(found)
}

/// The calendars that were found already.
#[derive(Default)]
struct Known(HashSet<(String, Key)>);

impl Known {
    fn add(&mut self, calendars: &mut Vec<Calendar>, calendar: Calendar) {
        let path = Key::of_held(calendar.url.reveal().path());
        if self.0.insert((calendar.url.host(), path)) {
            calendars.push(calendar);
        }
    }
}

async fn homes(dav: &Dav<'_>, page: &Page, place: &Response) -> Result<Vec<Calendar>, PullError> {
    /// Honest servers have fewer.
    const MAX_HOMES: usize = 8;
    let mut calendars: Vec<Calendar> = Vec::new();
    for href in place.properties.home_sets.iter().take(MAX_HOMES) {
        if let Some(home) = address(dav, page, href) {
            calendars.extend(children(dav, &home).await?);
        }
    }
    Ok(calendars)
}

/// The calendars in a place, and the place itself where it is one.
async fn children(dav: &Dav<'_>, url: &FeedUrl) -> Result<Vec<Calendar>, PullError> {
    let reply = dav
        .propfind(url, Depth::One, dav_xml::ask_what_it_is())
        .await?;
    if let Reply::Other(answer) = &reply {
        dav.fatal(answer)?;
    }
    let Ok(page) = dav.page(reply) else {
        return Ok(Vec::new());
    };
    let folder = Folder::of(&page.url);
    let mut pace = Pace::default();
    let (mut calendars, mut lost) = (Vec::new(), 0);
    for response in &page.multistatus.responses {
        pace.step().await;
        if !is_for_events(response) {
            continue;
        }
        lost += usize::from(folder.lacks_prefix(&response.href));
        if let Some(url) = child_address(dav, &page, &folder, &response.href) {
            let name = name(response);
            calendars.push(Calendar { url, name });
        }
    }
    if lost > 0 && lost == calendars.len() {
        return Err(PullErrorKind::ProxyPath.at(page.url.host()));
    }
    Ok(calendars)
}

/// The names of what an answer takes for calendars.
#[cfg(feature = "fuzzing")]
pub(super) fn calendars(page: &Page) -> Vec<String> {
    let place = itself(page).into_iter();
    let all = place.chain(&page.multistatus.responses);
    all.filter(|response| is_for_events(response))
        .map(name)
        .collect()
}

/// What an answer says of the place that was asked. Some spell its address in
/// another way, or lead it through a proxy; then it is the only one named.
pub(super) fn itself(page: &Page) -> Option<&Response> {
    let responses = &page.multistatus.responses;
    responses
        .iter()
        .find(|response| member::is_same(&page.url, &response.href))
        .or_else(|| responses.first())
}

/// The address of a principal or a home. If it is on another host, the login may
/// be sent there from now on, provided that both are reached over https.
fn address(dav: &Dav<'_>, page: &Page, href: &str) -> Option<FeedUrl> {
    let url = member::resolve(&page.url, href)?;
    let same_name = url.reveal().host() == page.url.reveal().host();
    let is_safe = page.url.is_encrypted() && url.is_encrypted();
    // Another scheme or port, or a name that only the inner side of a proxy knows:
    // no way that a login may take.
    let is_inner = (same_name || !is_safe) && Folder::of(&page.url).contains(href);
    if is_inner || (page.url.is_encrypted() && !url.is_encrypted()) {
        return member::resolve(&page.url, member::path_of(href)?);
    }
    dav.exchange.session().trust(&page.url, &url);
    Some(url)
}

/// The address of what lies in the place that was asked: on the host that was
/// asked, whatever scheme, port or internal host the answer gives.
fn child_address(dav: &Dav<'_>, page: &Page, folder: &Folder, href: &str) -> Option<FeedUrl> {
    if folder.contains(href) {
        return member::resolve(&page.url, member::path_of(href)?);
    }
    address(dav, page, href)
}

/// A calendar is what says so, whatever else it also is (SOGo's is an outbox as
/// well); task lists and the trash are not.
fn is_for_events(response: &Response) -> bool {
    let properties = &response.properties;
    properties.is_calendar
        && !properties.is_deleted
        && response.status.is_none_or(|status| status / 100 == 2)
        && (properties.components.is_empty()
            || properties.components.iter().any(|name| name == "VEVENT"))
}

fn name(response: &Response) -> String {
    let display_name = response.properties.display_name.as_deref().map(plain);
    display_name
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| {
            let last = response.href.trim_end_matches('/').rsplit('/').next();
            let last = percent_encoding::percent_decode_str(last.unwrap_or_default());
            plain(&last.decode_utf8_lossy())
        })
}

/// Fit for one line of text.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(100)
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests;
