#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stepzero_fuzz::answers(data));
