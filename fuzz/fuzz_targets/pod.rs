//! Any bytes as the answer of a pod. See `podcal_fuzz::pod`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| podcal_fuzz::pod(bytes));
