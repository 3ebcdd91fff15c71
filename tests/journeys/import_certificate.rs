//! `countersign import-certificate`: only the key's own certificate, and never a moment without one.

use std::process::Child;
use std::time::{Duration, Instant};

use crate::support::authority::{Authority, Leaf};
use crate::support::desk::Desk;
use crate::support::faults::{calls, with_faults};
use crate::support::openssl::{openssl, openssl_accepts};
use crate::support::pinned::pinned;
use crate::support::preparing::{
    CERTIFICATE, KEY, certificate_of, desk_with_key, import, issue, labels, p11tool, pkcs11_tool, text, uri,
    without_what_varies,
};
use crate::support::token_files::UNSIGNED;

const COMMAND: &str = "countersign import-certificate --key 'pkcs11:token=officer;id=%01;type=private'";

/// What another tool finds on the device.
fn objects(desk: &Desk) -> String {
    pkcs11_tool(desk, &["--list-objects"])
}

/// Asserts that the URI of its certificate is enough for the key to sign.
#[track_caller]
fn signs_by_certificate(desk: &Desk) {
    desk.write("tokens.json", UNSIGNED);
    desk.countersign(&["sign", "--key", CERTIFICATE, "tokens.json"]).with_pin().go().exits(0);
    assert!(openssl_accepts(desk, "tokens.json", "officer.pub"));
}

#[test]
fn a_certificate_is_stored_with_what_other_programs_look_for() {
    let (desk, authority) = (desk_with_key("rsa:2048"), Authority::new());
    issue(
        &desk,
        &authority,
        &Leaf { subject: "/C=US/O=Example/CN=server1-demo", ..Leaf::default() },
        "officer.pem",
    );
    let done = import(&desk, &["officer.pem"]).exits(0);
    assert_eq!(uri(&done), CERTIFICATE);
    pinned("import", &desk, &format!("{COMMAND} officer.pem"), &done);

    let listed = pkcs11_tool(&desk, &["--list-objects", "--type", "cert"]);
    let serial = openssl(&["x509", "-in", &text(&desk, "officer.pem"), "-noout", "-serial"]);
    let serial = String::from_utf8(serial).unwrap();
    for attribute in [
        "label:      signkey",
        "subject:    DN: C=US, O=Example, CN=server1-demo",
        &format!("serial:     {}", serial.trim().trim_start_matches("serial=")),
        "ID:         01",
    ] {
        assert!(listed.contains(attribute), "{attribute} is not in: {listed}");
    }
    assert_eq!(
        p11tool(&desk, &["--export", CERTIFICATE]).trim(),
        String::from_utf8(desk.read("officer.pem")).unwrap().trim()
    );
    for (name, attribute) in ["serial number", "issuer", "subject"].iter().zip(parts_of_certificate(&desk)) {
        assert_eq!(
            times_on_device(&desk, &attribute),
            2,
            "{name}: in the certificate, and as an attribute in DER"
        );
    }
    signs_by_certificate(&desk);
}

/// The serial number, the issuer and the subject of officer.pem in DER.
fn parts_of_certificate(desk: &Desk) -> [Vec<u8>; 3] {
    let certificate = text(desk, "officer.pem");
    let parsed = String::from_utf8(openssl(&["asn1parse", "-in", &certificate])).unwrap();
    let der = openssl(&["x509", "-in", &certificate, "-outform", "DER"]);
    // "   15:d=2  hl=2 l=  20 prim: INTEGER": version, serial number, algorithm, issuer, validity, subject.
    let fields: Vec<&str> = parsed.lines().filter(|line| line.contains(":d=2 ")).collect();
    [1, 3, 5].map(|index| {
        let numbers: Vec<usize> = fields[index]
            .split(|character: char| !character.is_ascii_digit())
            .filter_map(|number| number.parse().ok())
            .collect();
        let (start, header, length) = (numbers[0], numbers[2], numbers[3]);
        der[start..start + header + length].to_vec()
    })
}

/// SoftHSM stores public data unchanged.
fn times_on_device(desk: &Desk, bytes: &[u8]) -> usize {
    let folders = std::fs::read_dir(desk.path("device/tokens")).unwrap().map(|folder| folder.unwrap().path());
    let files =
        folders.flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|file| file.unwrap().path());
    let times = |file| {
        let content = std::fs::read(file).unwrap();
        content.windows(bytes.len()).filter(|window| *window == bytes).count()
    };
    files.map(times).sum()
}

#[test]
fn another_key_s_certificate_is_refused() {
    let (desk, authority) = (desk_with_key("rsa:2048"), Authority::new());
    authority.issue_with_key(desk.folder(), "other", &["RSA"], &Leaf::default());
    let before = objects(&desk);
    let done = import(&desk, &["other.pem"]).exits(4);
    pinned("import_other_key", &desk, &format!("{COMMAND} other.pem"), &without_what_varies(done));
    import(&desk, &["--replace", "--with-chain", "other.pem"]).exits(4);
    assert_eq!(objects(&desk), before);
}

#[test]
fn the_leaf_is_found_anywhere_in_the_file() {
    let authority = Authority::with_intermediate();
    let read = |path: std::path::PathBuf| std::fs::read(path).unwrap();
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let desk = desk_with_key("ec:p256");
        issue(&desk, &authority, &Leaf::default(), "officer.pem");
        let all = [desk.read("officer.pem"), read(authority.intermediates()), read(authority.anchor())];
        desk.write("all.pem", &order.map(|index| all[index].clone()).concat());
        import(&desk, &["all.pem"]).exits(0);
        assert_eq!(labels(&desk, "cert"), ["signkey"], "only the leaf");
        // The same again, now with the certificates above it.
        let again = import(&desk, &["--with-chain", "all.pem"]).exits(0);
        let again = again
            .says("This certificate is already on the device")
            .says("Above it: CN=countersign test root");
        assert_eq!(uri(&again), CERTIFICATE);
        assert_eq!(labels(&desk, "cert").len(), 3);
        import(&desk, &["--with-chain", "all.pem"]).exits(0);
        assert_eq!(labels(&desk, "cert").len(), 3, "none twice");
        assert_eq!(certificate_of(&desk, KEY).as_bytes(), desk.read("officer.pem"));
    }
}

/// draft-woodhouse-cert-best-practice: an id is bytes; a CA certificate's is derived from its public key.
#[test]
fn ca_certificates_get_a_binary_id_of_their_own() {
    let (desk, authority) = (desk_with_key("ec:p256"), Authority::new());
    issue(&desk, &authority, &Leaf::default(), "officer.pem");
    let root = std::fs::read(authority.anchor()).unwrap();
    desk.write("all.pem", &[desk.read("officer.pem"), root].concat());
    import(&desk, &["--with-chain", "all.pem"]).exits(0);
    let listed = pkcs11_tool(&desk, &["--list-objects", "--type", "cert"]);
    let id = listed
        .lines()
        .filter_map(|line| line.trim().strip_prefix("ID:"))
        .map(str::trim)
        .find(|id| *id != "01");
    let id = id.expect("the root's id");
    let bytes: Vec<u8> =
        (0..id.len()).step_by(2).map(|at| u8::from_str_radix(&id[at..at + 2], 16).unwrap()).collect();
    assert!(
        !bytes.iter().all(u8::is_ascii_hexdigit),
        "the id is the text of a number: {}",
        String::from_utf8_lossy(&bytes)
    );
}

#[test]
fn der_and_stdin_work_too() {
    let (desk, authority) = (desk_with_key("ec:p384"), Authority::new());
    issue(&desk, &authority, &Leaf::default(), "officer.pem");
    let der = openssl(&["x509", "-in", &text(&desk, "officer.pem"), "-outform", "DER"]);
    desk.write("officer.der", &der);
    import(&desk, &["officer.der"]).exits(0);
    let from_stdin = desk.countersign(&["import-certificate", "--key", KEY, "-"]).with_pin();
    from_stdin
        .stdin(&desk.read("officer.pem"))
        .go()
        .exits(0)
        .says("This certificate is already on the device.");
    // With the text that openssl x509 -text and mail programs add.
    let with_text = openssl(&["x509", "-in", &text(&desk, "officer.pem"), "-text"]);
    desk.write("officer.txt", &[b"Dear officer,\r\n".as_slice(), &with_text, b"regards\n"].concat());
    import(&desk, &["officer.txt"]).exits(0).says("This certificate is already on the device.");
}

#[test]
fn what_is_not_a_certificate_is_refused_before_the_pin_is_asked_for() {
    let desk = desk_with_key("ec:p256");
    desk.countersign(&["csr", "--key", KEY, "--subject", "CN=a", "-o", "csr.pem"]).with_pin().go().exits(0);
    desk.write("garbage.pem", b"no certificate");
    desk.write("empty.pem", b"");
    desk.write("cut.pem", b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    desk.write("open.pem", b"-----BEGIN CERTIFICATE-----\nMIIB\n");
    desk.write("cut.der", b"\x30\x82\x01\x00\x30");
    for (name, file) in [
        ("import_request", "csr.pem"),
        ("import_garbage", "garbage.pem"),
        ("import_public_key", "officer.pub"),
        ("import_cut_off", "cut.pem"),
    ] {
        let done = desk.countersign(&["import-certificate", "--key", KEY, file]).go().exits(7);
        pinned(name, &desk, &format!("{COMMAND} {file}"), &done);
    }
    for file in ["empty.pem", "open.pem", "cut.der"] {
        desk.countersign(&["import-certificate", "--key", KEY, file]).go().exits(7).says(file);
    }
    let missing = desk.countersign(&["import-certificate", "--key", KEY, "nowhere.pem"]).go().exits(1);
    assert!(!missing.stderr().contains("CloudHSM CLI"), "which writes no certificates: {}", missing.stderr());
    assert_eq!(labels(&desk, "cert"), [""; 0]);
}

#[test]
fn exactly_one_key_must_be_named() {
    let (desk, authority) = (desk_with_key("ec:p256"), Authority::new());
    issue(&desk, &authority, &Leaf::default(), "officer.pem");
    let run = |options: &[&str]| {
        desk.countersign(&[&["import-certificate"], options, &["officer.pem"]].concat()).with_pin().go()
    };
    pinned("import_no_key", &desk, "countersign import-certificate officer.pem", &run(&[]).exits(2));
    run(&["--key", KEY, "--key", "pkcs11:token=other"]).exits(2).says("--key is given 2 times");
    run(&["--key", "pkcs11:token=officer;id=%09"]).exits(4);
    run(&["--key", "pkcs11:token=other;id=%01"]).exits(3);
    assert_eq!(labels(&desk, "cert"), [""; 0]);
}

/// A desk whose key has a certificate, `old.pem`, and is to get another, `new.pem`.
fn desk_to_renew() -> Desk {
    let (desk, authority) = (desk_with_key("rsa:2048"), Authority::new());
    issue(&desk, &authority, &Leaf { valid_days: Some((-1.0, 5.0)), ..Leaf::default() }, "old.pem");
    issue(&desk, &authority, &Leaf::default(), "new.pem");
    import(&desk, &["old.pem"]).exits(0);
    desk
}

fn has(desk: &Desk, certificate: &str) {
    assert_eq!(certificate_of(desk, KEY).as_bytes(), desk.read(certificate), "{certificate}");
    signs_by_certificate(desk);
}

/// Asserts that repeating the command completes the renewal.
#[track_caller]
fn finishes_when_repeated(desk: &Desk) {
    import(desk, &["--replace", "new.pem"]).exits(0);
    has(desk, "new.pem");
    assert_eq!(labels(desk, "cert"), ["signkey"], "the old one is gone");
}

#[test]
fn a_renewal_must_be_requested() {
    let desk = desk_to_renew();
    let done = import(&desk, &["new.pem"]).exits(4);
    pinned("import_has_certificate", &desk, &format!("{COMMAND} new.pem"), &without_what_varies(done));
    has(&desk, "old.pem");
    let done = import(&desk, &["--replace", "new.pem"]).exits(0);
    pinned("import_replace", &desk, &format!("{COMMAND} --replace new.pem"), &done);
    assert_eq!(labels(&desk, "cert"), ["signkey"], "the old one is gone");
    has(&desk, "new.pem");
    finishes_when_repeated(&desk);
}

#[test]
fn a_renewal_leaves_other_keys_certificates_alone() {
    let desk = desk_to_renew();
    let other = Authority::new();
    std::fs::copy(other.anchor(), desk.path("root.pem")).unwrap();
    crate::support::preparing::put_certificate(&desk, "root.pem", "01", "same id, another key");
    crate::support::preparing::put_certificate(&desk, "root.pem", "44", "signkey");
    import(&desk, &["--replace", "new.pem"]).exits(0);
    assert_eq!(labels(&desk, "cert"), ["same id, another key", "signkey", "signkey"]);
    has(&desk, "new.pem");
}

#[test]
fn a_device_that_refuses_a_certificate_keeps_the_old_one() {
    for (name, faults) in [
        ("import_full", "C_CreateObject=0x31"),
        ("import_read_only", "C_OpenSession=rw:0xe2"),
        ("import_pulled_out", "C_CreateObject=gone:0x32"),
    ] {
        let desk = desk_to_renew();
        let arguments = ["import-certificate", "--key", KEY, "--replace", "new.pem"];
        let done = with_faults(&desk, &arguments, faults).go().exits(3);
        pinned(name, &desk, &format!("{COMMAND} --replace new.pem"), &done);
        assert!(done.stdout().is_empty());
        assert_eq!(calls(&desk, "C_DestroyObject"), 0, "{name}");
        has(&desk, "old.pem");
        assert_eq!(labels(&desk, "cert"), ["signkey"]);
        finishes_when_repeated(&desk);
    }
}

#[test]
fn an_old_certificate_that_cannot_be_removed_is_reported() {
    let desk = desk_to_renew();
    let arguments = ["import-certificate", "--key", KEY, "--replace", "new.pem"];
    let done = with_faults(&desk, &arguments, "C_DestroyObject=0x30").go().exits(3);
    pinned("import_not_removed", &desk, &format!("{COMMAND} --replace new.pem"), &done);
    // Both are there; the newer one counts.
    assert_eq!(labels(&desk, "cert").len(), 2);
    has(&desk, "new.pem");
    finishes_when_repeated(&desk);
}

#[test]
fn a_new_certificate_that_is_not_there_afterwards_costs_nothing() {
    let desk = desk_to_renew();
    let arguments = ["import-certificate", "--key", KEY, "--replace", "new.pem"];
    // The device fails when it is searched for.
    with_faults(&desk, &arguments, "C_FindObjectsInit:6=0x30").go();
    assert!(!labels(&desk, "cert").is_empty());
    signs_by_certificate(&desk);
    finishes_when_repeated(&desk);
}

#[test]
fn a_renewal_that_is_killed_in_the_middle_leaves_a_certificate_and_can_be_repeated() {
    for (call, then_has) in [("C_CreateObject", "old.pem"), ("C_DestroyObject", "new.pem")] {
        let desk = desk_to_renew();
        let arguments = ["import-certificate", "--key", KEY, "--replace", "new.pem"];
        let mut run = with_faults(&desk, &arguments, &format!("{call}=delay:30000"));
        let mut child = Killed(run.command.spawn().unwrap());
        let start = Instant::now();
        while !desk.path("calls").exists() || calls(&desk, call) == 0 {
            assert!(start.elapsed() < Duration::from_secs(20), "{call} is not made");
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill();
        has(&desk, then_has);
        finishes_when_repeated(&desk);
    }
}

/// A run that is ended as if by a power cut.
struct Killed(Child);

impl Killed {
    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
fn of_two_certificates_of_the_key_in_one_file_the_one_that_expires_last_is_stored() {
    for order in [["old.pem", "new.pem"], ["new.pem", "old.pem"]] {
        let (desk, authority) = (desk_with_key("ec:p256"), Authority::new());
        issue(&desk, &authority, &Leaf::expired(), "old.pem");
        issue(&desk, &authority, &Leaf::default(), "new.pem");
        desk.write("both.pem", &order.map(|name| desk.read(name)).concat());
        import(&desk, &["both.pem"]).exits(0);
        assert!(
            certificate_of(&desk, KEY).as_bytes() == desk.read("new.pem"),
            "{order:?}: the expired one was stored"
        );
    }
}

/// How a device behaves whose ids are unique to each object, like a YubiHSM 2's.
const OWN_IDS: &str = "C_CreateObject=own-ids";

#[test]
fn a_renewal_works_if_each_object_has_an_id_of_its_own() {
    let desk = desk_to_renew();
    let arguments = ["import-certificate", "--key", KEY, "--replace", "new.pem"];
    let done = with_faults(&desk, &arguments, OWN_IDS).go().exits(0);
    assert_eq!(uri(&done), CERTIFICATE);
    has(&desk, "new.pem");
    assert_eq!(labels(&desk, "cert"), ["signkey"], "neither the old one nor a copy is left");
    // Never a moment without one: the new one is stored before the old one is removed.
    let log = String::from_utf8(desk.read("calls")).unwrap();
    let made: Vec<&str> =
        log.lines().filter(|call| ["C_CreateObject", "C_DestroyObject"].contains(call)).collect();
    assert_eq!(
        made,
        ["C_CreateObject", "C_CreateObject", "C_DestroyObject", "C_CreateObject", "C_DestroyObject"]
    );
}

#[test]
fn a_chain_is_stored_where_ids_are_short() {
    let (desk, authority) = (desk_with_key("rsa:2048"), Authority::with_intermediate());
    issue(&desk, &authority, &Leaf::default(), "officer.pem");
    let above = std::fs::read(authority.intermediates()).unwrap();
    desk.write("chain.pem", &[desk.read("officer.pem"), above].concat());
    let arguments = ["import-certificate", "--key", KEY, "--with-chain", "chain.pem"];
    with_faults(&desk, &arguments, OWN_IDS).go().exits(0).says("Above it: CN=countersign test intermediate");
    assert_eq!(labels(&desk, "cert").len(), 2);
}

#[test]
fn if_each_object_has_an_id_of_its_own_a_failing_device_or_a_killed_run_leaves_a_certificate() {
    let arguments = ["import-certificate", "--key", KEY, "--replace", "new.pem"];
    // Of the calls that create an object, the first is refused, the second stores under another id, the third
    // under the key's.
    for (fault, code, then_has, says) in [
        ("C_CreateObject:2=0x31", 3, "old.pem", "did not store the certificate"),
        ("C_DestroyObject:1=0x30", 3, "new.pem", "an old one could not be removed"),
        ("C_CreateObject:3=0x30", 3, "new.pem", "could not be given the key's ID"),
        ("C_DestroyObject:2=0x30", 3, "new.pem", "an old one could not be removed"),
    ] {
        let desk = desk_to_renew();
        let faults = format!("{OWN_IDS},{fault}");
        with_faults(&desk, &arguments, &faults).go().exits(code).says(says);
        assert_eq!(certificate_of(&desk, KEY).as_bytes(), desk.read(then_has), "{fault}");
        with_faults(&desk, &arguments, OWN_IDS).go().exits(0);
        has(&desk, "new.pem");
        assert_eq!(labels(&desk, "cert"), ["signkey"], "{fault}");
    }
    for (call, nth, then_has) in [
        ("C_DestroyObject", 1, "new.pem"),
        ("C_CreateObject", 3, "new.pem"),
        ("C_DestroyObject", 2, "new.pem"),
    ] {
        let desk = desk_to_renew();
        let mut run = with_faults(&desk, &arguments, &format!("{OWN_IDS},{call}:{nth}=delay:30000"));
        let mut child = Killed(run.command.spawn().unwrap());
        let start = Instant::now();
        while !desk.path("calls").exists() || calls(&desk, call) < nth {
            assert!(start.elapsed() < Duration::from_secs(20), "{call} is not made");
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill();
        assert_eq!(certificate_of(&desk, KEY).as_bytes(), desk.read(then_has), "{call}:{nth}");
        with_faults(&desk, &arguments, OWN_IDS).go().exits(0);
        has(&desk, "new.pem");
        assert_eq!(labels(&desk, "cert"), ["signkey"], "{call}:{nth}");
    }
}
