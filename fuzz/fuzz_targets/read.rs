//! Any bytes as a feed: reading them never panics and never takes long.

#![no_main]

use libfuzzer_sys::fuzz_target;
use podcal::model::item::FeedItem;

fuzz_target!(|bytes: &[u8]| {
    let item = FeedItem {
        href: String::new(),
        etag: None,
        last_modified: None,
        body: bytes::Bytes::copy_from_slice(bytes),
    };
    let _ = podcal::ics::read(&item);
});
