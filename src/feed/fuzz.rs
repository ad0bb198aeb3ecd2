//! What fuzz targets do with the answers of calendar servers.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{CONTENT_ENCODING, HeaderMap, HeaderValue};

use super::dav::Page;
use super::listing::{Changes, List};
use super::load::Load;
use super::member::{self, Folder};
use super::{body, challenge, dav_xml, digest, discover};
use crate::model::feed_url::FeedUrl;
use crate::net::memory::MemoryBudget;

const LIMIT: u64 = 4 << 20;

/// An answer of a CalDAV server: its compression and character set undone, read as XML, and
/// taken for a list, for changes and for a place in which calendars are looked for.
///
/// # Panics
/// Where it is read in two ways that do not agree: that is what a fuzz target is for.
pub fn caldav(sent: &[u8]) {
    for encoding in ["", "gzip", "deflate"] {
        let mut headers = HeaderMap::new();
        if !encoding.is_empty() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        let sent = Bytes::copy_from_slice(sent);
        let size = body::decoded_size(&sent, &headers, LIMIT);
        let Ok(decoded) = body::decoded(sent, &headers, LIMIT) else {
            assert!(size.is_err(), "larger than it was measured");
            continue;
        };
        let text = decoded.bytes;
        for content_type in ["text/xml", "text/xml; charset=windows-874"] {
            let size = body::text_size(&text, Some(content_type), LIMIT);
            let converted = body::in_utf8(text.clone(), Some(content_type));
            match size {
                Ok(0) => assert_eq!(converted, text),
                Ok(size) => assert_eq!(converted.len() as u64, size),
                Err(_) => assert!(converted.len() as u64 > LIMIT),
            }
            multistatus(&converted);
        }
    }
    if let Ok(text) = std::str::from_utf8(sent) {
        let challenges = challenge::read(text);
        let _ = digest::Digest::best_of(&challenges);
    }
}

fn multistatus(text: &[u8]) {
    let Some((url, _)) = FeedUrl::parse("https://dav.example.com/rooms/oak/").ok() else {
        return;
    };
    let load = Arc::new(Load::new(&MemoryBudget::new(LIMIT), None, None));
    let page = || {
        Some(Page {
            multistatus: dav_xml::read(text).ok()?,
            url: url.clone(),
            headers: HeaderMap::new(),
            weight: load.weight(),
        })
    };
    let Some(first) = page() else { return };
    let folder = Folder::of(&url);
    for response in &first.multistatus.responses {
        let _ = folder.contains(&response.href) && folder.lacks_prefix(&response.href);
        let _ = member::resolve(&url, &response.href);
        if let Some(member) = folder.member(response.href.clone()) {
            let _ = member.url(&url);
        }
    }
    let _ = discover::calendars(&first);
    let _ = discover::there(first);
    let listed = page().map(List::of);
    let mut changes = Changes::default();
    let changed = page().map(|page| changes.take(page));
    if let (Some(Ok(listed)), Some(Ok(_))) = (listed, changed) {
        assert_eq!(listed.entries.len(), changes.entries.len());
    }
}
