//! A certificate authority for tests. It issues as AWS Private CA does to clients and, on demand, what AWS
//! refuses.

use crate::support::authority::{Authority, Leaf, text};
use crate::support::desk::{Desk, SIGNKEY};
use crate::support::openssl::openssl;

#[test]
fn a_key_on_a_device_gets_a_certificate_that_openssl_verifies() {
    let desk = Desk::new();
    desk.countersign(&["public-key", "--key", SIGNKEY, "-o", "key.pub"]).go().exits(0);
    let authority = Authority::with_intermediate();
    let (root, intermediates) = (authority.anchor(), authority.intermediates());
    let (public_key, certificate) = (desk.path("key.pub"), desk.path("key.pem"));
    for leaf in [Leaf::default(), Leaf { valid_days: Some((-1.0, 1.0)), ..Leaf::default() }] {
        authority.issue(&public_key, &leaf, &certificate);
        openssl(&[
            "verify",
            "-x509_strict",
            "-purpose",
            "sslclient",
            "-CAfile",
            text(&root),
            "-untrusted",
            text(&intermediates),
            text(&certificate),
        ]);
        let of_certificate = openssl(&["x509", "-in", text(&certificate), "-noout", "-pubkey"]);
        assert_eq!(of_certificate, desk.read("key.pub"));
    }
}
