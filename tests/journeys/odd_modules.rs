//! Modules that are stricter or laxer than the standard, and are used all the same.

use crate::support::desk::{Desk, SIGNKEY};
use crate::support::faults::{SIGN, calls, untouched, with_faults};
use crate::support::openssl::openssl_accepts;

/// Signs with these faults, as if there were none.
#[track_caller]
fn signs(faults: &str) -> Desk {
    let desk = Desk::new();
    with_faults(&desk, &SIGN, faults).go().exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"), "{faults}");
    assert_eq!(calls(&desk, "C_Login"), 1, "{faults}");
    desk
}

/// A Luna's behaves like this.
#[test]
fn a_module_whose_list_of_interfaces_fails_is_used_by_its_function_list() {
    for code in ["0x54", "0x5", "0x7"] {
        signs(&format!("C_GetInterface={code}"));
    }
}

#[test]
fn a_signature_is_two_calls_and_its_length_is_not_asked_for() {
    let desk = signs("");
    assert_eq!(calls(&desk, "C_SignInit"), 3);
    assert_eq!(calls(&desk, "C_Sign"), 3, "one for each signature, none for its length");
    let log = String::from_utf8(desk.read("calls")).unwrap();
    let signing: Vec<&str> = log.lines().skip_while(|call| *call != "C_SignInit").collect();
    let expected = ["C_SignInit", "C_Sign", "C_SignInit", "C_Sign", "C_SignInit", "C_Sign"];
    assert_eq!(signing[..6], expected, "{log}");
}

#[test]
fn a_module_that_refuses_to_state_the_length_signs() {
    signs("C_Sign=once");
}

#[test]
fn a_module_that_needs_more_room_for_a_signature_gets_it_once() {
    let desk = signs("C_Sign=room:0x200");
    assert_eq!(calls(&desk, "C_Sign"), 6);
    let desk = Desk::new();
    with_faults(&desk, &SIGN, "C_Sign=0x150").go().exits(6).says("CKR_BUFFER_TOO_SMALL");
    assert_eq!(calls(&desk, "C_Sign"), 1);
    untouched(&desk);
}

#[test]
fn a_search_that_gives_one_object_at_a_time_finds_all() {
    let desk = Desk::with_all_keys();
    let all = desk.countersign(&["list", "--login"]).with_pin().go().exits(0).stdout();
    let one_by_one = with_faults(&desk, &["list", "--login"], "C_FindObjects=few:1").go().exits(0).stdout();
    let keys = |listed: &str| listed.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(keys(&one_by_one), keys(&all));
    assert!(keys(&all).len() > 5, "{all}");
    // The first handle returned is not the only one.
    for faults in ["", "C_FindObjects=few:1"] {
        let done = with_faults(&desk, &["public-key"], faults).go().exits(4);
        assert!(done.stderr().contains("keys match"), "{faults}: {}", done.stderr());
    }
}

#[test]
fn a_search_that_returns_the_same_objects_forever_is_an_error() {
    let desk = Desk::new();
    let done = with_faults(&desk, &SIGN, "C_FindObjects=again").go();
    done.exits(3).says("again and again");
    untouched(&desk);
}

#[test]
fn attributes_that_a_module_does_not_search_by_are_compared_here() {
    // CKA_ID, CKA_LABEL, CKA_TOKEN, and all of them.
    for refused in ["0x102", "0x3", "0x1"] {
        signs(&format!("C_FindObjectsInit=unknown:{refused}"));
    }
    let desk =
        signs("C_FindObjectsInit=unknown:0x102,C_FindObjectsInit=unknown:0x3,C_FindObjectsInit=unknown:0x1");
    for (uri, exit) in [("pkcs11:object=signkey", 0), ("pkcs11:object=other", 4), ("pkcs11:id=%7F", 4)] {
        let arguments = ["sign", "--force", "--key", uri, "tokens.json"];
        with_faults(&desk, &arguments, "C_FindObjectsInit=unknown:0x102,C_FindObjectsInit=unknown:0x3")
            .go()
            .exits(exit);
    }
    // A search refused for another reason is not repeated again and again.
    let done = with_faults(&desk, &SIGN, "C_FindObjectsInit=0x30").go().exits(3);
    done.says("C_FindObjectsInit said CKR_DEVICE_ERROR");
    untouched(&desk);
}

#[test]
fn a_module_that_cannot_lock_is_started_without() {
    let desk = signs("C_Initialize=cantlock");
    assert_eq!(calls(&desk, "C_Initialize"), 2);
    assert_eq!(calls(&desk, "CONCURRENT"), 0);
    let desk = Desk::new();
    let done = with_faults(&desk, &SIGN, "C_Initialize=0xa").go().exits(3);
    done.says("C_Initialize said CKR_CANT_LOCK");
    assert_eq!(calls(&desk, "C_Initialize"), 2);
    untouched(&desk);
}

#[test]
fn impossible_lengths_are_errors() {
    // CKA_ID, CKA_LABEL, CKA_KEY_TYPE, CKA_SENSITIVE.
    let desk = Desk::new();
    for attribute in ["0x102", "0x3", "0x100", "0x103"] {
        for length in ["0xffffffff", "0xfffffffffffffffe", "0x100001"] {
            let faults = format!("C_GetAttributeValue=length:{attribute}:{length}");
            let done =
                with_faults(&desk, &["sign", "--key", SIGNKEY, "--timeout", "20", "tokens.json"], &faults)
                    .go();
            // Even without an id or a label, the key may be the one that is meant.
            assert!(
                [0, 4].contains(&done.code()),
                "{attribute} {length}: {}\n{}",
                done.code(),
                done.stderr()
            );
            assert!(!done.stderr().contains("panicked"), "{}", done.stderr());
            if done.code() != 0 {
                untouched(&desk);
            }
            with_faults(&desk, &["list", "--login", "--timeout", "20"], &faults).go().exits(0);
        }
    }
    // The value of a certificate.
    let listed = with_faults(&desk, &["list"], "C_GetAttributeValue=length:0x11:0xffffffff").go().exits(0);
    assert!(listed.stdout().contains("cert "), "{}", listed.stdout());
}
