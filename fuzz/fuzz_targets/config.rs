//! Any bytes as a configuration. See `podcal_fuzz::config`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| podcal_fuzz::config(bytes));
