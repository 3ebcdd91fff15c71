//! `countersign doctor`: each check as ok, warning or fault, with what to do; and no PIN is tried unasked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::authority::{Authority, Leaf};
use crate::support::clock;
use crate::support::desk::{Desk, PIN, SIGNKEY};
use crate::support::fake_pcscd::{Manner, listen};
use crate::support::faults::{calls, with_faults};
use crate::support::parts::{softhsm_module, tool};
use crate::support::pinned::pinned;
use crate::support::piv_card::{BOTH, MANAGEMENT_KEY, OPENSC, PivCard, YKCS11};
use crate::support::preparing::{pkcs11_tool, put_certificate};
use crate::support::run::Done;

/// The one check of that name, as (status, found, help). Whatever faults there are, each has its help line.
#[track_caller]
fn check(document: &Value, name: &str) -> (String, String, String) {
    let checks = document["checks"].as_array().unwrap();
    let mut faults = checks.iter().filter(|check| check["status"] == "fault");
    assert!(faults.all(|fault| fault["help"].is_string()), "{document:#}");
    let of_name: Vec<&Value> = checks.iter().filter(|check| check["check"] == name).collect();
    let [check] = of_name[..] else { panic!("{} checks of {name}: {document:#}", of_name.len()) };
    let text = |member: &str| check[member].as_str().unwrap_or_default().to_owned();
    (text("status"), text("found"), text("help"))
}

fn doctor(desk: &Desk, arguments: &[&str]) -> Done {
    desk.countersign(&[&["doctor", "--json"], arguments].concat()).with_pin().go()
}

#[test]
fn a_healthy_system_is_said_to_be_one() {
    let desk = Desk::new();
    let arguments = ["doctor", "--sign", "--key", SIGNKEY];
    let steady = |text: &str| {
        let lines = text.lines().map(|line| {
            let words = line.split_whitespace().collect::<Vec<_>>();
            match words.get(1).copied() {
                // Checks that depend on this machine and this moment.
                Some("pcscd" | "scdaemon" | "clock") => format!("…        {}", words[1]),
                _ => steady_words(line),
            }
        });
        lines.map(|line| line + "\n").collect()
    };
    // Another test's scdaemon may be running.
    let verdict = |said: &str| said.replace("No fault was found; 1 warning", "Nothing is wrong");
    let done = desk.countersign(&arguments).with_pin().go().exits(0).map_stdout(steady).map_stderr(verdict);
    pinned("doctor", &desk, &format!("countersign doctor --sign --key '{SIGNKEY}'"), &done);
}

/// Milliseconds and days differ from run to run.
fn steady_words(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let steady = |(index, word): (usize, &&str)| {
        let is_day = word.len() == 10 && word.as_bytes()[4] == b'-';
        let is_time = words.get(index + 1).is_some_and(|next| next.starts_with("ms"));
        if is_time {
            "N".into()
        } else if is_day {
            "DAY".into()
        } else {
            (*word).to_owned()
        }
    };
    words.iter().enumerate().map(steady).collect::<Vec<_>>().join(" ")
}

#[test]
fn no_pin_is_tried_unless_a_signature_is_asked_for() {
    let desk = Desk::new();
    with_faults(&desk, &["doctor", "--key", SIGNKEY], "").go().exits(0);
    assert_eq!((calls(&desk, "C_Login"), calls(&desk, "C_Sign")), (0, 0));
    with_faults(&desk, &["doctor", "--sign", "--key", SIGNKEY], "").go().exits(0);
    assert_eq!((calls(&desk, "C_Login"), calls(&desk, "C_Sign")), (1, 1));
}

#[test]
fn a_wrong_signature_and_a_wrong_pin_are_faults() {
    let desk = Desk::new();
    let sign = ["doctor", "--sign", "--json", "--key", SIGNKEY];
    let done = with_faults(&desk, &sign, "C_Sign=corrupt").go().exits(6);
    let (status, found, _) = check(&done.json(), "signature");
    assert!(status == "fault" && found.contains("does not verify"), "{found}");
    desk.write("wrong", b"999999");
    let done = with_faults(&desk, &[&sign[..], &["--pin-source", "file:wrong"]].concat(), "").go().exits(5);
    assert_eq!(calls(&desk, "C_Login"), 1);
    assert!(check(&done.json(), "PIN").1.contains("is wrong"));
}

#[test]
fn a_module_that_fails_is_named_with_its_reason() {
    let desk = Desk::new();
    let done = doctor(&desk, &["--module", "/nowhere.so"]).exits(3);
    let (status, found, help) = check(&done.json(), "modules");
    assert!(
        status == "fault" && found.contains("/nowhere.so") && help.contains("--module"),
        "{found} {help}"
    );
    done.says("error: 1 fault was found");
}

#[test]
fn p11_kits_modules_are_each_looked_at_and_one_that_is_kept_away_is_found() {
    let desk = Desk::new();
    let folder = desk.path("modules");
    fs::create_dir(&folder).unwrap();
    let softhsm = format!("module: {}\n", softhsm_module());
    fs::write(folder.join("softhsm2.module"), softhsm).unwrap();
    fs::write(folder.join("broken.module"), "module: /nowhere.so\n").unwrap();
    fs::write(folder.join("secret.module"), "module: /secret.so\ndisable-in: firefox, countersign\n")
        .unwrap();
    let script = format!("mount --bind '{}' /usr/share/p11-kit/modules && exec \"$@\"", folder.display());
    let run = desk.countersign_after_mounting(&script, &["doctor", "--json"]);
    let document = run.with_pin().without_env("COUNTERSIGN_MODULE").go().exits(0).json();
    let (status, found, _) = check(&document, "p11-kit");
    assert!(
        status == "warning" && found.contains("secret.module") && found.contains("disable-in"),
        "{found}"
    );
    let modules: Vec<&Value> =
        document["checks"].as_array().unwrap().iter().filter(|check| check["check"] == "module").collect();
    let found = |name: &str| {
        modules.iter().find(|check| check["found"].as_str().unwrap().contains(name)).unwrap_or_else(|| {
            panic!("no {name} in {document:#}");
        })
    };
    assert_eq!(found("softhsm2")["status"], "ok");
    assert_eq!(found("nowhere.so")["status"], "warning");
}

#[test]
fn the_state_of_a_pin_is_told() {
    let desk = Desk::new();
    for (flags, status, words, code) in [
        ("0x40000", "fault", "the PIN is locked", 5),
        ("0x20000", "warning", "one attempt is left", 0),
        ("0x10000", "warning", "wrong PINs were tried", 0),
        ("0x100", "ok", "the PIN is entered on the device", 0),
    ] {
        let faults = format!("C_GetTokenInfo=flags:{flags}");
        let done = with_faults(&desk, &["doctor", "--json"], &faults).go().exits(code);
        let (found_status, found, _) = check(&done.json(), "device");
        assert!(found_status == status && found.contains(words), "{flags}: {found_status} {found}");
    }
    let done = with_faults(&desk, &["doctor", "--json"], "C_GetTokenInfo=noflags:0x8").go().exits(5);
    assert!(check(&done.json(), "device").1.contains("no user PIN is set"));
}

#[test]
fn a_key_that_is_not_there_and_a_device_that_is_not_there_are_faults() {
    let desk = Desk::new();
    let document = doctor(&desk, &["--key", "pkcs11:token=nobody;id=%01"]).exits(3).json();
    let (status, found, _) = check(&document, "key");
    assert!(status == "fault" && found.contains("pkcs11:token=nobody"), "{found}");
    fs::remove_dir_all(desk.path("device/tokens")).unwrap();
    fs::create_dir(desk.path("device/tokens")).unwrap();
    let document = doctor(&desk, &[]).exits(3).json();
    assert_eq!(check(&document, "device").1, "none is present");
}

#[test]
fn a_certificate_that_ends_soon_has_ended_or_is_of_another_key_is_told() {
    let desk = Desk::provisioned(&["--keys", "signkey,rsa3072"]);
    let authority = Authority::new();
    let replace = |days: f64, key: &str| {
        let public = format!("{key}.pub");
        let uri = format!("pkcs11:object={key};type=private");
        desk.countersign(&["public-key", "--key", &uri, "-o", &public]).go().exits(0);
        let leaf = Leaf { valid_days: Some((-30.0, days)), ..Leaf::default() };
        authority.issue(&desk.path(&public), &leaf, &desk.path("new.pem"));
        pkcs11_tool(&desk, &["--delete-object", "--type", "cert", "--id", "01"]);
        put_certificate(&desk, "new.pem", "01", "signkey");
        doctor(&desk, &["--key", SIGNKEY])
    };
    let (status, found, _) = check(&replace(10.0, "signkey").exits(0).json(), "certificate");
    assert!(status == "warning" && found.contains("is valid for 9 days 23 hours more"), "{found}");
    let (status, found, help) = check(&replace(-1.0, "signkey").exits(0).json(), "certificate");
    assert!(status == "warning" && found.contains("expired on"), "{found}");
    assert!(help.contains("Roles Anywhere refuses it"), "{help}");
    let (status, found, _) = check(&replace(100.0, "rsa3072").exits(4).json(), "certificate");
    assert!(status == "fault" && found.contains("a key that is not its own"), "{found}");
}

#[test]
fn pcscd_is_asked_whether_it_answers() {
    let desk = Desk::new();
    let socket = desk.path("pcscd.comm");
    let opensc = "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so";
    let run = |module: &str| {
        let run = desk.countersign(&["doctor", "--json", "--module", module]);
        run.with_pin().env("PCSCLITE_CSOCK_NAME", &socket).go()
    };
    // No reader is plugged into a machine that runs tests.
    let (status, found, help) = check(&run(opensc).json(), "pcscd");
    assert!(status == "fault" && found.contains("does not run"), "{status} {found}");
    assert!(help.contains("pcscd.socket"), "{help}");
    // A pcscd that accepts connections and says nothing.
    listen(&socket, Manner::IsSilent);
    let (status, found, help) = check(&run(softhsm_module()).json(), "pcscd");
    assert!(status == "fault" && found.contains("does not answer"), "{found}");
    assert_eq!(help, "systemctl restart pcscd");
    fs::remove_file(&socket).unwrap();
    let socket_path = socket.clone();
    let listener = UnixListener::bind(&socket).unwrap();
    // A pcscd that accepts no connections, and whose queue is full.
    rustix::net::listen(&listener, 0).unwrap();
    let waiting: Vec<_> = (0..200)
        .map_while(|_| {
            let socket =
                rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM, None)
                    .ok()?;
            rustix::io::ioctl_fionbio(&socket, true).ok()?;
            let address = rustix::net::SocketAddrUnix::new(&socket_path).ok()?;
            rustix::net::connect(&socket, &address).ok().map(|()| socket)
        })
        .collect();
    let hanging = desk.countersign(&["doctor", "--timeout", "2", "--module", opensc]);
    let done = hanging.env("PCSCLITE_CSOCK_NAME", &socket).go().exits(3);
    assert!(
        done.stdout().contains("FAULT    pcscd") && done.stdout().contains("it accepts nobody"),
        "{}",
        done.stdout()
    );
    done.says("has not answered for 2 seconds (C_Initialize)");
    drop((waiting, listener));
}

#[test]
fn what_is_at_fault_with_a_card_is_named_first() {
    let (mut card, desk) = (
        PivCard::inserted(&["--blank", "--key", "9a=rsa2048", "--key", "9c=rsa2048"]),
        Desk::without_device(),
    );
    // The certificate of the key that was in the slot before.
    card.ykman(&desk, &["keys", "generate", "--management-key", MANAGEMENT_KEY, "9c", "pub.pem"]);
    let first_fault = |card: &PivCard, module: &str, pin: &str, key: &str, code: i32| {
        let run = card.countersign(&desk, module, &["doctor", "--sign", "--json", "--key", key]);
        let document = run.env("COUNTERSIGN_PIN_SOURCE", card.pin_source(pin)).go().exits(code).json();
        let checks = document["checks"].as_array().unwrap();
        let fault = checks.iter().find(|check| check["status"] == "fault").unwrap();
        assert!(fault["help"].is_string(), "{document:#}");
        format!("{}: {}", fault["check"].as_str().unwrap(), fault["found"].as_str().unwrap())
    };
    for module in BOTH {
        for (pin, key, code, start, words) in [
            ("000000", "pkcs11:id=%01", 5, "PIN: ", "is wrong"),
            (PIN, "pkcs11:id=%04", 4, "key: ", "no private key on"),
        ] {
            let said = first_fault(&card, module, pin, key, code);
            assert!(said.starts_with(start) && said.contains(words), "{module}: {said}");
        }
        // Any right one restores the attempts.
        card.countersign(&desk, module, &["doctor", "--sign", "--key", "pkcs11:id=%01"]).go().exits(0);
    }
    let said = first_fault(&card, YKCS11, PIN, "pkcs11:id=%02", 4);
    assert!(said.starts_with("certificate: ") && said.contains("a key that is not its own"), "{said}");
    // OpenSC knows the key by its certificate alone.
    let said = first_fault(&card, OPENSC, PIN, "pkcs11:id=%02", 6);
    assert!(
        said.starts_with("signature: ") && said.contains("does not verify under its public key"),
        "{said}"
    );
    // A card that has taken the PIN does not show its counter until it is inserted again.
    card.pull();
    fs::write(card.path("pin-tries"), "0").unwrap();
    card.insert(&[]);
    for module in BOTH {
        let said = first_fault(&card, module, PIN, "pkcs11:id=%01", 5);
        assert!(said.starts_with("device: ") && said.ends_with("the PIN is locked"), "{module}: {said}");
    }
    card.pull();
    for module in BOTH {
        let said = first_fault(&card, module, PIN, "pkcs11:id=%01", 3);
        assert!(said.starts_with("card: no card is in any of the readers"), "{module}: {said}");
    }
}

#[test]
fn a_scdaemon_that_may_hold_the_key_is_found() {
    let desk = Desk::new();
    let program = desk.path("scdaemon");
    fs::copy("/usr/bin/sleep", &program).unwrap();
    let mut running = Command::new(&program).arg("60").stdin(Stdio::null()).spawn().unwrap();
    let document = doctor(&desk, &[]).json();
    running.kill().unwrap();
    running.wait().unwrap();
    let (status, found, help) = check(&document, "scdaemon");
    assert!(status == "warning" && help.contains("gpgconf --kill scdaemon"), "{found}");
}

#[test]
fn a_clock_that_cannot_be_right_is_a_fault() {
    let desk = Desk::new();
    let run = clock::at(desk.countersign(&["doctor", "--json"]), "2020-01-01 00:00:00");
    let (status, found, _) = check(&run.with_pin().go().exits(1).json(), "clock");
    assert!(status == "fault" && found.contains("2020-01-01"), "{found}");
}

#[test]
fn who_can_read_the_pin_and_whether_it_can_be_read_is_told() {
    let desk = Desk::new();
    let of = |source: &str| check(&doctor(&desk, &["--pin-source", source]).json(), "PIN source");
    assert_eq!(of("file:device/pin").0, "ok");
    fs::set_permissions(desk.path("device/pin"), fs::Permissions::from_mode(0o644)).unwrap();
    let (status, found, _) = of("file:device/pin");
    assert!(status == "warning" && found.contains("can be read by others (mode 0644)"), "{found}");
    assert_eq!(of("file:nowhere").0, "fault");
    desk.write("empty", b"");
    fs::set_permissions(desk.path("empty"), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(of("file:empty").1.contains("is empty"));
    assert_eq!(of("env:NOT_THERE").0, "fault");
    assert_eq!(of("file:device").0, "fault");
    desk.write("two-lines", b"123456\nsecond\n");
    fs::set_permissions(desk.path("two-lines"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(of("file:two-lines").0, "fault");
    let (status, found, _) = of("prompt");
    assert!(status == "warning" && found.contains("there is none"), "{found}");
}

#[test]
fn what_modules_write_while_they_are_loaded_is_kept_away() {
    // tpm2-pkcs11 without a TPM writes many lines; a module that writes as it is loaded stands in for all of them.
    let desk = Desk::new();
    desk.write(
        "noisy.c",
        b"#include <unistd.h>\n__attribute__((constructor)) static void start(void) { write(2, \"NOISE\\n\", 6); }\n",
    );
    let module = desk.path("noisy.so");
    tool(
        "gcc",
        &["-shared", "-o", module.to_str().unwrap(), desk.path("noisy.c").to_str().unwrap()]
            .map(AsRef::as_ref),
    );
    let list = ["list", "--module", module.to_str().unwrap()];
    let quiet = desk.countersign(&list).go().exits(3);
    assert!(!quiet.stderr().contains("NOISE") && quiet.stderr().contains("error: "), "{}", quiet.stderr());
    desk.countersign(&[&list[..], &["-v"]].concat()).go().exits(3).says("NOISE");
}
