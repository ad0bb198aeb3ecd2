//! Texts for a display: titles on one line, plain descriptions, join links.
//!
//! What an event says is outside input for a screen in public: no control
//! characters, no markup, nothing that turns the direction of the line around.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use unicode_normalization::UnicodeNormalization as _;
use unicode_segmentation::UnicodeSegmentation as _;
use url::Url;

use crate::model::entities;
use crate::model::occurrence::Details;

/// Longer titles do not fit a display; OpenControl gives no limit of its own.
const MAX_TITLE: usize = 255;
const MAX_ORGANIZER: usize = 128;
/// Of `description = "full"`.
const MAX_DESCRIPTION: usize = 2000;
/// Invitations repeat their link; a few different ones are the most that a person can use.
const MAX_LINKS: usize = 3;
/// Of any text, in bytes: what stands further on is not looked at.
const MAX_SEARCHED: usize = 64 * 1024;

/// A title for a display; `None` where nothing is left of it.
#[must_use]
pub fn title(text: &str) -> Option<String> {
    one_line(text, MAX_TITLE)
}

/// The organizer for a display: the name (CN), else the address; empty where there is neither.
#[must_use]
pub fn organizer(details: &Details) -> String {
    let Some(person) = &details.organizer else {
        return String::new();
    };
    let name = person
        .name
        .as_deref()
        .and_then(|name| one_line(name, MAX_ORGANIZER));
    let address = || {
        person
            .address
            .as_deref()
            .and_then(|address| one_line(address, MAX_ORGANIZER))
    };
    name.or_else(address).unwrap_or_default()
}

/// The description as plain text.
#[must_use]
pub fn plain(text: &str) -> Option<String> {
    let text = text_of(text);
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            line.chars()
                .filter(|c| *c == '\t' || is_shown(*c))
                .nfc()
                .collect::<String>()
                .trim()
                .to_owned()
        })
        .collect();
    let mut joined = lines.join("\n");
    while joined.contains("\n\n\n") {
        joined = joined.replace("\n\n\n", "\n\n");
    }
    let joined = joined.trim();
    (!joined.is_empty()).then(|| shortened(joined, MAX_DESCRIPTION))
}

/// The addresses at which an event can be joined, best first, one a line.
///
/// CONFERENCE (RFC 7986 section 5.11) and the properties of Google and Microsoft
/// are meant as such. URL, LOCATION and the text may hold any address, so there
/// only those of known conference services count.
#[must_use]
pub fn join_links(details: &Details) -> Option<String> {
    let mut links: Vec<String> = Vec::new();
    let mut add = |address: &str, trusted: bool| {
        if let Some(link) = join_link(address, trusted)
            && links.len() < MAX_LINKS
            && !links.contains(&link)
        {
            links.push(link);
        }
    };
    for address in &details.conference {
        add(address, true);
    }
    for text in [&details.url, &details.location, &details.description]
        .into_iter()
        .flatten()
    {
        for address in addresses(text) {
            add(address, false);
        }
    }
    (!links.is_empty()).then(|| links.join("\n"))
}

/// The join links of a description that was composed before: all of it where it is nothing
/// but links, since they may have been meant as such; else those of known services.
#[must_use]
pub fn links_of(description: &str) -> Option<String> {
    let is_link = |line: &str| {
        let words = line.split_whitespace().count();
        words == 1 && join_link(line, true).is_some()
    };
    if description.lines().count() <= MAX_LINKS && description.lines().all(is_link) {
        return (!description.is_empty()).then(|| description.to_owned());
    }
    let mut links: Vec<String> = Vec::new();
    for link in addresses(description).filter_map(|address| join_link(address, false)) {
        if links.len() < MAX_LINKS && !links.contains(&link) {
            links.push(link);
        }
    }
    (!links.is_empty()).then(|| links.join("\n"))
}

fn join_link(address: &str, trusted: bool) -> Option<String> {
    let url = Url::parse(address.trim()).ok()?;
    if !matches!(url.scheme(), "https" | "http")
        || address.len() > 2048
        || address.chars().any(char::is_control)
    {
        return None;
    }
    if let Some(inner) = unwrapped(&url) {
        return join_link(&inner, trusted);
    }
    (trusted || is_conference(&url)).then(|| address.trim().to_owned())
}

/// The address inside one that Outlook's link protection wrapped around it.
fn unwrapped(url: &Url) -> Option<String> {
    if !url
        .host_str()?
        .ends_with(".safelinks.protection.outlook.com")
    {
        return None;
    }
    let inner = url
        .query_pairs()
        .find(|(key, _)| key == "url")?
        .1
        .into_owned();
    // No calendar wraps an invitation twice, and this would recurse.
    (!inner.contains("safelinks.protection.outlook.com")).then_some(inner)
}

/// Whether this is the address of a meeting at a known conference service.
fn is_conference(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let path = url.path();
    let at = |domain: &str| {
        host == domain
            || host
                .strip_suffix(domain)
                .is_some_and(|rest| rest.ends_with('.'))
    };
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
    (at("zoom.us") || at("zoomgov.com") || at("zoom.com")) && begins(&["/j/", "/s/", "/my/", "/w/"])
        || at("teams.microsoft.com") && begins(&["/l/meetup-join/", "/meet/", "/l/meeting/"])
        || at("teams.microsoft.us") && begins(&["/l/meetup-join/", "/meet/"])
        || at("teams.live.com") && begins(&["/meet/"])
        || at("meet.google.com") && path.len() > 1
        || at("webex.com") && begins(&["/meet/", "/join/", "/webappng/"])
        || at("webex.com") && (path.contains("/j.php") || path.contains("/meet/"))
        || at("gotomeeting.com") || at("meet.goto.com") || at("gotomeet.me")
        || at("meet.jit.si") && path.len() > 1
        || at("whereby.com") && path.len() > 1
        || at("bluejeans.com") && path.len() > 1
        || at("chime.aws") && path.len() > 1
        || at("meetings.ringcentral.com") || at("v.ringcentral.com")
        || at("join.skype.com") || at("meet.lync.com")
        || at("meet.starleaf.com") || at("8x8.vc")
        // Servers of one's own: BigBlueButton (Greenlight) and Jitsi Meet.
        || host.starts_with("bbb.") && begins(&["/b/", "/rooms/"])
        || (host.starts_with("meet.") || host.starts_with("jitsi.")) && path.len() > 1
}

static HTTP: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("http"));

/// Every http(s) address in a text, without the brackets and stops around it.
fn addresses(text: &str) -> impl Iterator<Item = &str> {
    let searched = text
        .get(..floor_char_boundary(text, MAX_SEARCHED))
        .unwrap_or_default();
    let ends_word = |c: char| {
        c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | '\'' | '[' | ']' | '|')
    };
    // Most texts have none or one, so that it is looked for before words are.
    let mut rest = searched;
    let words = std::iter::from_fn(move || {
        let found = rest.get(HTTP.find(rest.as_bytes())?..)?;
        let (word, behind) = found.split_at(found.find(ends_word).unwrap_or(found.len()));
        rest = behind;
        Some(word)
    });
    words.filter_map(|word| {
        let at = word.find("https://").or_else(|| word.find("http://"))?;
        let address = word.get(at..)?;
        Some(address.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '}']))
    })
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|&index| text.is_char_boundary(index))
        .unwrap_or(0)
}

fn one_line(text: &str, max: usize) -> Option<String> {
    if is_plain_line(text) && text.len() <= max {
        return Some(text.to_owned());
    }
    let text = text_of(text);
    let spaced: String = text
        .chars()
        .map(|c| {
            if c.is_whitespace() || c.is_control() {
                ' '
            } else {
                c
            }
        })
        .filter(|c| is_shown(*c))
        .nfc()
        .collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    (!words.is_empty()).then(|| shortened(&words.join(" "), max))
}

/// Whether there is nothing to do for a line, as for most of them: words of ASCII with one
/// blank between them, and neither markup nor entities.
fn is_plain_line(text: &str) -> bool {
    let mut before = b' ';
    let is_plain = text.bytes().all(|byte| {
        let is_shown = matches!(byte, b' '..=b'~') && !matches!(byte, b'<' | b'&');
        let is_second_blank = byte == b' ' && before == b' ';
        before = byte;
        is_shown && !is_second_blank
    });
    is_plain && before != b' '
}

/// The beginning of a text, without markup; more than this is never shown.
fn text_of(text: &str) -> Cow<'_, str> {
    let text = text
        .get(..floor_char_boundary(text, MAX_SEARCHED))
        .unwrap_or_default();
    if looks_like_html(text) {
        Cow::Owned(without_markup(text))
    } else if text.contains('&') {
        entities::read_all(text)
    } else {
        Cow::Borrowed(text)
    }
}

/// At most `max` characters as people see them; a cut is marked.
fn shortened(text: &str, max: usize) -> String {
    // One character may be built of any number of code points; hold those too.
    let bounded: String = text.chars().take(max * 4).collect();
    let mut graphemes = bounded.graphemes(true);
    let head: String = graphemes.by_ref().take(max).collect();
    if graphemes.next().is_none() && bounded.len() == text.len() {
        return head;
    }
    let kept: String = head.graphemes(true).take(max - 1).collect();
    format!("{}…", kept.trim_end())
}

/// Whether a character may stand on a display: no control characters, no byte
/// order mark, nothing that turns the direction of what follows, nothing unseen
/// that is not part of another character.
fn is_shown(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{00AD}')
}

const TAGS: [&str; 38] = [
    "a",
    "abbr",
    "b",
    "blockquote",
    "body",
    "br",
    "center",
    "code",
    "div",
    "em",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "head",
    "hr",
    "html",
    "i",
    "img",
    "li",
    "meta",
    "o:p",
    "ol",
    "p",
    "pre",
    "s",
    "script",
    "small",
    "span",
    "strong",
    "style",
    "table",
    "tbody",
    "td",
    "title",
    "tr",
    "u",
];
const BLOCKS: [&str; 12] = [
    "br",
    "p",
    "div",
    "li",
    "tr",
    "h1",
    "h2",
    "h3",
    "h4",
    "hr",
    "table",
    "blockquote",
];

/// The tag at the start of `text` (which begins with `<`): its name in lower case,
/// whether it closes, and its length with the brackets.
fn tag(text: &str) -> Option<(String, bool, usize)> {
    let end = text.bytes().take(4096).position(|byte| byte == b'>')?;
    let inner = text.get(1..end)?;
    let closes = inner.starts_with('/');
    let name: String = inner
        .trim_start_matches('/')
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == ':')
        .take(12)
        .collect::<String>()
        .to_ascii_lowercase();
    let known = TAGS.contains(&name.as_str()) || (name == "ul" || name == "sup" || name == "sub");
    let follows = inner.trim_start_matches('/').chars().nth(name.len());
    (known && follows.is_none_or(|c| c.is_whitespace() || c == '/')).then_some((
        name,
        closes,
        end + 1,
    ))
}

fn looks_like_html(text: &str) -> bool {
    text.match_indices('<')
        .take(64)
        .any(|(at, _)| text.get(at..).and_then(tag).is_some())
}

/// HTML as text: known tags out, blocks on lines of their own, entities read.
fn without_markup(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['<', '&']) {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        let used = if from.starts_with('<') {
            skip_tag(from, &mut plain)
        } else {
            entities::read(from, &mut plain)
        };
        rest = from.get(used.max(1)..).unwrap_or_default();
    }
    plain.push_str(rest);
    plain
}

fn skip_tag(from: &str, plain: &mut String) -> usize {
    let Some((name, closes, length)) = tag(from) else {
        plain.push('<');
        return 1;
    };
    if BLOCKS.contains(&name.as_str()) && !plain.ends_with('\n') {
        plain.push('\n');
    }
    // What stands inside these is not text.
    if !closes && matches!(name.as_str(), "style" | "script" | "head" | "title") {
        let close = format!("</{name}");
        let is_close = |at: &usize| {
            from.get(*at..at + close.len())
                .is_some_and(|tag| tag.eq_ignore_ascii_case(&close))
        };
        let found = from.match_indices("</").map(|(at, _)| at).find(is_close);
        return found.unwrap_or(from.len()).max(length);
    }
    length
}

#[cfg(test)]
mod tests;
