//! Several devices of one person: the first one that is present signs.

use crate::support::desk::{Desk, SIGNKEY};
use crate::support::faults::{behind_faults, calls, untouched, with_faults};
use crate::support::openssl::openssl_accepts;
use crate::support::p11_kit::under_p11_kit;
use crate::support::parts::fault_module;
use crate::support::run::Run;
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
fn as_many_devices_can_be_named_as_aws_allows_one_user() {
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

#[test]
fn two_devices_whose_serial_numbers_are_zeros_are_two() {
    // Like two TPMs, each shown by a module of its own, with the same label.
    let desk = Desk::provisioned(&["--keys", "signkey", "--also", "backup"]);
    let modules = ["one.so", "two.so"].map(|name| {
        std::fs::copy(fault_module(), desk.path(name)).unwrap();
        (name, format!("module: {}\n", desk.path(name).display()))
    });
    let modules = modules.each_ref().map(|(name, text)| (name.strip_suffix(".so").unwrap(), text.as_str()));
    let modules = modules.map(|(name, text)| (format!("{name}.module"), text));
    let modules = modules.each_ref().map(|(name, text)| (name.as_str(), *text));
    let sign = |arguments: &[&str], faults: &str| {
        let run = under_p11_kit(&desk, &modules, arguments);
        with_faults_of_all(run, &desk, faults).go()
    };
    // Both copies are in front of one SoftHSM, which the first must not finalize for the other.
    let alike = "C_Finalize=0x0,C_GetTokenInfo=zeros,C_GetTokenInfo=label:6f66666963657232";
    let each = format!("{alike},one.so/C_GetSlotList=only:0,two.so/C_GetSlotList=only:1");
    let said = sign(&["sign", "tokens.json"], &each).exits(4).says("2 keys match").stderr();
    untouched(&desk);
    assert_eq!(calls(&desk, "C_Login"), 0);
    // Each with the URI that was printed.
    let uris: Vec<String> = said
        .lines()
        .filter_map(|line| Some(line.trim_start().strip_prefix("pkcs11:")?.split(' ').next()?.to_owned()))
        .collect();
    assert_eq!(uris.len(), 2, "{said}");
    let signs = |uri: &String, key: &str| {
        sign(&["sign", "--key", &format!("pkcs11:{uri}"), "tokens.json"], &each).exits(0);
        openssl_accepts(&desk, "tokens.json", key)
    };
    let keys = ["device/signkey.pub.pem", "device/backup/signkey.pub.pem"];
    let signed = uris.iter().map(|uri| keys.map(|key| signs(uri, key))).collect::<Vec<_>>();
    assert!(signed[0] != signed[1], "{signed:?}: both signed with the same key");
    // A device that both modules show counts once, because of its key.
    let both = format!("{alike},C_GetSlotList=only:0");
    sign(&["sign", "tokens.json"], &both).exits(0);
}

fn with_faults_of_all(run: Run, desk: &Desk, faults: &str) -> Run {
    desk.write("tokens.json", UNSIGNED);
    desk.write("calls", b"");
    let run = behind_faults(run.with_pin(), desk, faults);
    run.without_env("COUNTERSIGN_MODULE")
}

#[test]
fn a_label_is_bytes_up_to_its_first_nul() {
    let desk = Desk::new();
    // "officer", a NUL and what is left after it; p11tool prints the padding as %00.
    let padded = "C_GetTokenInfo=label:6f66666963657200004142";
    for uri in ["pkcs11:token=officer;id=%01", "pkcs11:token=officer%00%00;id=%01"] {
        for faults in [padded, ""] {
            with_faults(&desk, &["sign", "--key", uri, "tokens.json"], faults).go().exits(0);
        }
    }
    let listed = with_faults(&desk, &["list"], padded).go().exits(0).stdout();
    assert!(listed.contains("pkcs11:token=officer;id=%01") && !listed.contains("%00"), "{listed}");
}

#[test]
fn a_label_that_is_not_utf_8_is_compared_byte_by_byte() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    // Latin-1, as other programs write it.
    let options = ["--keys", "signkey", "--label"].map(|option| option.as_bytes());
    let options = options.into_iter().chain([&b"b\xfcro"[..]]).map(OsStr::from_bytes).collect::<Vec<_>>();
    let desk = Desk::provisioned(&options);
    let sign = |uri: &str| {
        desk.write("tokens.json", UNSIGNED);
        desk.countersign(&["sign", "--key", uri, "tokens.json"]).with_pin().go()
    };
    sign("pkcs11:token=b%FCro;id=%01").exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
    sign("pkcs11:token=b%FDro;id=%01").exits(3);
    sign("pkcs11:token=b%EF%BF%BDro;id=%01").exits(3);
    let listed = desk.countersign(&["list"]).go().exits(0).stdout();
    assert!(listed.contains("pkcs11:token=b%FCro;id=%01"), "{listed}");
}
