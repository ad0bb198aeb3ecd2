//! Any bytes as a feed, read and expanded. See `podcal_fuzz::expand`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| podcal_fuzz::expand(bytes));
