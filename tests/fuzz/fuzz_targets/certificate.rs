//! Certificates, as a device gives them: none makes the program panic, and all that is known of one can be told.
#![no_main]

use countersign::certificate::Certificate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|der: &[u8]| match Certificate::from_der(der) {
    Ok(certificate) => {
        assert_eq!(certificate.der(), der);
        let _ = (certificate.subject(), certificate.public_key().describe());
        let _ = (certificate.not_after(), certificate.last_day());
    }
    Err(error) => drop(error.to_string()),
});
