//! When a certificate is valid, in words.

use std::time::SystemTime;

use countersign::certificate::Certificate;

/// The end of a sentence about a certificate.
pub(crate) fn when_valid(certificate: &Certificate, now: SystemTime) -> String {
    if certificate.not_after() < now {
        format!("ended on {}", certificate.last_day())
    } else if now < certificate.not_before() {
        format!("begins on {}", certificate.first_day())
    } else {
        format!("is valid until {}", certificate.last_day())
    }
}
