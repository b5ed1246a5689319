#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| aptiqd_fuzz::api_json(bytes));
