//! Token files: every file that parses and is not changed stays byte for byte, and every error can be
//! explained.
#![no_main]

use countersign::error::Explain;
use countersign::tokenfile::TokenFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| match TokenFile::parse(bytes) {
    Ok(file) => {
        assert!(!file.tokens().is_empty());
        assert_eq!(unchanged(&file), bytes, "nothing was changed, yet the bytes are others");
    }
    Err(error) => drop((error.to_string(), error.detail(), error.hint(), error.exit())),
});

fn unchanged(file: &TokenFile) -> Vec<u8> {
    file.with([])
}
