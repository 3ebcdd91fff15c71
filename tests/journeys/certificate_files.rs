//! Files of certificates and public keys in the forms that people get: read if openssl reads them, otherwise
//! reported with the command that converts them.

use std::process::Command;

use crate::support::authority::{Authority, Leaf};
use crate::support::desk::{Desk, SIGNKEY};
use crate::support::openssl::openssl;
use crate::support::preparing::{desk_with_key, import, issue, text};
use crate::support::token_files::UNSIGNED;

#[test]
fn containers_are_named_with_the_command_that_extracts_the_certificates() {
    let (desk, authority) = (desk_with_key("rsa:2048"), Authority::with_intermediate());
    issue(&desk, &authority, &Leaf::default(), "officer.pem");
    let above = std::fs::read(authority.intermediates()).unwrap();
    desk.write("above.pem", &above);
    let [officer, above] = ["officer.pem", "above.pem"].map(|name| text(&desk, name));
    let out = |name: &str| text(&desk, name);
    let crl2pkcs7 = ["crl2pkcs7", "-nocrl", "-certfile", &officer, "-certfile", &above];
    openssl(&[&crl2pkcs7[..], &["-out", &out("officer.p7b")]].concat());
    openssl(&[&crl2pkcs7[..], &["-outform", "DER", "-out", &out("officer.p7c")]].concat());
    let pkcs12 = ["pkcs12", "-export", "-nokeys", "-passout", "pass:", "-in", &officer, "-certfile", &above];
    openssl(&[&pkcs12[..], &["-out", &out("officer.p12")]].concat());
    let json = serde_json::json!({
        "Certificate": String::from_utf8(desk.read("officer.pem")).unwrap(),
        "CertificateChain": String::from_utf8(desk.read("above.pem")).unwrap(),
    });
    desk.write("officer.json", json.to_string().as_bytes());
    for (file, name) in [
        ("officer.p7b", "PKCS#7"),
        ("officer.p7c", "PKCS#7"),
        ("officer.p12", "PKCS#12"),
        ("officer.json", "the JSON of AWS's get-certificate"),
    ] {
        let done = import(&desk, &[file]).exits(7).says(&format!("it is {name}, not a certificate"));
        let said = done.stderr();
        let cure = said.split("take them out of it: ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
        let cure = cure.replace("pkcs12 ", "pkcs12 -passin pass: ");
        let status = Command::new("sh").args(["-c", &cure]).current_dir(desk.folder()).status().unwrap();
        assert!(status.success(), "{cure}");
        import(&desk, &["--replace", "--with-chain", "certificates.pem"]).exits(0);
        std::fs::remove_file(desk.path("certificates.pem")).unwrap();
    }
}

#[test]
fn a_certificate_under_the_old_label_is_read() {
    let (desk, authority) = (desk_with_key("rsa:2048"), Authority::new());
    issue(&desk, &authority, &Leaf::default(), "officer.pem");
    let old =
        String::from_utf8(desk.read("officer.pem")).unwrap().replace(" CERTIFICATE", " X509 CERTIFICATE");
    desk.write("old.pem", old.as_bytes());
    openssl(&["x509", "-in", &text(&desk, "old.pem"), "-noout"]);
    import(&desk, &["old.pem"]).exits(0);
}

#[test]
fn a_public_key_is_read_whatever_its_line_breaks() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    desk.countersign(&["sign", "--key", SIGNKEY, "tokens.json"]).with_pin().go().exits(0);
    let pem = String::from_utf8(desk.read("device/signkey.pub.pem")).unwrap();
    let lines: Vec<&str> = pem.lines().collect();
    let [begin, body @ .., end] = &lines[..] else { panic!("a PEM file") };
    let one_line = format!("{begin}\n{}\n{end}\n", body.concat());
    for (name, text) in [
        ("one-line.pem", one_line.clone()),
        ("crlf.pem", pem.replace('\n', "\r\n")),
        ("wrapped.pem", pem.replace('=', "=\n")),
        ("indented.pem", one_line.replace("MII", "  MII")),
    ] {
        desk.write(name, text.as_bytes());
        desk.countersign(&["verify", "--public-key", name, "tokens.json"]).go().exits(0);
    }
    // openssl, which is strict about some of them, reads AWS's form.
    openssl(&["pkey", "-pubin", "-noout", "-in", &text(&desk, "one-line.pem")]);
}

/// As PowerShell's `>` writes it.
fn in_utf_16(text: &[u8], unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let text = std::str::from_utf8(text).unwrap();
    ['\u{feff}'].into_iter().chain(text.chars()).flat_map(|character| unit(character as u16)).collect()
}

#[test]
fn files_in_utf_16_are_read_too() {
    let (desk, authority) = (desk_with_key("rsa:2048"), Authority::new());
    issue(&desk, &authority, &Leaf::default(), "officer.pem");
    desk.write("unsigned.json", UNSIGNED);
    desk.countersign(&["sign", "--key", SIGNKEY, "unsigned.json", "-o", "signed.json"])
        .with_pin()
        .go()
        .exits(0);
    for unit in [u16::to_le_bytes, u16::to_be_bytes] {
        desk.write("wide.pem", &in_utf_16(&desk.read("officer.pem"), unit));
        import(&desk, &["wide.pem"]).exits(0);
        desk.write("wide.pub", &in_utf_16(&desk.read("officer.pub"), unit));
        desk.countersign(&["verify", "--public-key", "wide.pub", "signed.json"]).go().exits(0);
        let json = format!("{{\"Certificate\": {:?}}}", String::from_utf8(desk.read("officer.pem")).unwrap());
        desk.write("wide.json", &in_utf_16(json.as_bytes(), unit));
        import(&desk, &["wide.json"]).exits(7).says("it is the JSON of AWS's get-certificate");
    }
}

#[test]
fn what_is_not_a_public_key_is_named_with_the_command_that_converts_it() {
    let desk = desk_with_key("rsa:2048");
    desk.write("unsigned.json", UNSIGNED);
    desk.countersign(&["sign", "--key", SIGNKEY, "unsigned.json", "-o", "signed.json"])
        .with_pin()
        .go()
        .exits(0);
    let csr = ["csr", "--key", SIGNKEY, "--subject", "CN=a", "-o"];
    desk.countersign(&[&csr[..], &["officer.csr"]].concat()).with_pin().go().exits(0);
    desk.countersign(&[&csr[..], &["officer.pem", "--self-signed", "9"]].concat()).with_pin().go().exits(0);
    let at = |name: &str| text(&desk, name);
    openssl(&["crl2pkcs7", "-nocrl", "-certfile", &at("officer.pem"), "-out", &at("officer.p7b")]);
    openssl(&["rsa", "-pubin", "-in", &at("officer.pub"), "-RSAPublicKey_out", "-out", &at("officer.rsa")]);
    openssl(&["pkey", "-pubin", "-in", &at("officer.pub"), "-outform", "DER", "-out", &at("officer.der")]);
    let verify = |key: &str| desk.countersign(&["verify", "--public-key", key, "signed.json"]).go();
    verify("officer.der").exits(0);
    for file in ["officer.csr", "officer.pem", "officer.p7b", "officer.rsa"] {
        let said = verify(file).exits(7).stderr();
        let cure = said.split("convert it: ").nth(1).and_then(|rest| rest.lines().next());
        let cure = cure.unwrap_or_else(|| panic!("{file}: {said}"));
        let status = Command::new("sh").args(["-c", cure]).current_dir(desk.folder()).status().unwrap();
        assert!(status.success(), "{cure}");
        assert_eq!(desk.read("key.pem"), desk.read("officer.pub"), "{cure}");
        std::fs::remove_file(desk.path("key.pem")).unwrap();
    }
}
