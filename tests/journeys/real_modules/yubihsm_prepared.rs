//! A YubiHSM 2 is prepared as `docs/prepare-a-device.md` says: an authentication key of its own that can do
//! no more than this needs, a key, its certificate, and the renewal.

use crate::support::authority::{Authority, Leaf};
use crate::support::desk::Desk;
use crate::support::openssl::openssl_accepts;
use crate::support::preparing::uri;
use crate::support::run::Done;
use crate::support::token_files::UNSIGNED;
use crate::support::yubihsm::{DEVICE, YubiHsm};

/// The rights that the page gives to the authentication key, and those that it may give to keys.
const RIGHTS: &str = "generate-asymmetric-key,sign-pkcs,sign-ecdsa,put-opaque,get-opaque,delete-opaque";
const GIVEN: &str = "sign-pkcs,sign-pss,sign-ecdsa";

const SUBJECT: &str = "CN=server1-demo,O=Example";

struct Prepared {
    device: YubiHsm,
    desk: Desk,
    pin_source: String,
}

impl Prepared {
    fn new() -> Self {
        let device = YubiHsm::new();
        let pin = device.make_delegating_key("0x0002", RIGHTS, GIVEN, "all");
        device.shell(&[
            "--action",
            "delete-object",
            "--object-id",
            "1",
            "--object-type",
            "authentication-key",
        ]);
        let pin_source = device.pin_source(&pin);
        Prepared { device, desk: Desk::without_device(), pin_source }
    }

    fn run(&self, arguments: &[&str]) -> Done {
        let run = self.device.countersign(&self.desk, arguments);
        run.env("COUNTERSIGN_PIN_SOURCE", &self.pin_source).go()
    }

    /// Issues a certificate for the key and stores it; returns its URI.
    fn certify(&self, key: &str, options: &[&str]) -> String {
        self.run(&["csr", "--key", key, "--subject", SUBJECT, "-o", "csr.pem"]).exits(0);
        let authority = Authority::new();
        authority.certify(&self.desk.path("csr.pem"), &Leaf::default(), &self.desk.path("officer.pem"));
        let import = ["import-certificate", "--key", key];
        uri(&self.run(&[&import, options, &["officer.pem"]].concat()).exits(0))
    }

    fn signs(&self, key: &str) {
        self.desk.write("tokens.json", UNSIGNED);
        self.run(&["sign", "--key", key, "tokens.json"]).exits(0);
        assert!(openssl_accepts(&self.desk, "tokens.json", "officer.pub"));
    }
}

#[test]
fn the_authentication_key_of_the_page_can_do_what_is_needed() {
    let prepared = Prepared::new();
    let keygen = ["keygen", "--device", DEVICE, "--label", "signkey", "-o", "officer.pub"];
    let key = uri(&prepared.run(&keygen).exits(0));
    prepared.signs(&key);
    let certificate = prepared.certify(&key, &[]);
    prepared.signs(&certificate);
    let first = prepared.desk.read("officer.pem");
    assert_eq!(prepared.certify(&key, &["--replace"]), certificate);
    assert_ne!(prepared.desk.read("officer.pem"), first);
    prepared.signs(&certificate);
    let listed = prepared.run(&["list", "--login"]).exits(0).stdout();
    assert_eq!(listed.matches("CN=server1-demo").count(), 1, "the old one is gone: {listed}");
    assert!(listed.contains("RSA-2048, not exportable"), "{listed}");
}

#[test]
fn a_key_with_the_number_of_an_object_gets_a_certificate_of_that_number() {
    let prepared = Prepared::new();
    let keygen = ["keygen", "--device", DEVICE, "--label", "signkey", "--id", "0107", "-o", "officer.pub"];
    let key = uri(&prepared.run(&keygen).exits(0));
    assert!(key.contains("id=%01%07"), "{key}");
    let certificate = prepared.certify(&key, &[]);
    assert!(certificate.contains("id=%01%07"), "{certificate}");
    prepared.signs(&certificate);
}

#[test]
fn a_certificate_of_the_number_of_an_object_is_replaced_by_the_next() {
    let prepared = Prepared::new();
    let keygen = ["keygen", "--device", DEVICE, "--label", "signkey", "--id", "0107", "-o", "officer.pub"];
    let key = uri(&prepared.run(&keygen).exits(0));
    prepared.certify(&key, &[]);
    let certificate = prepared.certify(&key, &["--replace"]);
    prepared.signs(&certificate);
    prepared.run(&["certificate", "--key", &key, "-o", "back.pem"]).exits(0);
    assert_eq!(prepared.desk.read("back.pem"), prepared.desk.read("officer.pem"));
    let listed = prepared.run(&["list", "--login"]).exits(0).stdout();
    assert_eq!(listed.matches("CN=server1-demo").count(), 1, "the old one is gone: {listed}");
}

#[test]
fn a_certificate_that_shows_after_login_only_is_written_by_the_uri_of_either() {
    let prepared = Prepared::new();
    let keygen = ["keygen", "--device", DEVICE, "--label", "signkey", "-o", "officer.pub"];
    let key = uri(&prepared.run(&keygen).exits(0));
    let certificate = prepared.certify(&key, &[]);
    for named in [&key, &certificate] {
        let before = prepared.device.login_attempts();
        prepared.run(&["certificate", "--key", named, "-o", "back.pem"]).exits(0);
        assert_eq!(prepared.desk.read("back.pem"), prepared.desk.read("officer.pem"), "{named}");
        assert_eq!(prepared.device.login_attempts(), before + 1, "{named}");
        std::fs::remove_file(prepared.desk.path("back.pem")).unwrap();
    }
}
