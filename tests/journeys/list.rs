//! Listing what is there, and writing the public key.

use crate::support::desk::Desk;
use crate::support::openssl::openssl;
use crate::support::pinned::pinned;

#[test]
fn list_shows_everything_that_needs_no_pin() {
    let desk = Desk::with_all_keys();
    let done = desk.countersign(&["list"]).go();
    pinned("list", &desk, "countersign list", &with_fixed_date(done));
}

#[test]
fn list_shows_fitness_after_login() {
    let desk = Desk::with_all_keys();
    let done = desk.countersign(&["list", "--login"]).with_pin().go();
    pinned("list_login", &desk, "countersign list --login", &with_fixed_date(done));
}

#[test]
fn one_pin_is_not_sent_to_several_devices() {
    let desk = Desk::provisioned(&["--keys", "signkey", "--also", "backup"]);
    let done = desk.countersign(&["list", "--login"]).with_pin().go().exits(4);
    pinned("list_login_two_devices", &desk, "countersign list --login", &done);
    desk.countersign(&["list", "--login", "pkcs11:token=backup"]).with_pin().go().exits(0);
}

#[test]
fn a_failed_login_hides_nothing_and_is_reported() {
    let desk = Desk::new();
    desk.write("wrong-pin", b"000000");
    let done = desk.countersign(&["list", "--login", "--pin-source", "file:wrong-pin"]).go().exits(5);
    assert!(done.stdout().contains("pkcs11:token=officer"), "{}", done.stdout());
}

/// The provisioned certificate expires a year from today.
fn with_fixed_date(done: crate::support::run::Done) -> crate::support::run::Done {
    done.map_stdout(|text| {
        let mut words: Vec<String> = text.split_inclusive(' ').map(str::to_owned).collect();
        for word in &mut words {
            let date = word.trim_end();
            if date.len() == 10 && date.bytes().filter(|byte| *byte == b'-').count() == 2 {
                *word = word.replace(date, "YYYY-MM-DD");
            }
        }
        words.concat()
    })
}

#[test]
fn list_shows_only_what_a_uri_matches() {
    let desk = Desk::provisioned(&["--also", "backup"]);
    let document =
        desk.countersign(&["list", "--json", "pkcs11:token=backup;object=eckey"]).go().exits(0).json();
    let devices = document["modules"][0]["devices"].as_array().unwrap();
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0]["label"], "backup");
    assert_eq!(devices[0]["keys"].as_array().unwrap().len(), 1);
    assert_eq!(devices[0]["keys"][0]["kind"], "EC P-256");
    assert_eq!(devices[0]["certificates"].as_array().unwrap().len(), 0);
}

#[test]
fn every_uri_that_list_prints_leads_back_to_one_object() {
    let desk = Desk::provisioned(&["--also", "backup"]);
    let document = desk.countersign(&["list", "--json"]).go().exits(0).json();
    let devices = document["modules"][0]["devices"].as_array().unwrap();
    assert_eq!(devices.len(), 2);
    for device in devices {
        for key in device["keys"].as_array().unwrap() {
            let uri = key["uri"].as_str().unwrap();
            let again = desk.countersign(&["list", "--json", "--login", uri]).with_pin().go().exits(0).json();
            let devices = again["modules"][0]["devices"].as_array().unwrap();
            assert_eq!((devices.len(), &devices[0]["keys"][0]["uri"]), (1, &key["uri"]));
            assert_eq!(devices[0]["keys"].as_array().unwrap().len(), 1);
        }
        assert_eq!(device["certificates"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn the_public_key_is_byte_for_byte_what_openssl_writes() {
    let maker = Desk::without_device();
    let key = maker.path("key.pem").to_str().unwrap().to_owned();
    openssl(&["genrsa", "-out", &key, "2048"]);
    let desk = Desk::provisioned(&["--keys", "none", "--import", &key, "--import-id", "0a0b"]);
    let by_openssl = openssl(&["rsa", "-in", &key, "-pubout"]);
    let done = desk.countersign(&["public-key", "--key", "pkcs11:id=%0a%0b"]).go().exits(0);
    assert_eq!(done.stdout_bytes(), by_openssl);
    desk.countersign(&["public-key", "--key", "pkcs11:id=%0a%0b", "-o", "officer.pub"]).go().exits(0);
    assert_eq!(desk.read("officer.pub"), by_openssl);
}

#[test]
fn an_elliptic_public_key_is_what_openssl_writes_too() {
    let desk = Desk::provisioned(&["--keys", "eckey"]);
    let done = desk.countersign(&["public-key", "--key", "pkcs11:object=eckey"]).go().exits(0);
    desk.write("ec.pub", done.stdout_bytes());
    let path = desk.path("ec.pub").to_str().unwrap().to_owned();
    assert_eq!(openssl(&["pkey", "-pubin", "-in", &path]), done.stdout_bytes());
}

#[test]
fn a_public_key_of_several_is_not_guessed() {
    let desk = Desk::provisioned(&["--keys", "signkey,alwayskey"]);
    desk.countersign(&["public-key"]).with_pin().go().exits(4).says("2 keys match");
}

#[test]
fn a_certificate_is_listed_with_those_above_it_on_the_device() {
    use crate::support::authority::{Authority, Leaf};
    let (desk, authority) = (Desk::new(), Authority::with_intermediate());
    authority.issue(&desk.path("device/signkey.pub.pem"), &Leaf::default(), &desk.path("leaf.pem"));
    let chain = [desk.read("leaf.pem"), std::fs::read(authority.intermediates()).unwrap()].concat();
    desk.write("chain.pem", &chain);
    let key = "pkcs11:token=officer;id=%01";
    let import = ["import-certificate", "--key", key, "--replace", "--force", "--with-chain", "chain.pem"];
    desk.countersign(&import).with_pin().go().exits(0);
    let listed = desk.countersign(&["list"]).go().exits(0).stdout();
    assert!(listed.lines().any(|line| line.contains(" cert ") && line.contains(" < CN=")), "{listed}");
    let document = desk.countersign(&["list", "--json"]).go().exits(0).json();
    let certificates = document["modules"][0]["devices"][0]["certificates"].as_array().unwrap();
    let chains: Vec<usize> =
        certificates.iter().map(|found| found["chain"].as_array().unwrap().len()).collect();
    assert!(chains.contains(&1), "{certificates:#?}");
}
