//! What Yubico's own tool and openssl find in the simulation, so that it is not only our opinion.

use std::process::Output;

use crate::support::desk::Desk;
use crate::support::openssl::openssl;
use crate::support::preparing::text;
use crate::support::yubihsm::YubiHsm;

const ALL: &str = "sign-pkcs,sign-pss,sign-ecdsa";

#[test]
fn yubihsm_shell_knows_the_device_and_its_first_key() {
    let device = YubiHsm::new();
    let info = device.shell(&["--action", "get-device-info"]);
    for part in ["Version number:\t\t2.4.1", "Serial number:\t\t7550112", "rsa2048", "ecp384"] {
        assert!(info.contains(part), "{part}: {info}");
    }
    let objects = device.shell(&["--action", "list-objects"]);
    assert!(objects.contains("Found 1 object(s)"), "{objects}");
    assert!(objects.contains("DEFAULT AUTHKEY CHANGE THIS ASAP"), "{objects}");
    let random = device.shell(&["--action", "get-pseudo-random", "--count", "16", "--outformat", "hex"]);
    assert!(random.lines().any(|line| line.trim().len() == 32), "{random}");
}

#[test]
fn openssl_accepts_what_yubihsm_shell_has_signed() {
    let (device, desk) = (YubiHsm::new(), Desk::without_device());
    desk.write("data", b"any bytes");
    let [data, public, signature] = ["data", "key.pub", "signature"].map(|name| text(&desk, name));
    let pss = ["-sigopt", "rsa_padding_mode:pss"];
    for (id, algorithm, action, hash, options) in [
        ("0x0101", "rsa2048", "sign-pkcs1v15", "rsa-pkcs1-sha256", &[][..]),
        ("0x0102", "rsa2048", "sign-pss", "rsa-pss-sha256", &pss),
        ("0x0103", "rsa3072", "sign-pkcs1v15", "rsa-pkcs1-sha256", &[]),
        ("0x0104", "ecp256", "sign-ecdsa", "ecdsa-sha256", &[]),
        ("0x0105", "ecp384", "sign-ecdsa", "ecdsa-sha256", &[]),
        ("0x0106", "ecp521", "sign-ecdsa", "ecdsa-sha256", &[]),
    ] {
        device.make_key(id, algorithm, algorithm, ALL, "all");
        device.shell(&["--action", "get-public-key", "--object-id", id, "--out", &public]);
        let sign = ["--action", action, "--object-id", id, "--algorithm", hash, "--outformat", "bin"];
        device.shell(&[&sign[..], &["--in", &data, "--out", &signature]].concat());
        let verify = ["dgst", "-sha256", "-verify", &public, "-signature", &signature];
        openssl(&[&verify, options, &[&data]].concat());
        for name in ["key.pub", "signature"] {
            std::fs::remove_file(desk.path(name)).unwrap();
        }
    }
}

#[test]
fn an_attestation_leads_to_the_root_and_says_what_the_key_is() {
    let (device, desk) = (YubiHsm::new(), Desk::without_device());
    device.make_key("0x0102", "signkey", "ecp256", "sign-ecdsa", "1,16");
    let [attestation, certificate] = ["attestation.pem", "device.pem"].map(|name| text(&desk, name));
    let attest =
        ["--action", "sign-attestation-certificate", "--object-id", "0x0102", "--attestation-id", "0"];
    device.shell(&[&attest[..], &["--out", &attestation]].concat());
    let get = ["--action", "get-opaque", "--object-id", "0", "--outformat", "PEM", "--out", &certificate];
    device.shell(&get);
    let [root, intermediate] = ["attestation-root.pem", "attestation-intermediate.pem"]
        .map(|name| device.memory(name).to_str().unwrap().to_owned());
    let above = ["-untrusted", &certificate, "-untrusted", &intermediate];
    openssl(&[&["verify", "-CAfile", &root][..], &above, &[&attestation]].concat());
    let read = openssl(&["asn1parse", "-in", &attestation]);
    let read = String::from_utf8(read).unwrap();
    // Version, serial number, origin, domains, capabilities, id and label, as devices encode them.
    for extension in [
        "[HEX DUMP]:0403020401",
        "[HEX DUMP]:02037334A0",
        "[HEX DUMP]:03020001",
        "[HEX DUMP]:0303008001",
        "[HEX DUMP]:0309000000000000000080",
        "[HEX DUMP]:02020102",
        "[HEX DUMP]:0C077369676E6B6579",
    ] {
        assert!(read.contains(extension), "{extension}: {read}");
    }
}

#[test]
fn certificates_are_opaque_objects_that_can_be_taken_out_and_deleted() {
    let (device, desk) = (YubiHsm::new(), Desk::without_device());
    let [key, pem, back] = ["key", "certificate.pem", "back.pem"].map(|name| text(&desk, name));
    let new =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=a"];
    openssl(&[&new[..], &["-keyout", &key, "-out", &pem]].concat());
    let put = ["--action", "put-opaque", "--object-id", "0x0203", "--label", "mine", "--informat", "PEM"];
    device.shell(&[&put[..], &["--algorithm", "opaque-x509-certificate", "--in", &pem]].concat());
    let get = ["--action", "get-opaque", "--object-id", "0x0203", "--outformat", "PEM", "--out", &back];
    device.shell(&get);
    assert_eq!(desk.read("back.pem"), desk.read("certificate.pem"));
    device.shell(&["--action", "delete-object", "--object-id", "0x0203", "--object-type", "opaque"]);
    assert!(said(&device.shell_ends(&get)).contains("Object not found"));
}

#[test]
fn the_log_holds_what_was_asked_for_and_fills_up() {
    let device = YubiHsm::new().with_key("0x0102", "signkey", "ecp256", "sign-ecdsa");
    let option = |value: &str, name: &str| {
        device.shell(&["--action", "put-option", "--opt-name", name, "--opt-value", value]);
    };
    // GET PUBLIC KEY and LIST OBJECTS.
    option("54014801", "command-audit");
    device.shell(&["--action", "get-public-key", "--object-id", "0x0102"]);
    let log = device.shell(&["--action", "get-logs"]);
    let entry = "cmd: 0x54 -- length:    2 -- session key: 0x0001 -- target key: 0x0102 -- second key: 0xffff -- result: 0xd4";
    assert!(log.contains(entry), "{log}");
    option("01", "force-audit");
    // Sessions can still be opened, so that somebody can free the log.
    let full = (0..70)
        .map(|_| said(&device.shell_ends(&["--action", "list-objects"])))
        .find(|said| !said.contains("Found"));
    assert!(full.is_some_and(|said| said.contains("Log buffer is full")), "the log never filled up");
}

#[test]
fn a_key_does_what_its_capabilities_and_domains_allow() {
    let device = YubiHsm::new();
    device.make_key("0x0102", "signkey", "ecp256", "sign-ecdsa", "2");
    let refused = |id: &str, capabilities: &str, domains: &str, action: &[&str]| {
        said(&device.shell_as(&device.make_authentication_key(id, capabilities, domains), action))
    };
    let delete = ["--action", "delete-object", "--object-id", "0x0102", "--object-type", "asymmetric-key"];
    for (id, capabilities, domains, why) in [
        ("0x0010", "sign-ecdsa", "2", "Wrong permissions for operation"),
        ("0x0011", "delete-asymmetric-key", "3", "Object not found"),
    ] {
        let said = refused(id, capabilities, domains, &delete);
        assert!(said.contains(why), "{said}");
    }
    let wrong = said(&device.shell_as("0001wrong-password", &["--action", "list-objects"]));
    assert!(wrong.contains("Message encryption / verification failed"), "{wrong}");
    let unknown = said(&device.shell_as("0002any-password", &["--action", "list-objects"]));
    assert!(unknown.contains("Object not found"), "{unknown}");
}

#[test]
fn there_are_sixteen_sessions() {
    let device = YubiHsm::new();
    device.sessions_in_use(15);
    device.shell(&["--action", "list-objects"]);
    device.sessions_in_use(16);
    let full = said(&device.shell_ends(&["--action", "list-objects"]));
    assert!(full.contains("All sessions are allocated"), "{full}");
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}
