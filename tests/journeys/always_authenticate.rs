//! Keys that require their PIN for each signature.

use crate::support::authority::{Authority, Leaf};
use crate::support::desk::{Desk, PIN};
use crate::support::faults::{behind_faults_of, calls, untouched, with_faults};
use crate::support::openssl::openssl_accepts;
use crate::support::piv_card::{MANAGEMENT_KEY, OPENSC, PivCard, YKCS11, module_path};
use crate::support::token_files::UNSIGNED;

const SIGN: [&str; 4] = ["sign", "--key", "pkcs11:object=alwayskey", "tokens.json"];

fn desk() -> Desk {
    let desk = Desk::provisioned(&["--keys", "alwayskey"]);
    desk.countersign(&["public-key", "--key", "pkcs11:object=alwayskey", "-o", "always.pub"]).go().exits(0);
    desk
}

#[test]
fn the_pin_is_given_between_sign_init_and_sign_and_nothing_else_is() {
    let desk = desk();
    with_faults(&desk, &SIGN, "").go().exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "always.pub"));
    let log = String::from_utf8(desk.read("calls")).unwrap();
    let calls: Vec<&str> = log.lines().collect();
    let first = calls.iter().position(|call| *call == "C_SignInit").unwrap();
    let each = ["C_SignInit", "C_Login context", "C_Sign"];
    assert_eq!(calls[first..first + 9], [each, each, each].concat(), "three tokens");
}

#[test]
fn a_login_that_the_key_does_not_know_does_not_keep_it_from_signing() {
    // Modules that let the user's login count for all signatures, and say so when it is repeated: the operation goes on.
    for code in ["0x91", "0x100", "0x103"] {
        let desk = Desk::new();
        let sign = crate::support::faults::SIGN;
        let faults =
            format!("C_GetAttributeValue=give:0x202:01,C_Login:2={code},C_Login:3={code},C_Login:4={code}");
        with_faults(&desk, &sign, &faults).go().exits(0);
        assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"), "{code}");
        assert_eq!(calls(&desk, "C_SignInit"), 3);
    }
}

#[test]
fn a_pin_that_is_refused_in_the_middle_is_not_sent_again() {
    let desk = desk();
    with_faults(&desk, &SIGN, "C_Login:3=0xa0")
        .go()
        .exits(5)
        .says("is wrong (C_Login said CKR_PIN_INCORRECT)")
        .says("1 of 3 signatures had been made; none of them was written.")
        .says("tokens.json was not changed.");
    assert_eq!(calls(&desk, "C_Login"), 3);
    untouched(&desk);
    with_faults(&desk, &SIGN, "C_Login:3=0xa4").go().exits(5).says("is locked (CKR_PIN_LOCKED)");
    untouched(&desk);
}

#[test]
fn a_key_that_turns_out_to_require_its_pin_each_time_gets_it() {
    // The device does not say CKA_ALWAYS_AUTHENTICATE, and the key requires it all the same.
    let desk = Desk::provisioned(&["--keys", "alwayskey"]);
    let sign = ["sign", "--key", "pkcs11:object=alwayskey", "tokens.json"];
    with_faults(&desk, &sign, "C_GetAttributeValue=hide:0x202").go().exits(0);
    desk.countersign(&["public-key", "--key", "pkcs11:object=alwayskey", "-o", "always.pub"]).go().exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "always.pub"));
    // One login for the user, one for each token.
    assert_eq!(calls(&desk, "C_Login"), 4);
}

#[test]
fn a_device_that_requires_no_login_gets_a_pin_that_was_asked_for() {
    // SoftHSM shows the key, which was made public, to anyone, and requires the user's login for a signature all the same.
    let desk = Desk::new();
    let script = format!(
        "SOFTHSM2_CONF='{}' pkcs11-tool --module {} --token-label officer --login --pin {PIN} --keypairgen \
         --key-type rsa:2048 --id 77 --label open --usage-sign --sensitive --private",
        desk.path("device/softhsm2.conf").display(),
        crate::support::parts::softhsm_module()
    );
    crate::support::parts::tool("sh", &["-c".as_ref(), script.replace(" --private", "").as_ref()]);
    let sign = ["sign", "--key", "pkcs11:object=open", "tokens.json"];
    let faults = "C_GetTokenInfo=noflags:0x4,C_GetAttributeValue=give:0x202:01";
    let done = with_faults(&desk, &sign, faults).without_env("COUNTERSIGN_PIN_SOURCE").go();
    // Whether SoftHSM shows the key without a login or not, only a PIN that somebody gave is ever sent.
    assert_ne!(done.code(), 0, "{}", done.stderr());
    assert!([4, 5].contains(&done.code()), "{}", done.stderr());
    assert_eq!(calls(&desk, "C_Login"), 0);
    untouched(&desk);
}

#[test]
fn a_card_whose_key_requires_its_pin_each_time_and_does_not_say_so_gets_it() {
    // The PIN policy "always" in slot 9a: OpenSC, which knows of it in slot 9c alone, takes the user for logged out when the
    // card asks, and knows no context login then.
    // What the second signature taught holds for the third.
    for (module, unknown) in [(OPENSC, 2), (YKCS11, 1)] {
        let (card, desk) = (PivCard::inserted(&["--key", "9a=rsa2048:always"]), Desk::without_device());
        desk.write("tokens.json", UNSIGNED);
        let run = card.countersign(&desk, module, &["sign", "--key", "pkcs11:id=%01", "tokens.json"]);
        behind_faults_of(&module_path(module), run, &desk, "").go().exits(0).says("3 signed and verified");
        assert!(openssl_accepts(&desk, "tokens.json", &card.public_key("9a")), "{module}");
        // ykcs11 2.7 reads the policy and says so: then nothing is refused.
        let refused = calls(&desk, "C_Sign") - 3;
        assert!(refused == unknown || (module == YKCS11 && refused == 0), "{module}: {refused}");
        // One PIN a signature. The first one needs none but the login's, where the policy is unknown.
        assert_eq!(card.count("20 0080 8", ""), if refused == 0 { 4 } else { 3 }, "{module}");
        // OpenSC before 0.24 sends a refused signature twice by itself.
        let at_card = card.count("87 079a", "6982");
        assert!([refused, 2 * refused].contains(&at_card), "{module}: {at_card}");
        assert_eq!(card.pin_tries(), "3", "{module}");
    }
}

#[test]
fn a_card_s_key_in_9a_that_requires_its_pin_each_time_is_prepared_and_signs_three_tokens() {
    let (card, desk) = (PivCard::inserted(&["--blank"]), Desk::without_device());
    let management_key = card.pin_source(MANAGEMENT_KEY);
    let run = |arguments: &[&str]| card.countersign(&desk, YKCS11, arguments).go();
    let keygen = ["keygen", "--slot", "9a", "--so-pin-source", &management_key, "-o", "officer.pub"];
    let done = run(&[&keygen[..], &["--always-authenticate"]].concat());
    // ykcs11 2.2 takes no such request.
    if done.code() != 0 {
        done.exits(3).says("ykman piv keys generate --pin-policy ALWAYS");
        let generate = ["keys", "generate", "--pin-policy", "ALWAYS", "--management-key", MANAGEMENT_KEY];
        card.ykman(&desk, &[&generate[..], &["9a", "officer.pub"]].concat());
    }
    const ALWAYS: u8 = 3;
    assert_eq!(std::fs::read(card.path("9a.policies")).unwrap()[0], ALWAYS);
    run(&["csr", "--key", "pkcs11:id=%01", "--subject", "CN=officer", "-o", "csr.pem"]).exits(0);
    let authority = Authority::new();
    authority.certify(&desk.path("csr.pem"), &Leaf::default(), &desk.path("officer.pem"));
    let import = ["import-certificate", "--key", "pkcs11:id=%01", "--so-pin-source", &management_key];
    run(&[&import[..], &["officer.pem"]].concat()).exits(0);
    for module in [OPENSC, YKCS11] {
        for key in ["pkcs11:id=%01", "pkcs11:id=%01;type=cert"] {
            desk.write("tokens.json", UNSIGNED);
            let before = card.count("87 079a", "9000");
            let done = card.countersign(&desk, module, &["sign", "--key", key, "tokens.json"]).go();
            done.exits(0).says("3 signed and verified");
            assert!(openssl_accepts(&desk, "tokens.json", "officer.pub"), "{module} {key}");
            assert_eq!(card.count("87 079a", "9000") - before, 3, "{module} {key}");
        }
    }
    assert_eq!(card.pin_tries(), "3");
}

#[test]
fn a_module_without_a_context_login_gets_a_new_login_for_each_signature() {
    let desk = Desk::new();
    let sign = crate::support::faults::SIGN;
    // Like CACKey, which accepts a PIN only for the user.
    for context in ["0x91", "0x103", "0x54"] {
        let faults = format!("C_Sign=newlogin,C_Login:2={context}");
        with_faults(&desk, &sign, &faults).go().exits(0);
        assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"), "{context}");
        let log = String::from_utf8(desk.read("calls")).unwrap();
        let is_of_login =
            |call: &&str| ["C_SignInit", "C_Login", "C_Logout"].iter().any(|c| call.starts_with(c));
        let made: Vec<&str> = log.lines().filter(is_of_login).collect();
        // SoftHSM considers the user logged in and does not look at the PIN, until the logout.
        let again = ["C_Login", "C_Logout", "C_Login", "C_SignInit"];
        let learned = [&["C_SignInit", "C_SignInit", "C_Login context"][..], &again].concat();
        let expected = [&["C_Login", "C_SignInit"][..], &learned, &again, &["C_Logout"]].concat();
        assert_eq!(made, expected, "{context}");
    }
}

#[test]
fn a_new_login_for_a_signature_puts_no_pin_at_risk() {
    let desk = Desk::new();
    let sign = crate::support::faults::SIGN;
    let faults = "C_Sign=newlogin,C_Login:2=0x91";
    with_faults(&desk, &sign, faults).go().exits(0);
    // The state of the PIN is read last before the third signature's new login.
    let reads = calls(&desk, "C_GetTokenInfo");
    let last = format!("{faults},C_GetTokenInfo:{reads}=flags:0x20000");
    with_faults(&desk, &sign, &last)
        .go()
        .exits(5)
        .says("one attempt is left")
        .says("2 of 3 signatures had been made");
    assert_eq!(calls(&desk, "C_Login"), 4, "one, the context's, and two for the second signature");
    untouched(&desk);
    // Refused: it is not sent again.
    for code in ["0xa0", "0xa4"] {
        with_faults(&desk, &sign, &format!("{faults},C_Login:3={code}")).go().exits(5);
        assert_eq!(calls(&desk, "C_Login"), 3, "{code}");
        untouched(&desk);
    }
    // A key that no login satisfies gets one of each kind.
    with_faults(&desk, &sign, "C_Sign=refuse:0x101,C_Login:2=0x91")
        .go()
        .exits(6)
        .says("C_Sign said CKR_USER_NOT_LOGGED_IN");
    assert_eq!(calls(&desk, "C_Login"), 4);
    untouched(&desk);
}
