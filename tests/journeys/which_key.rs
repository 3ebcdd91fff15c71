//! Finding the one key that is meant, and refusing those that must not sign.

use crate::support::desk::{Desk, SIGNKEY};
use crate::support::faults::{calls, with_faults};
use crate::support::openssl::openssl_accepts;
use crate::support::parts::softhsm_module;
use crate::support::pinned::pinned;
use crate::support::token_files::UNSIGNED;

/// Signs a fresh sample with these arguments; the file must be unchanged unless the exit code is 0.
#[track_caller]
fn sign(desk: &Desk, arguments: &[&str], code: i32) -> crate::support::run::Done {
    desk.write("tokens.json", UNSIGNED);
    let all = [&["sign"], arguments, &["tokens.json"]].concat();
    let done = desk.countersign(&all).with_pin().go().exits(code);
    assert_eq!(desk.read("tokens.json") == UNSIGNED, code != 0, "{}", done.stderr());
    done
}

#[test]
fn a_certificate_leads_to_its_private_key() {
    let desk = Desk::with_all_keys();
    for uri in
        ["pkcs11:token=officer;id=%01;type=cert", "pkcs11:object=signkey;type=cert", "pkcs11:type=cert"]
    {
        sign(&desk, &["--key", uri], 0);
        assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
    }
}

#[test]
fn every_way_to_name_the_key_leads_to_it() {
    let desk = Desk::with_all_keys();
    let by_folder = format!("pkcs11:id=%01?module-path={}", std::path::Path::new(softhsm_module()).display());
    for uri in ["pkcs11:object=signkey", "pkcs11:id=%01", "PKCS11:id=%01;model=SoftHSM%20v2", &by_folder] {
        sign(&desk, &["--key", uri], 0);
        assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"), "{uri}");
    }
}

#[test]
fn without_a_uri_the_one_fit_key_is_used_and_named() {
    let desk = Desk::provisioned(&["--keys", "signkey,rsa3072,eckey,exportable,rsa1024"]);
    sign(&desk, &[], 0).says("pkcs11:token=officer;id=%01;type=private: RSA-2048; the module claims that it");
}

#[test]
fn without_a_uri_several_fit_keys_are_listed() {
    let desk = Desk::with_all_keys();
    pinned("sign_several_fit_keys", &desk, "countersign sign tokens.json", &sign(&desk, &[], 4));
}

#[test]
fn without_a_uri_two_devices_with_fit_keys_are_listed() {
    let desk = Desk::provisioned(&["--keys", "signkey", "--also", "backup"]);
    pinned("sign_two_devices", &desk, "countersign sign tokens.json", &sign(&desk, &[], 4));
}

#[test]
fn a_uri_that_fits_keys_on_two_devices_is_refused_with_both() {
    let desk = Desk::provisioned(&["--keys", "signkey", "--also", "backup"]);
    let done = sign(&desk, &["--key", "pkcs11:object=signkey"], 4);
    pinned("sign_two_keys_match", &desk, "countersign sign --key pkcs11:object=signkey tokens.json", &done);
}

#[test]
fn the_first_uri_whose_device_is_present_signs() {
    let desk = Desk::new();
    sign(&desk, &["--key", "pkcs11:token=unplugged;id=%01", "--key", SIGNKEY], 0)
        .says("not present: pkcs11:token=unplugged;id=%01");
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
}

#[test]
fn more_than_eight_uris_are_a_usage_error() {
    let desk = Desk::without_device();
    let many: Vec<&str> = std::iter::repeat_n(["--key", SIGNKEY], 9).flatten().collect();
    sign(&desk, &many, 2);
}

#[test]
fn two_devices_of_one_name_are_distinguished_by_serial() {
    let desk = Desk::provisioned(&["--keys", "signkey", "--also", "officer"]);
    let done = sign(&desk, &["--key", SIGNKEY], 4);
    let uris: Vec<&str> = done
        .stderr()
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pkcs11:").map(|_| line.trim()))
        .map(|line| line.split("  ").next().unwrap())
        .map(|uri| Box::leak(uri.to_owned().into_boxed_str()) as &str)
        .collect();
    assert_eq!(uris.len(), 2, "{}", done.stderr());
    for uri in uris {
        assert!(uri.contains(";serial="));
        sign(&desk, &["--key", uri], 0);
    }
}

#[test]
fn a_key_that_is_not_there_is_reported_with_those_that_are() {
    let desk = Desk::with_all_keys();
    let done = sign(&desk, &["--key", "pkcs11:token=officer;object=nobody"], 4);
    pinned(
        "sign_no_such_key",
        &desk,
        "countersign sign --key 'pkcs11:token=officer;object=nobody' tokens.json",
        &done,
    );
}

#[test]
fn a_device_that_is_not_there_is_reported_with_those_that_are() {
    let desk = Desk::new();
    let done = sign(&desk, &["--key", "pkcs11:token=unplugged"], 3);
    pinned("sign_no_such_device", &desk, "countersign sign --key pkcs11:token=unplugged tokens.json", &done);
}

#[test]
fn an_exportable_key_is_refused_unless_allowed() {
    let desk = Desk::provisioned(&["--keys", "exportable"]);
    let done = sign(&desk, &["--key", "pkcs11:object=exportable"], 4);
    pinned("sign_exportable", &desk, "countersign sign --key pkcs11:object=exportable tokens.json", &done);
    sign(&desk, &["--key", "pkcs11:object=exportable", "--allow-exportable"], 0)
        .says("warning: this key can leave its device");
}

#[test]
fn a_larger_key_is_refused_unless_allowed() {
    let desk = Desk::provisioned(&["--keys", "rsa3072"]);
    let done = sign(&desk, &["--key", "pkcs11:object=rsa3072"], 4);
    pinned("sign_rsa3072", &desk, "countersign sign --key pkcs11:object=rsa3072 tokens.json", &done);
    sign(&desk, &["--key", "pkcs11:object=rsa3072", "--allow-key-size"], 0)
        .says("warning: AWS asks for RSA-2048");
    desk.countersign(&["public-key", "--key", "pkcs11:object=rsa3072", "-o", "3072.pub"]).go().exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "3072.pub"));
}

#[test]
fn a_smaller_key_and_an_elliptic_one_are_refused_whatever_is_allowed() {
    let desk = Desk::provisioned(&["--keys", "rsa1024,eckey"]);
    let allow = ["--allow-key-size", "--allow-exportable"];
    sign(&desk, &[&["--key", "pkcs11:object=rsa1024"], &allow[..]].concat(), 4).says("it is RSA-1024");
    let done =
        sign(&desk, &[&["--key", "pkcs11:object=eckey"], &allow[..]].concat(), 4).says("it is EC P-256");
    pinned(
        "sign_ec",
        &desk,
        "countersign sign --key pkcs11:object=eckey --allow-key-size --allow-exportable tokens.json",
        &done,
    );
    let done = sign(&desk, &[], 4);
    pinned("sign_no_fit_key", &desk, "countersign sign tokens.json", &done);
}

#[test]
fn an_unknown_attribute_matches_nothing_and_is_warned_of() {
    let desk = Desk::new();
    let done = sign(&desk, &["--key", "pkcs11:token=officer;color=red"], 3);
    pinned(
        "sign_unknown_attribute",
        &desk,
        "countersign sign --key 'pkcs11:token=officer;color=red' tokens.json",
        &done,
    );
}

#[test]
fn a_malformed_uri_is_refused_with_the_position() {
    let desk = Desk::new();
    let done = sign(&desk, &["--key", "pkcs11:token=my officer"], 7);
    pinned(
        "sign_malformed_uri",
        &desk,
        "countersign sign --key 'pkcs11:token=my officer' tokens.json",
        &done,
    );
}

#[test]
fn a_uri_of_no_key_is_refused() {
    let desk = Desk::new();
    let done = sign(&desk, &["--key", "pkcs11:type=data"], 4);
    pinned("sign_uri_of_data", &desk, "countersign sign --key pkcs11:type=data tokens.json", &done);
}

#[test]
fn the_environment_can_name_the_key() {
    let desk = Desk::with_all_keys();
    desk.write("tokens.json", UNSIGNED);
    desk.countersign(&["sign", "tokens.json"]).with_pin().env("COUNTERSIGN_KEY", SIGNKEY).go().exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
}

#[test]
fn a_public_key_on_a_device_without_a_login_is_not_a_candidate() {
    // Like CACKey's store of CA certificates: it requires no login, and shows no private key.
    let desk = Desk::provisioned(&["--keys", "signkey", "--also", "store"]);
    let store = "C_GetTokenInfo=store";
    for arguments in [&["sign", "tokens.json"][..], &["sign", "--key", "pkcs11:id=%01", "tokens.json"]] {
        with_faults(&desk, arguments, store).go().exits(0).says("officer (SoftHSM v2");
        assert_eq!(calls(&desk, "C_Login"), 1, "{arguments:?}");
    }
    // If it requires a login, it is a candidate.
    with_faults(&desk, &["sign", "tokens.json"], "").go().exits(4).says("2 keys match");
    assert_eq!(calls(&desk, "C_Login"), 0);
    // If it is named, the error says that it has none.
    let named = ["sign", "--key", "pkcs11:token=store;id=%01", "tokens.json"];
    with_faults(&desk, &named, store).go().exits(4).says("no private key on store");
}

#[test]
fn a_uri_that_nearly_names_the_key_is_corrected() {
    let desk = Desk::new();
    for (uri, code, help) in [
        ("pkcs11:token=officer;id=01", 4, "help: write id=%01, with a percent sign"),
        ("pkcs11:token=officer;id=%0001", 4, "help: write id=%00%01, with a percent sign"),
        ("pkcs11:token=officer;id=01;type=cert", 4, "help: write id=%01, with a percent sign"),
        ("pkcs11:token=officer;label=signkey", 3, "help: write object= in place of label="),
        ("pkcs11:Token=officer;id=%01", 3, "help: write token= in lower case"),
    ] {
        sign(&desk, &["--key", uri], code).says(help);
    }
}
