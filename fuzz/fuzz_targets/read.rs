//! Any bytes as a feed. See `podcal_fuzz::read`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| podcal_fuzz::read(bytes));
