//! Several devices of one person: the first that is there signs.

use crate::support::desk::{Desk, SIGNKEY};
use crate::support::faults::{untouched, with_faults};
use crate::support::openssl::openssl_accepts;
use crate::support::token_files::UNSIGNED;

const BACKUP: &str = "pkcs11:token=backup;id=%01;type=private";

const SPARE: &str = "pkcs11:token=spare;id=%01;type=private";

#[test]
fn an_absent_device_is_passed_over_and_the_one_that_signed_is_named() {
    let desk = Desk::provisioned(&["--label", "backup", "--keys", "signkey"]);
    let sign =
        ["sign", "--key", SPARE, "--key", SIGNKEY, "--key", BACKUP, "--audit-log", "log", "tokens.json"];
    desk.write("tokens.json", UNSIGNED);
    let done = desk.countersign(&sign).with_pin().go().exits(0);
    let said = done.stderr();
    let (spare, officer) = (format!("not present: {SPARE}\n"), format!("not present: {SIGNKEY}\n"));
    assert!(said.contains(&spare) && said.contains(&officer), "{said}");
    assert!(said.contains("backup (SoftHSM v2, serial "), "{said}");
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
    let log = String::from_utf8(desk.read("log")).unwrap();
    let line: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!(line["device"]["label"], "backup");
    assert_eq!(line["key"]["uri"], BACKUP);
    desk.write("tokens.json", UNSIGNED);
    let document = desk.countersign(&[&["--json"], &sign[..]].concat()).with_pin().go().exits(0).json();
    assert_eq!((&document["device"]["label"], &document["key"]["uri"]), (&"backup".into(), &BACKUP.into()));
}

#[test]
fn a_device_that_is_there_and_fails_stops_the_run() {
    let desk = Desk::provisioned(&["--keys", "signkey", "--also", "backup"]);
    let sign = ["sign", "--key", SIGNKEY, "--key", BACKUP, "tokens.json"];
    for (faults, code) in [("C_OpenSession=0x30", 3), ("C_Login=0xa4", 5), ("C_Sign:1=0x30", 6)] {
        with_faults(&desk, &sign, faults).go().exits(code).says("officer");
        untouched(&desk);
    }
}

#[test]
fn as_many_devices_can_be_named_as_aws_knows_for_one_person() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    let absent: Vec<String> = (1..=8).map(|number| format!("pkcs11:token=device{number};id=%01")).collect();
    let mut sign = vec!["sign", "tokens.json"];
    sign.extend(absent[..7].iter().flat_map(|uri| ["--key", uri]));
    desk.countersign(&[&sign[..], &["--key", SIGNKEY]].concat()).with_pin().go().exits(0);
    desk.write("tokens.json", UNSIGNED);
    let nine = [&sign[..], &["--key", &absent[7], "--key", SIGNKEY]].concat();
    desk.countersign(&nine).with_pin().go().exits(2);
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}
