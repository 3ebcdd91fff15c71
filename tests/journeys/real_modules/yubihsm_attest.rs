//! A YubiHSM 2 proves with its maker's root that it generated a key, which cannot leave it. `yubihsm-shell`
//! requests the attestation, and stores it on the device as a certificate.

use std::fs;

use crate::support::desk::Desk;
use crate::support::openssl::openssl_accepts;
use crate::support::preparing::text;
use crate::support::run::Done;
use crate::support::token_files::UNSIGNED;
use crate::support::yubihsm::YubiHsm;

const KEY: &str = "pkcs11:token=YubiHSM;id=%01%07;type=private";

const ATTEST: [&str; 5] = ["attest", "--key", KEY, "--root", "maker.pem"];

/// A device with a key that has these capabilities; its certificate and those above it are in `maker.pem`.
fn device(capabilities: &str) -> (YubiHsm, Desk) {
    let device = YubiHsm::new().with_key("0x0107", "signkey", "rsa2048", capabilities);
    let desk = Desk::without_device();
    let get = ["--action", "get-opaque", "--object-id", "0", "--outformat", "PEM", "--out"];
    device.shell(&[&get[..], &[&text(&desk, "device.pem")]].concat());
    let [root, intermediate] = ["attestation-root.pem", "attestation-intermediate.pem"]
        .map(|name| fs::read(device.memory(name)).unwrap());
    desk.write("maker.pem", &[root, intermediate, desk.read("device.pem")].concat());
    (device, desk)
}

fn attest(device: &YubiHsm, desk: &Desk) {
    let path = text(desk, "attestation.pem");
    let _ = fs::remove_file(&path);
    let sign = ["--action", "sign-attestation-certificate", "--object-id", "0x0107", "--attestation-id", "0"];
    device.shell(&[&sign[..], &["--out", &path]].concat());
    let put =
        ["--action", "put-opaque", "--object-id", "0x0108", "--label", "attestation", "--informat", "PEM"];
    device.shell(&[&put[..], &["--algorithm", "opaque-x509-certificate", "--in", &path]].concat());
}

fn run(device: &YubiHsm, desk: &Desk, arguments: &[&str]) -> Done {
    device.countersign(desk, arguments).go()
}

#[test]
fn a_key_that_was_made_in_the_device_is_proven_to_be() {
    let (device, desk) = device("sign-pkcs");
    let none = run(&device, &desk, &ATTEST).exits(4);
    none.says("the device returns no attestation for the key").says("yubihsm-shell");
    attest(&device, &desk);
    let done = run(&device, &desk, &ATTEST).exits(0);
    for proven in ["serial number: 7550112", "firmware: 2.4.1", "CN=Virtual YubiHSM Intermediate CA"] {
        assert!(done.stdout().contains(proven), "{proven} is not in: {}", done.stdout());
    }
    let proof = run(&device, &desk, &[&ATTEST[..], &["--json"]].concat()).exits(0).json();
    assert_eq!(proof["attestation"]["serial"], 7_550_112);
    assert_eq!(proof["attestation"]["firmware"], "2.4.1");
    assert_eq!(proof["attestation"]["pin_policy"], serde_json::Value::Null);
    desk.write("tokens.json", UNSIGNED);
    run(&device, &desk, &["public-key", "--key", KEY, "-o", "officer.pub"]).exits(0);
    run(&device, &desk, &["sign", "--key", KEY, "--require-attested", "maker.pem", "tokens.json"]).exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "officer.pub"));
}

#[test]
fn an_attestation_is_not_the_certificate_of_its_key() {
    let (device, desk) = device("sign-pkcs");
    attest(&device, &desk);
    run(&device, &desk, &["certificate", "--key", KEY]).exits(4).says("has no certificate");
}

#[test]
fn a_key_that_can_leave_the_device_or_came_from_elsewhere_is_not_proven() {
    let (mut device, desk) = device("sign-pkcs,exportable-under-wrap");
    attest(&device, &desk);
    run(&device, &desk, &ATTEST).exits(4).says("can leave the device");
    device.shell(&["--action", "delete-object", "--object-id", "0x0107", "--object-type", "asymmetric-key"]);
    device.shell(&["--action", "delete-object", "--object-id", "0x0108", "--object-type", "opaque"]);
    device.make_key("0x0107", "signkey", "rsa2048", "sign-pkcs", "all");
    // The position of the origin; the value is that of an imported key.
    const ORIGIN: usize = 17;
    let path = device.memory("object-0107-03");
    device.stop_connector();
    let mut object = fs::read(&path).unwrap();
    assert_eq!(object[ORIGIN], 1);
    object[ORIGIN] = 2;
    fs::write(&path, object).unwrap();
    device.start_connector(&[]);
    attest(&device, &desk);
    run(&device, &desk, &ATTEST).exits(4).says("was not generated in the device");
}

#[test]
fn an_attestation_of_another_device_proves_nothing() {
    let ((device, desk), (other, elsewhere)) = (device("sign-pkcs"), device("sign-pkcs"));
    attest(&device, &desk);
    desk.write("maker.pem", &elsewhere.read("maker.pem"));
    run(&device, &desk, &ATTEST).exits(4).says("does not lead to a trusted root");
    drop(other);
}
