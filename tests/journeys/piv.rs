//! A PIV card through the modules that people have for it: OpenSC, and Yubico's ykcs11.

use expectrl::{ControlCode, Expect};

use crate::support::desk::{Desk, PIN};
use crate::support::faults::behind_faults_of;
use crate::support::openssl::openssl_accepts;
use crate::support::p11_kit::under_p11_kit;
use crate::support::pinned::pinned;
use crate::support::piv_card::{BOTH, MANAGEMENT_KEY, OPENSC, PivCard, YKCS11, module_path, sign};
use crate::support::run::Done;
use crate::support::terminal;
use crate::support::token_files::UNSIGNED;

/// The PIV slots' objects, by the CKA_ID that both modules give them.
const KEY_9A: [&str; 4] = ["sign", "--key", "pkcs11:id=%01", "tokens.json"];

const KEY_9C: [&str; 4] = ["sign", "--key", "pkcs11:id=%02", "tokens.json"];

const KEY_9E: [&str; 4] = ["sign", "--key", "pkcs11:id=%04", "tokens.json"];

#[test]
fn each_module_lists_the_card_s_keys() {
    let (card, desk) = (PivCard::inserted(&[]), Desk::without_device());
    for (module, name) in [(OPENSC, "list_piv_opensc"), (YKCS11, "list_piv_ykcs11")] {
        let path = module_path(module).display().to_string();
        for (name, arguments) in
            [(name.to_owned(), &["list"][..]), (format!("{name}_login"), &["list", "--login"])]
        {
            let done = card.countersign(&desk, module, arguments).go().exits(0);
            let done = done.map_stdout(|text| text.replace(&path, "MODULE"));
            pinned(&name, &desk, &format!("countersign {}", arguments.join(" ")), &done);
        }
    }
    assert_eq!(card.pin_tries(), "3");
}

#[test]
fn the_authentication_key_signs_after_one_pin() {
    let card = PivCard::inserted(&[]);
    for (times, module) in BOTH.into_iter().enumerate() {
        let desk = Desk::without_device();
        sign(&card, &desk, module, &KEY_9A).exits(0).says("3 signed and verified");
        assert!(openssl_accepts(&desk, "tokens.json", &card.public_key("9a")));
        assert_eq!(card.count("20 0080 8", "9000"), times + 1, "{module}");
        assert_eq!(card.count("87 079a", "9000"), 3 * (times + 1), "{module}");
    }
}

#[test]
fn the_signature_key_gets_its_pin_before_each_signature() {
    let card = PivCard::inserted(&[]);
    for (times, module) in BOTH.into_iter().enumerate() {
        let desk = Desk::without_device();
        sign(&card, &desk, module, &KEY_9C).exits(0).says("3 signed and verified");
        assert!(openssl_accepts(&desk, "tokens.json", &card.public_key("9c")));
        assert_eq!(card.count("20 0080 8", "9000"), 4 * (times + 1), "{module}: the user's login, and three");
    }
    assert_eq!(card.count("87 079c", "6982"), 0, "none was refused");
}

#[test]
fn the_card_authentication_key_signs() {
    let card = PivCard::inserted(&[]);
    for module in BOTH {
        let desk = Desk::without_device();
        sign(&card, &desk, module, &KEY_9E).exits(0).says("3 signed and verified");
        assert!(openssl_accepts(&desk, "tokens.json", &card.public_key("9e")));
    }
}

#[test]
fn a_wrong_pin_costs_one_attempt_and_the_last_is_withheld() {
    for module in BOTH {
        let (card, desk) = (PivCard::inserted(&["--blank", "--key", "9a=rsa2048"]), Desk::without_device());
        desk.write("tokens.json", UNSIGNED);
        let given = |pin, arguments: &[&str]| {
            let run = card.countersign(&desk, module, arguments);
            run.env("COUNTERSIGN_PIN_SOURCE", card.pin_source(pin)).go()
        };
        given("000000", &KEY_9A).exits(5).says("is wrong (C_Login said CKR_PIN_INCORRECT)");
        assert_eq!(card.pin_tries(), "2", "{module}");
        given("000000", &KEY_9A).exits(5).says("one attempt is left before the PIN is locked");
        assert_eq!(card.pin_tries(), "1", "{module}");
        // Whether the PIN is wrong or right.
        given("000000", &KEY_9A).exits(5).says("it was not used");
        given(PIN, &KEY_9A).exits(5).says("it was not used");
        assert_eq!(card.pin_tries(), "1", "{module}");
        assert_eq!(desk.read("tokens.json"), UNSIGNED);
        given(PIN, &[&KEY_9A[..], &["--use-last-try"]].concat()).exits(0);
        assert_eq!(card.pin_tries(), "3", "{module}");
    }
}

#[test]
fn a_locked_card_is_not_given_a_pin() {
    for module in BOTH {
        let (card, desk) = (PivCard::inserted(&["--blank", "--key", "9a=rsa2048"]), Desk::without_device());
        std::fs::write(card.path("pin-tries"), "0").unwrap();
        sign(&card, &desk, module, &KEY_9A).exits(5).says("is locked (CKR_PIN_LOCKED)");
        assert_eq!(card.count("20 0080 8", ""), 0, "{module}");
    }
}

#[test]
fn a_card_pulled_out_in_the_middle_leaves_the_file_alone() {
    for module in BOTH {
        for key in [KEY_9A, KEY_9C] {
            let (card, desk) = (PivCard::inserted(&["--at", "2=pull"]), Desk::without_device());
            sign(&card, &desk, module, &key)
                .exits(6)
                .says("was removed before it signed: C_Sign said CKR_")
                .says("help: plug the device in again")
                .says("1 of 3 signatures had been made; none of them was written");
            assert_eq!(desk.read("tokens.json"), UNSIGNED);
        }
    }
}

#[test]
fn a_card_that_fails_in_the_middle_leaves_the_file_alone() {
    let mut card = PivCard::inserted(&["--blank", "--key", "9a=rsa2048"]);
    for module in BOTH {
        for status in ["6982", "6f00"] {
            // OpenSC itself tries again, and sends the card the PIN again.
            card.insert(&["--at", &format!("2-99={status}")]);
            let desk = Desk::without_device();
            sign(&card, &desk, module, &KEY_9A).exits(6).says("1 of 3 signatures had been made");
            assert_eq!(desk.read("tokens.json"), UNSIGNED);
        }
    }
}

#[test]
fn a_card_removed_before_is_not_a_device() {
    let mut card = PivCard::absent();
    for module in BOTH {
        let desk = Desk::without_device();
        sign(&card, &desk, module, &KEY_9A).exits(3).says("no device is present");
        card.insert(&["--blank", "--key", "9a=rsa2048"]);
        sign(&card, &desk, module, &KEY_9A).exits(0);
        card.pull();
        sign(&card, &desk, module, &KEY_9A).exits(3).says("no device is present");
        assert_eq!(desk.read("tokens.json"), UNSIGNED);
    }
}

#[test]
fn a_card_is_waited_for() {
    for module in BOTH {
        let (mut card, desk) = (PivCard::absent(), Desk::without_device());
        desk.write("tokens.json", UNSIGNED);
        // Shorter than the tests wait for any run.
        let run = card.countersign(&desk, module, &[&KEY_9A[..], &["--wait=45"]].concat());
        let says = "waiting, at most 45 seconds: no device is present";
        run.go_and_when_it_says(says, || card.insert(&[])).exits(0);
        assert!(openssl_accepts(&desk, "tokens.json", &card.public_key("9a")));
    }
}

#[test]
fn two_cards_are_distinguished() {
    let card = PivCard::inserted(&["--blank", "--key", "9a=rsa2048", "--without-attestation"]);
    let options = ["--serial", "87654321", "--name", "other"];
    let other =
        card.beside(&[&["--blank", "--key", "9a=rsa2048", "--without-attestation"], &options[..]].concat());
    let desk = Desk::without_device();
    for (module, uri) in
        [(OPENSC, "pkcs11:token=other"), (YKCS11, "pkcs11:token=YubiKey%20PIV%20%2387654321")]
    {
        sign(&card, &desk, module, &["sign", "tokens.json"]).exits(4).says("2 keys match");
        sign(&card, &desk, module, &KEY_9A).exits(4).says("2 keys match");
        sign(&card, &desk, module, &["sign", "--key", uri, "tokens.json"]).exits(0);
        assert!(openssl_accepts(&desk, "tokens.json", &other.public_key("9a")));
    }
    assert_eq!(card.count("20 0080 8", ""), 0, "no PIN was given to the one that was not meant");
}

#[test]
fn a_card_put_back_in_the_middle_does_not_go_on() {
    for module in BOTH {
        let options = ["--blank", "--key", "9a=rsa2048:once:always", "--touch-after", "1500"];
        let (mut card, desk) = (PivCard::inserted(&options), Desk::without_device());
        desk.write("tokens.json", UNSIGNED);
        // Under load, the middleware may wait for a card that it has lost, but not forever.
        let run = card.countersign(&desk, module, &[&KEY_9A[..], &["--timeout", "30"]].concat());
        let signing = std::thread::spawn(move || run.go());
        card.wait_for("87 079a");
        card.insert(&[]);
        let done = signing.join().unwrap().exits(6);
        let said = done.stderr();
        let ends = ["did not sign", "was removed before it signed", "has not answered"];
        assert!(ends.iter().any(|end| said.contains(end)), "{said}");
        assert_eq!(desk.read("tokens.json"), UNSIGNED);
        sign(&card, &desk, module, &KEY_9A).exits(0);
    }
}

#[test]
fn a_person_is_asked_again_only_if_the_card_is_known_to_have_tries_left() {
    let card = PivCard::inserted(&["--blank", "--key", "9a=rsa2048"]);
    for (module, asks_again) in [(OPENSC, false), (YKCS11, true)] {
        let desk = Desk::without_device();
        let mut terminal = sign_at_terminal(&card, &desk, module, "prompt");
        terminal.expect("): ").unwrap();
        terminal.send_line("000000").unwrap();
        if asks_again {
            terminal.expect("you can try once more").unwrap();
            terminal.expect("): ").unwrap();
            terminal.send_line(PIN).unwrap();
        }
        terminal::ends(terminal, if asks_again { 0 } else { 5 });
        let signed = desk.read("tokens.json") != UNSIGNED;
        assert_eq!(signed, asks_again);
        sign(&card, &desk, module, &KEY_9A).exits(0);
        assert_eq!(card.pin_tries(), "3");
    }
}

#[test]
fn a_card_that_requires_a_touch_is_reported_as_waiting() {
    let options = ["--blank", "--key", "9a=rsa2048:once:always", "--touch-after", "800"];
    let card = PivCard::inserted(&options);
    for module in BOTH {
        let (desk, notice) = (Desk::without_device(), notice_of_touch(&card, module));
        let mut terminal = sign_at_terminal(&card, &desk, module, &card.pin_source(PIN));
        for token in 1..=3 {
            terminal.expect(format!("{notice} (token {token} of 3)")).unwrap();
        }
        terminal::ends(terminal, 0);
        assert!(openssl_accepts(&desk, "tokens.json", &card.public_key("9a")));
    }
}

#[test]
fn a_touch_that_is_cached_is_asked_for_once() {
    let options = ["--blank", "--key", "9a=rsa2048:once:cached", "--touch-after", "5000"];
    let (card, desk) = (PivCard::inserted(&options), Desk::without_device());
    let start = std::time::Instant::now();
    sign(&card, &desk, YKCS11, &KEY_9A).exits(0);
    // Twice would take ten seconds.
    assert!((5000..10_000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
}

#[test]
fn one_card_seen_through_both_modules_is_one_key() {
    let card = PivCard::inserted(&["--blank", "--key", "9a=rsa2048", "--without-attestation"]);
    let desk = Desk::without_device();
    for arguments in [&KEY_9A[..], &["sign", "tokens.json"]] {
        sign_through_both(&card, &desk, arguments, PIN).exits(0);
        assert!(openssl_accepts(&desk, "tokens.json", &card.public_key("9a")));
    }
    sign_through_both(&card, &desk, &["sign", "tokens.json"], "000000").exits(5);
    assert_eq!(card.pin_tries(), "2");
}

/// The notice while the card waits. It says more if the module reports the key's policy, as ykcs11 does from
/// 2.3 on.
fn notice_of_touch(card: &PivCard, module: &str) -> &'static str {
    let desk = Desk::without_device();
    desk.write("tokens.json", UNSIGNED);
    // CKA_YUBICO_TOUCH_POLICY is logged, and the signature is refused before it comes to a touch.
    let asked = card.countersign(&desk, module, &KEY_9A);
    let asked = behind_faults_of(
        &module_path(module),
        asked,
        &desk,
        "C_GetAttributeValue=tell:0xd9554201,C_Sign=0x6",
    );
    asked.go().exits(6);
    let log = String::from_utf8(desk.read("calls")).unwrap();
    let answers: Vec<_> = log.lines().filter(|line| line.starts_with("0xd9554201")).collect();
    match answers[..] {
        // ALWAYS.
        ["0xd9554201=02"] if module == YKCS11 => "Touch the device now",
        ["0xd9554201 is unknown"] => "The device is waiting: touch it if it blinks",
        _ => panic!("{module} answers {answers:?}"),
    }
}

fn sign_at_terminal(card: &PivCard, desk: &Desk, module: &str, pin_source: &str) -> terminal::Terminal {
    desk.write("tokens.json", UNSIGNED);
    let module = module_path(module);
    let (name, socket) = card.socket_variable();
    let environment = [
        ("COUNTERSIGN_MODULE", module.to_str().unwrap()),
        ("COUNTERSIGN_PIN_SOURCE", pin_source),
        (name, socket.to_str().unwrap()),
    ];
    terminal::run(desk, &KEY_9A, &environment)
}

/// With p11-kit configured with both modules.
fn sign_through_both(card: &PivCard, desk: &Desk, arguments: &[&str], pin: &str) -> Done {
    desk.write("tokens.json", UNSIGNED);
    let [opensc, ykcs11] = BOTH.map(|module| format!("module: {}\n", module_path(module).display()));
    let modules = [("opensc.module", &*opensc), ("ykcs11.module", &*ykcs11)];
    let run = card.reached_by(under_p11_kit(desk, &modules, arguments));
    run.env("COUNTERSIGN_PIN_SOURCE", card.pin_source(pin)).go()
}

#[test]
fn ctrl_c_while_the_card_waits_for_a_touch_leaves_the_file_alone() {
    let options = ["--blank", "--key", "9a=rsa2048:once:always", "--touch-after", "30000"];
    for module in BOTH {
        let (card, desk) = (PivCard::inserted(&options), Desk::without_device());
        let notice = notice_of_touch(&card, module);
        let mut terminal = sign_at_terminal(&card, &desk, module, &card.pin_source(PIN));
        terminal.expect(notice).unwrap();
        terminal.send(ControlCode::EndOfText).unwrap();
        terminal::ends(terminal, 130);
        assert_eq!(desk.read("tokens.json"), UNSIGNED);
    }
}

#[test]
fn each_key_can_be_named_as_it_is_listed() {
    let (card, desk) = (PivCard::inserted(&[]), Desk::without_device());
    for module in BOTH {
        for list in [&["list"][..], &["list", "--login"]] {
            let listed = card.countersign(&desk, module, list).go().exits(0).stdout();
            for line in listed.lines().filter(|line| line.contains("key") && line.contains("RSA-2048")) {
                let (_, uri) = line.rsplit_once("pkcs11:").unwrap();
                if uri.contains("id=%19") {
                    // This key only attests.
                    continue;
                }
                let uri = format!("pkcs11:{uri}");
                let done = sign(&card, &desk, module, &["sign", "--key", &uri, "tokens.json"]);
                assert_eq!(done.code(), 0, "{module}, {list:?}: {uri}: {}", done.stderr());
            }
        }
    }
}

#[test]
fn a_yubikey_s_attestation_key_is_never_the_one_that_is_meant() {
    let card = PivCard::inserted(&["--blank", "--key", "9a=rsa2048"]);
    let desk = Desk::without_device();
    let named = ["sign", "--key", "pkcs11:token=YubiKey%20PIV%20%2311223344", "tokens.json"];
    sign(&card, &desk, YKCS11, &named).exits(0);
    sign_through_both(&card, &desk, &["sign", "tokens.json"], PIN).exits(0);
    // The public key and the certificate are visible without a PIN.
    let public_key = card.countersign(&desk, YKCS11, &["public-key"]).without_env("COUNTERSIGN_PIN_SOURCE");
    public_key.go().exits(0);
}

#[test]
fn a_card_that_requires_its_pin_again_is_reported() {
    for module in BOTH {
        let (card, desk) = (PivCard::inserted(&["--at", "2-9=6982"]), Desk::without_device());
        let done = sign(&card, &desk, module, &KEY_9A).exits(6);
        assert!(done.stderr().contains("C_Sign said CKR_USER_NOT_LOGGED_IN"), "{module}: {}", done.stderr());
    }
}

#[test]
fn an_ec_key_is_known_by_the_name_of_its_curve() {
    // ykcs11 stores a certificate with each key that it generates.
    for (kind, name) in [("ec:p256", "EC P-256"), ("ec:p384", "EC P-384")] {
        let (card, desk) = (PivCard::inserted(&["--blank"]), Desk::without_device());
        let management_key = card.pin_source(MANAGEMENT_KEY);
        let keygen = ["keygen", "--slot", "9a", "--type", kind, "--so-pin-source", &management_key];
        card.countersign(&desk, YKCS11, &keygen).go().exits(0);
        let spki = std::fs::read_to_string(card.public_key("9a")).unwrap();
        for module in BOTH {
            let run = |arguments: &[&str]| card.countersign(&desk, module, arguments).go().exits(0);
            for list in [&["list"][..], &["list", "--login"]] {
                let listed = run(list).stdout();
                assert!(listed.contains(name) && !listed.contains("unknown kind"), "{module}: {listed}");
            }
            assert_eq!(run(&["public-key", "--key", "pkcs11:id=%01"]).stdout(), spki, "{module}");
            run(&["csr", "--key", "pkcs11:id=%01", "--subject", "CN=officer"]);
            let certificate = run(&["certificate", "--key", "pkcs11:id=%01", "--json"]).json();
            let public_key = run(&["public-key", "--key", "pkcs11:id=%01", "--json"]).json();
            assert_eq!(certificate["public_key_sha256"], public_key["public_key_sha256"], "{module}");
        }
    }
}
