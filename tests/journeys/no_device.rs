//! No device is present: `sign`, `list`, `verify` and `doctor` all name the same, true cause, and what to do
//! about it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::clock;
use crate::support::desk::Desk;
use crate::support::fake_pcscd::{Manner, READER, hold_card, listen};
use crate::support::faults::behind_faults;
use crate::support::parts::{fault_module, softhsm_module};
use crate::support::piv_card::{BOTH, OPENSC, PivCard, YKCS11, module_path};
use crate::support::polkit::Polkit;
use crate::support::real_modules::{module, wait_until};
use crate::support::run::{Done, Run};
use crate::support::token_files::UNSIGNED;

const COMMANDS: [&[&str]; 4] =
    [&["sign", "tokens.json"], &["verify", "--key", "pkcs11:id=%01", "tokens.json"], &["list"], &["doctor"]];

/// Runs all commands in the surroundings that `surround` adds: each says `found` and `help`. All exit with 3,
/// except for `list`, which succeeds and shows that there is no device. `doctor` reports it as its first
/// fault, and has a help line for each fault.
#[track_caller]
fn all_say(desk: &Desk, surround: impl Fn(Run) -> Run, found: &str, help: &str) {
    desk.write("tokens.json", UNSIGNED);
    for command in COMMANDS {
        let done = surround(desk.countersign(command)).go();
        let said = done.stdout() + &done.stderr();
        assert!(
            said.contains(found) && said.contains(help),
            "{command:?} does not say {found:?}, {help:?}: {said}"
        );
        let code = if command == ["list"] { 0 } else { 3 };
        done.exits(code);
    }
    let document = surround(desk.countersign(&["doctor", "--json"])).go().exits(3).json();
    let first = faults(&document)[0];
    assert!(first["found"].as_str().unwrap().contains(found), "{document:#}");
    assert!(first["help"].as_str().unwrap().contains(help), "{document:#}");
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

/// doctor's faults. Each has its help line.
#[track_caller]
fn faults(document: &Value) -> Vec<&Value> {
    let checks = document["checks"].as_array().unwrap().iter();
    let faults: Vec<&Value> = checks.filter(|check| check["status"] == "fault").collect();
    assert!(!faults.is_empty() && faults.iter().all(|fault| fault["help"].is_string()), "{document:#}");
    faults
}

/// The fault module under another module's name, which decides its kind.
fn named_module(desk: &Desk, name: &str) -> PathBuf {
    let path = desk.path(name);
    symlink(fault_module(), &path).unwrap();
    path
}

/// A run on SoftHSM behind the fault module, which shows no slots.
fn without_slots(run: Run, desk: &Desk) -> Run {
    behind_faults(run, desk, "C_GetSlotList=gone:0xe0").env("SOFTHSM2_CONF", empty_softhsm(desk))
}

/// The configuration of a SoftHSM without a device.
fn empty_softhsm(desk: &Desk) -> PathBuf {
    let folder = desk.path("tokens");
    fs::create_dir_all(&folder).unwrap();
    desk.write("softhsm2.conf", format!("directories.tokendir = {}\n", folder.display()).as_bytes())
}

fn through(module: impl Into<PathBuf>, socket: impl Into<PathBuf>) -> impl Fn(Run) -> Run {
    let (module, socket): (PathBuf, PathBuf) = (module.into(), socket.into());
    move |run| run.env("COUNTERSIGN_MODULE", &module).env("PCSCLITE_CSOCK_NAME", &socket)
}

#[test]
fn without_pcscd_every_command_names_it() {
    let desk = Desk::without_device();
    let opensc = through(module_path(OPENSC), desk.path("nowhere"));
    all_say(&desk, opensc, "pcscd, the service for smart cards, does not run", "pcscd.socket");
}

#[test]
fn a_named_module_that_does_not_list_its_slots_has_failed() {
    // ykcs11 without pcscd.
    let desk = Desk::without_device();
    let surround = through(module_path(YKCS11), desk.path("nowhere"));
    for command in COMMANDS {
        desk.write("tokens.json", UNSIGNED);
        let done = surround(desk.countersign(command)).go().exits(3);
        let said = done.stdout() + &done.stderr();
        for text in ["C_GetSlotList said CKR_DEVICE_ERROR", "does not run", "pcscd.socket"] {
            assert!(said.contains(text), "{command:?} does not say {text}: {said}");
        }
    }
    faults(&surround(desk.countersign(&["doctor", "--json"])).go().exits(3).json());
}

#[test]
fn a_module_for_smart_cards_of_any_name_needs_pcscd() {
    // cackey and coolkey are recognized by their names, others by the libraries they are linked with.
    let desk = Desk::without_device();
    for (name, preload) in
        [("libcackey.so", ""), ("libcoolkeypk11.so", ""), ("libacme.so", "libpcsclite.so.1")]
    {
        let module = named_module(&desk, name);
        let run = desk.countersign(&["doctor", "--json"]);
        let run = without_slots(run, &desk).env("COUNTERSIGN_MODULE", &module);
        let run = run.env("PCSCLITE_CSOCK_NAME", desk.path("nowhere")).env("LD_PRELOAD", preload);
        let document = run.go().exits(3).json();
        let first = faults(&document)[0];
        assert_eq!(first["check"], "pcscd", "{name}: {document:#}");
    }
}

#[test]
fn a_user_whom_polkit_refuses_gets_a_rule_to_paste() {
    for (manner, action) in [
        (Manner::HangsUp, "org.debian.pcsc-lite.access_pcsc"),
        (Manner::SaysNo, "org.debian.pcsc-lite.access_pcsc"),
        (Manner::RefusesCard, "org.debian.pcsc-lite.access_card"),
    ] {
        let desk = Desk::without_device();
        let socket = listen(&desk.path("pcscd.comm"), manner);
        let rule = "polkit.addRule(function(action, subject) { if (action.id.indexOf(\"org.debian.pcsc-lite.access_\") == 0";
        all_say(&desk, through(module_path(OPENSC), socket.clone()), action, rule);
        let done = through(module_path(OPENSC), socket.clone())(desk.countersign(&["list"])).go();
        done.says("/etc/polkit-1/rules.d/");
    }
}

#[test]
fn the_printed_rule_lets_the_user_in_where_pcscd_asks_polkit() {
    let desk = Desk::without_device();
    fs::set_permissions(desk.folder(), PermissionsExt::from_mode(0o755)).unwrap();
    let Some(polkit) = Polkit::start(&desk) else { return };
    let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    for module in BOTH {
        let run = || {
            through(module_path(module), polkit.socket())(clock::of_system(
                desk.countersign_under(&nobody, &["list"]),
            ))
            .go()
        };
        let refused = run();
        let said = refused.stderr();
        assert!(said.contains("polkit's action org.debian.pcsc-lite.access_pcsc is refused"), "{said}");
        let command = said.split_once("as root: ").unwrap().1.trim_end();
        let file = command.rsplit_once(' ').unwrap().1;
        polkit.as_root(&format!("umask 077; {command}"));
        wait_until("polkit has read the rule", || {
            run().stderr().contains("pcscd runs and has no smart card or reader") || polkit.looks_again()
        });
        polkit.as_root(&format!("rm {file}"));
        wait_until("polkit has forgotten the rule", || {
            run().stderr().contains("is refused") || polkit.looks_again()
        });
    }
}

#[test]
fn a_socket_that_may_not_be_opened_is_named() {
    let desk = Desk::without_device();
    let socket = listen(&desk.path("pcscd.comm"), Manner::HangsUp);
    fs::set_permissions(&socket, PermissionsExt::from_mode(0o000)).unwrap();
    // With these capabilities, root would be admitted.
    let wrapper = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];
    let is_root = rustix::process::geteuid().is_root();
    let run = |arguments: &[&str]| {
        let run =
            if is_root { desk.countersign_under(&wrapper, arguments) } else { desk.countersign(arguments) };
        through(module_path(OPENSC), socket.clone())(run).go()
    };
    run(&["list"]).exits(0).says("may not be opened").says("chmod a+rw");
    let document = run(&["doctor", "--json"]).exits(3).json();
    assert!(
        faults(&document)[0]["found"].as_str().unwrap().contains("pcscd.comm may not be opened"),
        "{document:#}"
    );
}

#[test]
fn a_card_that_is_held_or_mute_is_distinguished_from_no_card() {
    for (manner, found, help) in [
        (Manner::CardIsHeld, format!("holds the card in the reader {READER} exclusively"), ""),
        (Manner::CardIsMute, format!("the card in the reader {READER} does not answer"), "wipe its contacts"),
    ] {
        let desk = Desk::without_device();
        let socket = listen(&desk.path("pcscd.comm"), manner);
        // A module without a device that the fake pcscd does not have to serve, and that is known as one for
        // smart cards.
        let module = named_module(&desk, "libcackey.so");
        let surround = |run: Run| through(module.clone(), socket.clone())(without_slots(run, &desk));
        all_say(&desk, surround, &found, help);
    }
}

#[test]
fn a_card_that_another_program_holds_exclusively_is_seen_through_both_modules() {
    let (card, desk) = (PivCard::inserted(&[]), Desk::without_device());
    let _holder = hold_card(&card.socket_variable().1);
    for module in BOTH {
        let surround = |run: Run| card.reached_by(run).env("COUNTERSIGN_MODULE", module_path(module));
        let found = "the card in the reader Yubico YubiKey OTP+FIDO+CCID 00 00 exclusively";
        // The process named depends on whether a scdaemon runs: another test has one.
        all_say(&desk, surround, found, "");
    }
}

#[test]
fn a_reader_without_a_card_is_distinguished_from_no_reader() {
    let (card, desk) = (PivCard::absent(), Desk::without_device());
    for module in BOTH {
        let surround = |run: Run| card.reached_by(run).env("COUNTERSIGN_MODULE", module_path(module));
        all_say(&desk, surround, "no card is in any of the readers Yubico YubiKey", "insert the card");
    }
    let document = card.countersign(&desk, OPENSC, &["doctor", "--json"]).go().exits(3).json();
    let pcscd =
        document["checks"].as_array().unwrap().iter().find(|check| check["check"] == "pcscd").unwrap();
    assert!(pcscd["found"].as_str().unwrap().contains("lets this user in"), "{document:#}");
}

#[test]
fn a_card_that_the_module_does_not_know_is_named_with_its_reader() {
    let (card, desk) = (PivCard::inserted(&[]), Desk::without_device());
    // OpenSC without its drivers for PIV.
    desk.write("opensc.conf", b"app default { card_drivers = starcos; }\n");
    let opensc = |run: Run| {
        let run = card.reached_by(run).env("COUNTERSIGN_MODULE", module_path(OPENSC));
        run.env("OPENSC_CONF", desk.path("opensc.conf"))
    };
    let found =
        "a card is in the reader Yubico YubiKey OTP+FIDO+CCID 00 00, and opensc-pkcs11 does not know it";
    all_say(&desk, opensc, found, "the module of the card's maker with --module PATH");
    // No module that looks for cards, and no other one was named.
    let module = named_module(&desk, "libacme.so");
    let other = |run: Run| {
        let run = without_slots(run, &desk);
        card.reached_by(run).env("COUNTERSIGN_MODULE", &module)
    };
    let done = other(desk.countersign(&["list"])).go().exits(0);
    assert!(!done.stderr().contains("a card is in the reader"), "{}", done.stderr());
}

#[test]
fn the_owner_of_a_yubikey_is_not_sent_to_softhsms_configuration() {
    let desk = Desk::without_device();
    empty_softhsm(&desk);
    fs::create_dir(desk.path("modules")).unwrap();
    for (name, module) in
        [("a", softhsm_module().to_owned()), ("b", module_path(OPENSC).display().to_string())]
    {
        fs::write(desk.path(&format!("modules/{name}.module")), format!("module: {module}\n")).unwrap();
    }
    let script = format!(
        "mount --bind '{}' /usr/share/p11-kit/modules && mkdir -p /etc/softhsm && mount --bind '{}' /etc/softhsm && exec \"$@\"",
        desk.path("modules").display(),
        desk.folder().display()
    );
    desk.write("tokens.json", UNSIGNED);
    let run = |arguments: &[&str]| {
        let run = desk.countersign_after_mounting(&script, arguments).without_env("COUNTERSIGN_MODULE");
        run.without_env("SOFTHSM2_CONF")
            .env("HOME", "/nowhere")
            .env("PCSCLITE_CSOCK_NAME", desk.path("nowhere"))
            .go()
    };
    for command in
        [&["sign", "tokens.json"][..], &["sign", "--key", "pkcs11:token=YubiKey%20PIV", "tokens.json"]]
    {
        let done = run(command).exits(3).says("pcscd.socket");
        let help = done.stderr().lines().find(|line| line.starts_with("help:")).unwrap().to_owned();
        assert!(!help.contains("SOFTHSM2_CONF"), "{help}");
    }
    // Naming SoftHSM's device is enough.
    run(&["sign", "--key", "pkcs11:model=SoftHSM%20v2", "tokens.json"])
        .exits(3)
        .says("help: set SOFTHSM2_CONF");
}

#[test]
fn errors_of_a_yubihsm_name_its_configuration_and_its_connector() {
    let desk = Desk::without_device();
    let module = named_module(&desk, "yubihsm_pkcs11.so");
    let run = |faults: &str, configuration: Option<&str>| {
        let run =
            behind_faults(desk.countersign(&["list"]), &desk, faults).env("COUNTERSIGN_MODULE", &module);
        match configuration {
            Some(text) => {
                desk.write("yubihsm.conf", text.as_bytes());
                run.env("YUBIHSM_PKCS11_CONF", desk.path("yubihsm.conf")).go()
            }
            None => run.go(),
        }
    };
    // yubihsm_pkcs11 2.6 returns 7 without a connector, 5 for a file that it cannot parse.
    let (no_connector, malformed) = ("C_Initialize=0x7", "C_Initialize=0x5");
    let done = run(no_connector, None).exits(3).says("YUBIHSM_PKCS11_CONF is not set");
    assert!(!done.stderr().contains("SOFTHSM2_CONF"), "{}", done.stderr());
    done.says("help: set YUBIHSM_PKCS11_CONF to the path of a file with the line: connector = http://127.0.0.1:12345");
    run(no_connector, Some("debug\n")).exits(3).says("names no connector").says("help: add to");
    run(malformed, Some("connecter=http://127.0.0.1:12345\n")).exits(3).says("line 1 of the configuration");
    let surround = |run: Run| {
        desk.write("yubihsm.conf", b"connector = http://hsm.example:12345\n");
        let run = without_slots(run, &desk).env("COUNTERSIGN_MODULE", &module);
        run.env("YUBIHSM_PKCS11_CONF", desk.path("yubihsm.conf"))
    };
    let found = "no YubiHSM answers through the connector http://hsm.example:12345";
    all_say(&desk, surround, found, "curl http://hsm.example:12345/connector/status");
    let gone =
        behind_faults(desk.countersign(&["list"]), &desk, malformed).env("COUNTERSIGN_MODULE", &module);
    let gone = gone.env("YUBIHSM_PKCS11_CONF", "/nowhere/yubihsm.conf").go().exits(3);
    gone.says("\"/nowhere/yubihsm.conf\", cannot be read: No such file or directory");
}

#[test]
fn softhsms_configuration_and_folder_are_checked() {
    let desk = Desk::without_device();
    let folder = desk.path("tokens");
    let run = |configuration: &Path| {
        desk.countersign(&["list"])
            .env("SOFTHSM2_CONF", configuration)
            .env("COUNTERSIGN_MODULE", softhsm_module())
            .go()
    };
    run(Path::new("/nowhere/softhsm2.conf"))
        .exits(3)
        .says("finds no configuration")
        .says("help: set SOFTHSM2_CONF");
    let conf = desk.write("softhsm2.conf", b"log.level = ERROR\n");
    let said = run(&conf);
    assert!(said.stderr().contains("names no folder of tokens"), "{}", said.stderr());
    let conf =
        desk.write("softhsm2.conf", format!("directories.tokendir = {}\n", folder.display()).as_bytes());
    let said = run(&conf);
    assert!(said.stderr().contains("help: mkdir -p"), "{}", said.stderr());
    fs::create_dir(&folder).unwrap();
    let surround = |run: Run| run.env("SOFTHSM2_CONF", &conf).env("COUNTERSIGN_MODULE", softhsm_module());
    all_say(&desk, surround, "SoftHSM has no device in", "softhsm2-util --init-token --free --label NAME");
}

#[test]
fn errors_of_p11_kits_client_name_its_server() {
    let desk = Desk::without_device();
    let client = module("p11-kit-client.so");
    let run = |address: &str| {
        let run = desk.countersign(&["sign", "tokens.json"]).env("COUNTERSIGN_MODULE", &client);
        run.env("P11_KIT_SERVER_ADDRESS", address).go()
    };
    desk.write("tokens.json", UNSIGNED);
    let none = run("unix:path=/nowhere/officer.sock");
    none.exits(3)
        .says("no p11-kit server answers at /nowhere/officer.sock")
        .says("help: start p11-kit server");
}

#[test]
fn a_slot_that_cannot_be_read_is_shown_as_that() {
    let desk = Desk::new();
    let failing = "C_GetTokenInfo=0x30";
    let run = |arguments: &[&str]| behind_faults(desk.countersign(arguments), &desk, failing).go();
    let done = run(&["list"]).exits(3);
    assert!(
        done.stdout().contains("cannot be read: C_GetTokenInfo said CKR_DEVICE_ERROR"),
        "{}",
        done.stdout()
    );
    assert!(!done.stdout().contains("no device"), "{}", done.stdout());
    let document = run(&["list", "--json"]).exits(3).json();
    let slots = document["modules"][0]["unreadable_slots"].as_array().unwrap();
    assert_eq!(slots[0]["fault"], "C_GetTokenInfo said CKR_DEVICE_ERROR");
    faults(&run(&["doctor", "--json"]).exits(3).json());
    // One that fails hides no other: SoftHSM's free slot is read second.
    let one: Done = behind_faults(desk.countersign(&["list"]), &desk, "C_GetTokenInfo:2=0x30").go().exits(3);
    assert!(
        one.stdout().contains("pkcs11:token=officer") && one.stdout().contains("cannot be read"),
        "{}",
        one.stdout()
    );
}

#[test]
fn a_device_that_is_not_initialised_is_listed_and_used_if_it_is_named() {
    // nCipher's modules do not set CKF_TOKEN_INITIALIZED.
    let desk = Desk::new();
    let run = |arguments: &[&str]| {
        desk.write("tokens.json", UNSIGNED);
        behind_faults(desk.countersign(arguments), &desk, "C_GetTokenInfo=noflags:0x400").with_pin().go()
    };
    let listed = run(&["list"]).exits(0);
    let line = "officer (SoftHSM v2, serial";
    assert!(
        listed.stdout().lines().any(|row| row.contains(line) && row.contains("NOT INITIALIZED")),
        "{}",
        listed.stdout()
    );
    let document = run(&["list", "--json"]).exits(0).json();
    let devices = document["modules"][0]["devices"].as_array().unwrap();
    let officer = devices.iter().find(|device| device["label"] == "officer").unwrap();
    assert_eq!(officer["initialised"], false);
    let by_slot = officer["uri"].as_str().unwrap().to_owned();
    assert!(by_slot.contains(&format!("slot-id={}", officer["slot"])), "{by_slot}");
    // Unless named, it is not used, and the error mentions it.
    run(&["sign", "tokens.json"]).exits(3).says("no device is present");
    for key in ["pkcs11:token=officer", &by_slot] {
        run(&["sign", "--key", key, "tokens.json"]).exits(0);
        assert_ne!(desk.read("tokens.json"), UNSIGNED);
    }
    faults(&run(&["doctor", "--json"]).exits(3).json());
}

#[test]
fn an_empty_slot_is_named_with_how_to_initialise_it() {
    let desk = Desk::without_device();
    let configuration = empty_softhsm(&desk);
    let run = |module: &Path, arguments: &[&str]| {
        desk.write("tokens.json", UNSIGNED);
        let run = behind_faults(desk.countersign(arguments), &desk, "").env("SOFTHSM2_CONF", &configuration);
        run.env("COUNTERSIGN_MODULE", module).env("PCSCLITE_CSOCK_NAME", desk.path("nowhere")).go()
    };
    let softhsm = Path::new(softhsm_module());
    let listed = run(softhsm, &["list"]).exits(0).says("softhsm2-util --init-token");
    assert!(listed.stdout().contains("NOT INITIALIZED  pkcs11:slot-id=0"), "{}", listed.stdout());
    let named = run(softhsm, &["sign", "--key", "pkcs11:slot-id=0", "tokens.json"]).exits(3);
    named.says("is not initialized").says("help: initialize it: softhsm2-util --init-token --slot 0");
    run(softhsm, &["keygen", "--device", "pkcs11:slot-id=0", "--label", "k"])
        .exits(3)
        .says("is not initialized");
    // Any other module: how to initialize its devices.
    for (name, help) in [
        ("libtpm2_pkcs11.so", "tpm2_ptool addtoken"),
        ("libopencryptoki.so", "pkcsconf -I -c 0"),
        ("libacme.so", "--slot 0 --init-token --label NAME"),
    ] {
        let done = run(&named_module(&desk, name), &["sign", "tokens.json"]).exits(3);
        done.says("the device in slot 0 of").says("is not initialized").says(help);
    }
}
