//! `countersign read-certificate-data`: what AWS's helper prints about a file and a device, and CloudTrail's
//! names.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigUint;
use serde_json::{Value, json};

use crate::support::authority::{Authority, Leaf, text};
use crate::support::desk::Desk;
use crate::support::openssl::openssl;
use crate::support::run::Done;

fn read(desk: &Desk, certificate: &str, more: &[&str]) -> Done {
    let arguments = [&["read-certificate-data", "--certificate", certificate], more].concat();
    desk.countersign(&arguments).go()
}

/// What `openssl x509` prints after the `=`.
fn x509(desk: &Desk, certificate: &str, options: &[&str]) -> String {
    let path = desk.path(certificate);
    let printed = openssl(&[&["x509", "-noout", "-in", text(&path)], options].concat());
    let printed = String::from_utf8(printed).unwrap();
    printed.trim().split_once('=').unwrap().1.to_owned()
}

#[test]
fn a_file_is_printed_as_the_helper_does_byte_for_byte() {
    let desk = Desk::without_device();
    let authority = Authority::with_intermediate();
    for (kind, name) in [
        (["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "RSA"),
        (["EC", "-pkeyopt", "ec_paramgen_curve:P-384"], "EC"),
    ] {
        authority.issue_with_key(desk.folder(), "leaf", &kind, &Leaf::default());
        let der = openssl(&["x509", "-in", text(&desk.path("leaf.pem")), "-outform", "DER"]);
        desk.write("leaf.der", &der);
        let serial = x509(&desk, "leaf.pem", &["-serial"]);
        let decimal = BigUint::parse_bytes(serial.as_bytes(), 16).unwrap();
        let expected = format!(
            r#"{{"keyType":"{name}","certificateData":"{}","serialNumber":"{decimal}","supportedAlgorithms":["{name}SHA256","{name}SHA384","{name}SHA512"]}}"#,
            STANDARD.encode(&der)
        );
        // If a file has several, as with its chain, the first one counts.
        let chain = [desk.read("leaf.pem"), fs::read(authority.intermediates()).unwrap()].concat();
        desk.write("chain.pem", &chain);
        for file in ["leaf.pem", "leaf.der", "chain.pem"] {
            let done = read(&desk, file, &[]).exits(0).says(&format!(
                "CloudTrail: sourceIdentity CN=server1-demo, serial number {}, subject CN=server1-demo",
                serial.to_ascii_lowercase()
            ));
            assert_eq!(done.stdout(), expected, "{file}");
        }
        assert!(read(&desk, "leaf.pem", &["-q"]).exits(0).stderr().is_empty());
        let mut document: Value = read(&desk, "leaf.pem", &["--json"]).exits(0).json();
        let names = document.as_object_mut().unwrap().remove("cloudtrail").unwrap();
        assert_eq!(document, serde_json::from_str::<Value>(&expected).unwrap());
        assert_eq!(
            names,
            json!({"subject": "CN=server1-demo", "serialNumber": serial.to_ascii_lowercase(), "sourceIdentity": "CN=server1-demo"})
        );
    }
}

#[test]
fn the_names_of_a_longer_subject_are_distinguished() {
    let desk = Desk::without_device();
    let kind = ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    for (subject, shown, source) in [
        ("/C=US/O=Example, Inc./CN=server1", "CN=server1,O=Example\\, Inc.,C=US", json!("CN=server1")),
        ("/O=Example", "O=Example", Value::Null),
    ] {
        let leaf = Leaf { subject, ..Leaf::default() };
        Authority::new().issue_with_key(desk.folder(), "leaf", &kind, &leaf);
        let names = read(&desk, "leaf.pem", &["--json"]).exits(0).json()["cloudtrail"].clone();
        assert_eq!((&names["subject"], &names["sourceIdentity"]), (&json!(shown), &source));
    }
    read(&desk, "leaf.pem", &[]).says("sourceIdentity none: there is no CN");
}

#[test]
fn a_device_s_certificates_are_listed_as_the_helper_does_each_with_a_uri_of_its_own() {
    let desk = Desk::new();
    let authority = Authority::new();
    let fingerprint =
        |file: &str| x509(&desk, file, &["-fingerprint", "-sha1"]).replace(':', "").to_lowercase();
    desk.countersign(&["certificate", "--key", "pkcs11:id=%01", "-o", "first.pem"]).go().exits(0);
    for uri in [
        "pkcs11:token=officer",
        "pkcs11:token=officer;id=%01;type=cert",
        "pkcs11:object=signkey;type=private",
    ] {
        let done = read(&desk, uri, &[]).exits(0).says("CloudTrail: sourceIdentity CN=server1-demo");
        let serial = x509(&desk, "first.pem", &["-serial"]).to_lowercase();
        let serial = serial.trim_start_matches('0');
        assert_eq!(
            done.stdout(),
            format!(
                "Matching identities\n1) {} \"CN=server1-demo\"\n\tIssuer: \"CN=countersign demo CA\"\n\tSerial: {serial}\n\
                 \tURI: pkcs11:token=officer;id=%01;type=cert\n",
                fingerprint("first.pem")
            )
        );
    }
    // A renewed certificate beside the older one, with the same id and a label of its own.
    authority.issue(&desk.path("device/signkey.pub.pem"), &Leaf::default(), &desk.path("renewed.pem"));
    let renewed = desk.path("renewed.pem");
    let store = ["--write-object", text(&renewed), "--type", "cert", "--id", "01", "--label", "renewed"];
    pkcs11_tool(&desk, &store);
    let document = read(&desk, "pkcs11:token=officer", &["--json"]).exits(0).json();
    let found = document["certificates"].as_array().unwrap();
    assert_eq!(found.len(), 2);
    for (file, label) in [("first.pem", "signkey"), ("renewed.pem", "renewed")] {
        let one = found.iter().find(|one| one["sha1"] == fingerprint(file)).unwrap();
        assert_eq!(one["issuer"], x509(&desk, file, &["-issuer", "-nameopt", "RFC2253"]));
        let uri = one["uri"].as_str().unwrap();
        assert!(uri.contains(&format!("object={label}")), "{uri}");
        // The URI leads back to it and to nothing else.
        let listed = read(&desk, uri, &[]).exits(0).stdout();
        assert!(listed.contains(&fingerprint(file)) && !listed.contains("2) "), "{listed}");
        // And to its key, which has another label.
        let sign = ["sign-string", "--certificate", uri, "--format", "bin"];
        let signature = desk.countersign(&sign).with_pin().go().exits(0);
        assert_eq!(signature.stdout_bytes().len(), 256);
    }
}

#[test]
fn nothing_found_is_not_an_error_but_what_cannot_be_read_is() {
    let desk = Desk::new();
    let done = read(&desk, "pkcs11:object=nobody", &[]).exits(0);
    assert_eq!(done.stdout(), "No matching identities\n");
    assert_eq!(read(&desk, "pkcs11:object=nobody", &["--json"]).exits(0).json(), json!({"certificates": []}));
    desk.write("key.pem", &desk.read("device/signkey.pub.pem"));
    desk.write("no.pem", b"nothing");
    for (certificate, code) in
        [("key.pem", 7), ("no.pem", 7), ("nowhere.pem", 1), ("pkcs11:id=%zz", 7), ("", 1)]
    {
        let done = read(&desk, certificate, &[]);
        assert!(done.stdout().is_empty(), "{certificate}");
        assert!(done.stderr().starts_with("error: "), "{certificate}: {}", done.stderr());
        assert_eq!(done.code(), code, "{certificate:?}: {}", done.stderr());
    }
}

fn pkcs11_tool(desk: &Desk, arguments: &[&str]) {
    let output = std::process::Command::new("pkcs11-tool")
        .env("SOFTHSM2_CONF", desk.path("device/softhsm2.conf"))
        .args(["--module", crate::support::parts::softhsm_module(), "--token-label", "officer"])
        .args(["--login", "--pin", crate::support::desk::PIN])
        .args(arguments)
        .output()
        .expect("pkcs11-tool runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
