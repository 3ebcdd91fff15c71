//! What a Thales Luna answers, by Thales' documentation and public reports. There is no Luna on a test machine: SoftHSM
//! behind the fault module stands in for it, under the name of Luna's module.

use std::os::unix::fs::symlink;

use rustix::process::Signal;

use crate::support::desk::{Desk, SIGNKEY};
use crate::support::faults::{SIGN, calls, faulty, untouched, with_faults};
use crate::support::openssl::openssl_accepts;
use crate::support::parts::fault_module;
use crate::support::preparing::DEVICE;
use crate::support::run::{Done, Run};
use crate::support::server::Server;
use crate::support::serving::Serving;
use crate::support::token_files::UNSIGNED;

const CRYPTO_USER: [&str; 2] = ["--user-type", "crypto-user"];

/// A run on the stand-in under a module's name.
fn named(desk: &Desk, name: &str, arguments: &[&str], faults: &str) -> Run {
    let module = desk.path(name);
    if !module.exists() {
        symlink(fault_module(), &module).unwrap();
    }
    with_faults(desk, arguments, faults).env("COUNTERSIGN_MODULE", module)
}

fn luna(desk: &Desk, arguments: &[&str], faults: &str) -> Done {
    named(desk, "libCryptoki2_64.so", arguments, faults).go()
}

/// The stand-in under another name: what is said of a Luna is not said of others.
fn other(desk: &Desk, arguments: &[&str], faults: &str) -> Done {
    named(desk, "libacme.so", arguments, faults).go()
}

#[track_caller]
fn says_not(done: &Done, texts: &[&str]) {
    let said = done.stdout() + &done.stderr();
    for text in texts {
        assert!(!said.contains(text), "says {text:?}: {said}");
    }
}

/// The first fault that doctor finds, as (check, found, help).
#[track_caller]
fn first_fault(desk: &Desk, faults: &str, code: i32) -> (String, String, String) {
    let document = luna(desk, &["doctor", "--json", "--sign", "--key", SIGNKEY], faults).exits(code).json();
    let checks = document["checks"].as_array().unwrap();
    let fault =
        checks.iter().find(|check| check["status"] == "fault").unwrap_or_else(|| panic!("{document:#}"));
    let text = |member: &str| fault[member].as_str().unwrap_or_default().to_owned();
    (text("check"), text("found"), text("help"))
}

#[test]
fn a_crypto_user_signs_and_does_not_prepare() {
    // CKU_LIMITED_USER (https://github.com/pyauth/python-pkcs11/pull/109).
    let only = "C_Login=user:0x80000001";
    let desk = Desk::new();
    luna(&desk, &SIGN, only).exits(3).says("C_Login said CKR_USER_TYPE_INVALID").says("--user-type");
    untouched(&desk);
    luna(&desk, &[&SIGN[..], &CRYPTO_USER].concat(), only).exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
    // "Read-only capacity" (thalesdocs.com, Luna 7: "Initializing the Crypto Officer and Crypto User Roles").
    let keygen = ["keygen", "--device", DEVICE, "--label", "new", "-o", "new.pub"];
    let csr = ["csr", "--key", SIGNKEY, "--subject", "CN=new", "--self-signed", "9", "-o", "new.pem"];
    let import = ["import-certificate", "--replace", "--force", "--key", SIGNKEY, "new.pem"];
    luna(&desk, &csr, "").exits(0);
    for (arguments, call) in [(&keygen[..], "C_GenerateKeyPair"), (&import, "C_CreateObject")] {
        let faults = format!("{only},{call}=0x8000001a");
        luna(&desk, &[arguments, &CRYPTO_USER].concat(), &faults)
            .exits(3)
            .says(&format!("{call} said CKR_USER_NOT_AUTHORIZED"))
            .says("a Crypto User can only sign, so leave --user-type out to log in as the Crypto Officer");
    }
    assert!(!desk.path("new.pub").exists());
}

#[test]
fn a_key_that_claims_to_require_its_pin_each_time_signs_where_luna_knows_no_such_login() {
    // https://github.com/Pkcs11Interop/Pkcs11Interop/issues/169, https://github.com/OpenSC/libp11/issues/160
    let desk = Desk::new();
    let no_context = "C_Login:2=0x103,C_Login:3=0x103,C_Login:4=0x103";
    luna(&desk, &SIGN, &format!("C_GetAttributeValue=give:0x202:01,{no_context}")).exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
}

#[test]
fn a_security_officer_is_not_sent_to_the_security_officer() {
    let desk = Desk::new();
    desk.write("so-pin", b"12345678");
    let keygen = ["keygen", "--device", DEVICE, "--label", "new", "--so-pin-source", "file:so-pin"];
    for (code, said) in [("0x8000001c", "is locked (CKR_SO_LOGIN_FAILURE_THRESHOLD)"), ("0xa0", "is wrong")] {
        let done = luna(&desk, &keygen, &format!("C_Login={code}")).exits(5);
        let done = done.says("the security officer of officer").says(said);
        says_not(&done, &["ask the partition's security officer", "crypto-user", "resetpw"]);
    }
}

#[test]
fn a_code_of_thales_own_is_named_with_what_to_do() {
    let desk = Desk::new();
    for (faults, code, name, advice) in [
        ("C_OpenSession=0x8000001f", 3, "CKR_UNABLE_TO_CONNECT", "Chrystoki.conf"),
        ("C_OpenSession=0x80000020", 3, "CKR_PARTITION_DISABLED", "the partition is disabled"),
        ("C_Login=0x8000002e", 3, "CKR_PED_UNPLUGGED", "make the PED reachable"),
        ("C_Login=0x80000007", 5, "is locked", "role resetpw -name co"),
        ("C_Login=0x80000067", 5, "CKR_CHALLENGE_INCORRECT", "costs one attempt"),
        ("C_SignInit=0x80000030", 6, "CKR_OPERATION_NOT_ALLOWED", "partition showpolicies"),
        ("C_SignInit=0x80000136", 6, "CKR_KEY_NOT_ACTIVE", "CKA_END_DATE"),
        ("C_Sign=0x80000035", 6, "CKR_LOG_FULL", "audit log"),
        ("C_Sign=0x80000076", 6, "CKR_HSM_TAMPERED", "hsm tampershow"),
        // One without advice.
        ("C_Sign=0x80000004", 6, "CKR_RC_ERROR", "help: "),
    ] {
        let done = luna(&desk, &SIGN, faults).exits(code).says(name).says(advice);
        says_not(&done, &["0x8000", "plug the device"]);
        untouched(&desk);
        if code != 5 {
            let number = faults.split_once('=').unwrap().1;
            says_not(&other(&desk, &SIGN, faults).says(&format!("said {number}")), &[name, "lunacm"]);
        }
    }
    // One that Thales does not list stays a number.
    luna(&desk, &SIGN, "C_Sign=0x8000fffe").exits(6).says("C_Sign said 0x8000fffe");
}

#[test]
fn what_a_password_s_state_means_on_a_luna_is_told() {
    let desk = Desk::new();
    for (code, words) in [
        // "You must change the initial password" (thalesdocs.com, Luna 7.4: "Initialize the Crypto User Role").
        ("0xa3", "lunacm, role login -name co (or cu), then role changepw"),
        ("0xa4", "lunacm, role resetpw -name co (or cu)"),
        // 10 attempts by default (thalesdocs.com, Luna 5.3: "Crypto Officer & Crypto User", "Bad Login Attempts").
        ("0xa0", "a Luna locks the role after ten"),
    ] {
        luna(&desk, &SIGN, &format!("C_Login={code}")).exits(5).says(words);
        assert_eq!(calls(&desk, "C_Login"), 1);
        untouched(&desk);
    }
    luna(&desk, &SIGN, "C_Login=0x104").exits(3).says("one login for all its sessions");
}

#[test]
fn a_connection_that_was_lost_for_a_moment_costs_one_new_login() {
    // CKR_DEVICE_ERROR, and then CKR_USER_NOT_AUTHORIZED until the application was started again
    // (https://github.com/Pkcs11Interop/Pkcs11Interop/issues/188).
    let desk = Desk::new();
    for faults in ["C_Sign:2=0x30", "C_SignInit:2=0x30", "C_SignInit:1=0x30"] {
        luna(&desk, &SIGN, faults).exits(0);
        assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"), "{faults}");
        // The sessions of a process share one login, and the old session still has it.
        assert_eq!((calls(&desk, "C_Login"), calls(&desk, "C_Logout")), (2, 1), "{faults}");
        other(&desk, &SIGN, faults).exits(6).says("CKR_DEVICE_ERROR");
        assert_eq!(calls(&desk, "C_Login"), 1, "{faults}");
        untouched(&desk);
    }
    // The session lives, and its login is gone.
    let logged_out = "C_Sign:2=refuse:0x8000001a,C_Sign:3=refuse:0x8000001a,C_Login:2=0x103";
    luna(&desk, &SIGN, logged_out).exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
}

#[test]
fn a_connection_that_stays_lost_leaves_the_file_alone_and_nothing_is_to_be_plugged_in() {
    let desk = Desk::new();
    let again = "C_Sign:2=0x30,C_Sign:3=0x30";
    let done =
        luna(&desk, &SIGN, again).exits(6).says("C_Sign said CKR_DEVICE_ERROR").says("1 of 3 signatures");
    says_not(&done, &["plug"]);
    assert_eq!(calls(&desk, "C_Login"), 2);
    untouched(&desk);
    for faults in ["C_Sign:2=gone:0x30", "C_Login=gone:0x30"] {
        let done = luna(&desk, &SIGN, faults).says("whether lunacm reaches the partition");
        assert!([3, 6].contains(&done.code()), "{}", done.stderr());
        says_not(&done, &["plug"]);
        assert_eq!(calls(&desk, "C_Login"), 1, "{faults}");
        untouched(&desk);
    }
}

#[test]
fn a_server_whose_luna_was_away_for_longer_renews_once_it_is_back() {
    // The second one: https://github.com/Pkcs11Interop/Pkcs11Interop/issues/214
    for faults in ["C_Sign:2=0x30,C_Sign:3=0x30", "C_Login:2=0x190"] {
        let server = Server::new();
        let module = server.desk.path("libCryptoki2_64.so");
        symlink(fault_module(), &module).unwrap();
        let run = faulty(&server, server.run("serve", &["--port", "0"]), faults);
        let serving = Serving::of(&server, run.env("COUNTERSIGN_MODULE", module));
        serving.running.signal(Signal::HUP).says("role=demo not renewed").says("role=demo renewed");
        assert_eq!(serving.access_key(), server.aws.access_keys()[1], "{faults}");
        serving.stop();
        // The module is started afresh for each renewal.
        assert_eq!(calls(&server.desk, "C_Initialize"), calls(&server.desk, "C_Finalize"), "{faults}");
        assert!(calls(&server.desk, "C_Initialize") >= 3, "{faults}");
    }
}

#[test]
fn a_client_that_no_appliance_knows_has_no_slot_and_is_told_why() {
    let desk = Desk::new();
    let none = "C_GetSlotList=none";
    let cause = "Cryptoki2_64 runs and shows no device";
    for arguments in [&SIGN[..], &["list"], &["doctor"]] {
        let done = luna(&desk, arguments, none);
        let said = done.stdout() + &done.stderr();
        for words in [cause, "vtl verify", "lunash: client register", "Chrystoki.conf"] {
            assert!(said.contains(words), "{arguments:?} does not say {words:?}: {said}");
        }
        done.exits(if arguments == ["list"] { 0 } else { 3 });
    }
    let (check, found, help) = first_fault(&desk, none, 3);
    assert!(check == "module" && found == cause && help.starts_with("vtl verify"), "{check}: {found} {help}");
}

#[test]
fn slots_of_a_group_that_come_and_go_hide_no_other_and_are_waited_for() {
    let desk = Desk::new();
    // A member that is not there: CKR_TOKEN_NOT_PRESENT (thalesdocs.com, Luna 7: "System Operational and Error Messages").
    // One that does not answer is listed.
    for (code, is_listed) in [("0xe0", false), ("0x30", true)] {
        let fails = format!("C_GetTokenInfo:2={code}");
        luna(&desk, &SIGN, &fails).exits(0);
        assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
        let listed = luna(&desk, &["list"], &fails).exits(if is_listed { 3 } else { 0 }).stdout();
        assert!(listed.contains("officer"), "{listed}");
        assert_eq!(listed.contains("CKR_DEVICE_ERROR"), is_listed, "{listed}");
    }
    // The group's own slot appears once a member answers.
    let later = "C_GetSlotList:1=none,C_GetSlotList:2=none";
    luna(&desk, &SIGN, "C_GetSlotList=none").exits(3);
    let wait = [&SIGN[..], &["--wait=60"]].concat();
    luna(&desk, &wait, later).exits(0).says("waiting, at most 60 seconds: no device is present");
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
    // One more than there were when they were counted.
    luna(&desk, &SIGN, "C_GetSlotList=appears").exits(0);
}

#[test]
fn mechanisms_that_a_policy_forbids_are_replaced_or_named() {
    // Partition policies (thalesdocs.com, Luna 7.2: "Partition Capabilities and Policies").
    let desk = Desk::new();
    let without = |mechanisms: &[&str]| {
        let rule = |mechanism: &&str| format!("C_GetMechanismList=mechanism:{mechanism}");
        mechanisms.iter().map(rule).collect::<Vec<_>>().join(",")
    };
    // Without RSA PKCS, or without raw RSA, another mechanism signs.
    for mechanisms in [&["0x1"][..], &["0x1", "0x40"], &["0x3"]] {
        luna(&desk, &SIGN, &without(mechanisms)).exits(0);
        assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"), "{mechanisms:?}");
    }
    let done = luna(&desk, &SIGN, &without(&["0x1", "0x3", "0x40"])).exits(6);
    done.says("supports none of the suitable mechanisms").says("partition showpolicies");
    untouched(&desk);
    let generate = ["keygen", "--device", DEVICE, "--label", "new"];
    luna(&desk, &generate, "C_GenerateKeyPair=0x80000030").exits(3).says("partition showpolicies");
    luna(&desk, &generate, "C_GenerateKeyPair=0x8000002c").exits(3).says("the partition is full");
    // FIPS mode, by an old client (thalesdocs.com, Luna 7.2: "Mechanism Remap for FIPS Compliance").
    luna(&desk, &generate, "C_GenerateKeyPair=0x70").exits(3).says("set RSAKeyGenMechRemap = 1");
}

#[test]
fn doctor_names_what_is_at_fault_first() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    for (faults, code, check, words) in [
        ("C_GetSlotList=none", 3, "module", "shows no device"),
        ("C_GetTokenInfo:1=0x30", 3, "device", "CKR_DEVICE_ERROR"),
        ("C_GetTokenInfo=flags:0x40000", 5, "device", "the PIN is locked"),
        ("C_Login=0x80000007", 5, "PIN", "is locked"),
        ("C_Login=0xa3", 5, "PIN", "has expired"),
        ("C_Login=0x8000001f", 3, "device", "CKR_UNABLE_TO_CONNECT"),
        ("C_FindObjects=few:0x0", 4, "key", "no private key"),
        ("C_Sign=0x80000035", 6, "signature", "CKR_LOG_FULL"),
    ] {
        let (found_check, found, help) = first_fault(&desk, faults, code);
        assert!(found_check == check && found.contains(words), "{faults}: {found_check}: {found}");
        assert!(!help.is_empty(), "{faults}");
    }
}
