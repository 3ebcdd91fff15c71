//! Which mechanism signs: what the device offers and the key allows.

use crate::support::desk::{Desk, PIN};
use crate::support::faults::{COMMAND, SIGN, calls, untouched, with_faults};
use crate::support::openssl::openssl_accepts;
use crate::support::parts::tool;
use crate::support::pinned::pinned;
use crate::support::token_files::UNSIGNED;

/// SoftHSM lists, and accepts, only the mechanisms that its configuration names.
fn offering(desk: &Desk, mechanisms: &str) {
    let configuration = String::from_utf8(desk.read("device/softhsm2.conf")).unwrap();
    desk.write(
        "device/softhsm2.conf",
        format!("{configuration}\nslots.mechanisms = {mechanisms}\n").as_bytes(),
    );
}

#[test]
fn a_digest_is_signed_by_what_the_device_offers() {
    for (mechanisms, used) in
        [("CKM_RSA_PKCS,CKM_RSA_X_509", "CKM_RSA_PKCS"), ("CKM_RSA_X_509", "CKM_RSA_X_509")]
    {
        let desk = Desk::new();
        offering(&desk, mechanisms);
        desk.write("tokens.json", UNSIGNED);
        let arguments = [&SIGN[..], &["--json"]].concat();
        let document = desk.countersign(&arguments).with_pin().go().exits(0).json();
        assert_eq!(document["mechanism"], used);
        assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"), "{used}");
    }
}

#[test]
fn a_message_is_hashed_here_where_the_device_does_not_hash() {
    let mut results = Vec::new();
    let maker = Desk::without_device();
    let key = maker.path("key.pem").to_str().unwrap().to_owned();
    crate::support::openssl::openssl(&["genrsa", "-out", &key, "2048"]);
    let all = "CKM_SHA256_RSA_PKCS,CKM_RSA_PKCS,CKM_RSA_X_509";
    for (mechanisms, used) in [
        (all, "CKM_SHA256_RSA_PKCS"),
        ("CKM_RSA_PKCS,CKM_RSA_X_509", "CKM_RSA_PKCS"),
        ("CKM_RSA_X_509", "CKM_RSA_X_509"),
    ] {
        let desk = Desk::provisioned(&["--keys", "none", "--import", &key]);
        offering(&desk, mechanisms);
        desk.write("officer.token", b"any bytes");
        let arguments = ["sign", "--json", "--detached", "officer.token"];
        let document = desk.countersign(&arguments).with_pin().go().exits(0).json();
        assert_eq!(document["mechanism"], used);
        results.push(desk.read("officer.token.sig"));
    }
    assert!(results.iter().all(|signature| *signature == results[0]), "all mechanisms give the same bytes");
}

#[test]
fn a_device_that_offers_nothing_that_would_do_is_reported() {
    let desk = Desk::new();
    offering(&desk, "CKM_SHA256_RSA_PKCS");
    desk.write("tokens.json", UNSIGNED);
    let done = desk.countersign(&SIGN).with_pin().go().exits(6);
    pinned("sign_no_mechanism", &desk, COMMAND, &done);
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn a_mechanism_that_is_listed_and_refused_gives_way_to_the_next() {
    let desk = Desk::new();
    let arguments = [&SIGN[..], &["--json"]].concat();
    let document = with_faults(&desk, &arguments, "C_SignInit:1=0x70,C_SignInit:3=0x70,C_SignInit:5=0x70")
        .go()
        .exits(0)
        .json();
    assert_eq!(document["mechanism"], "CKM_RSA_X_509");
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
}

#[test]
fn a_mechanism_that_is_not_listed_is_not_tried() {
    let desk = Desk::new();
    let arguments = [&SIGN[..], &["--json"]].concat();
    let done =
        with_faults(&desk, &arguments, "C_GetMechanismList=mechanism:0x1,C_SignInit:1=delay:1").go().exits(0);
    assert_eq!(done.json()["mechanism"], "CKM_RSA_X_509");
    assert_eq!(calls(&desk, "C_SignInit"), 3, "one for each token");
}

#[test]
fn verbose_names_the_mechanism() {
    let desk = Desk::new();
    with_faults(&desk, &[&SIGN[..], &["-v"]].concat(), "").go().exits(0).says("mechanism CKM_RSA_PKCS\n");
}

/// A key that is bound to mechanisms, made by pkcs11-tool.
fn bound_key(desk: &Desk, mechanisms: &str) {
    let configuration = desk.path("device/softhsm2.conf");
    let module = crate::support::parts::softhsm_module();
    let script = format!(
        "SOFTHSM2_CONF={} pkcs11-tool --module {module} --token-label officer --login --pin {PIN} --keypairgen \
         --key-type rsa:2048 --id 77 --label bound --usage-sign --sensitive --allowed-mechanisms {mechanisms}",
        configuration.display()
    );
    tool("sh", &["-c".as_ref(), script.as_ref()]);
}

#[test]
fn a_key_that_is_bound_to_other_mechanisms_is_refused_with_their_list() {
    let desk = Desk::provisioned(&["--keys", "none"]);
    bound_key(&desk, "SHA512-RSA-PKCS,SHA384-RSA-PKCS");
    let sign = ["sign", "--key", "pkcs11:object=bound", "tokens.json"];
    let done = with_faults(&desk, &sign, "").go().exits(4);
    pinned("sign_key_not_allowed", &desk, "countersign sign --key pkcs11:object=bound tokens.json", &done);
    assert_eq!(calls(&desk, "C_SignInit"), 0);
    untouched(&desk);
}

#[test]
fn a_key_that_is_bound_to_one_mechanism_signs_by_it() {
    let desk = Desk::provisioned(&["--keys", "none"]);
    bound_key(&desk, "RSA-X-509");
    let sign = ["sign", "--json", "--key", "pkcs11:object=bound", "tokens.json"];
    let document = with_faults(&desk, &sign, "").go().exits(0).json();
    assert_eq!(document["mechanism"], "CKM_RSA_X_509");
    desk.countersign(&["public-key", "--key", "pkcs11:object=bound", "-o", "bound.pub"]).go().exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "bound.pub"));
}
