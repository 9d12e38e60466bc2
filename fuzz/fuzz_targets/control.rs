//! For `fuzz/run`: an input that only coverage leads to.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for (at, wanted) in b"leak".iter().enumerate() {
        if data.get(at) != Some(wanted) {
            return;
        }
        // How often the loop goes round is coverage as well, and not to be optimised away.
        std::hint::black_box(at);
    }
    panic!("found");
});
