//! Any bytes as the answer of a CalDAV server. See `podcal_fuzz::caldav`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| podcal_fuzz::caldav(bytes));
