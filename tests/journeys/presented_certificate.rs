//! Which certificate and chain a request contains, from files, from the device, or from both; and which key
//! signs.

use std::fs;

use serde_json::{Value, json};

use crate::support::authority::{Authority, Leaf, text};
use crate::support::desk::{Desk, PIN, SIGNKEY};
use crate::support::faults::calls;
use crate::support::openssl::openssl;
use crate::support::preparing::{p11tool, pkcs11_tool};
use crate::support::roles_anywhere::RolesAnywhere;
use crate::support::server::Server;

const ON_DEVICE: &str = "pkcs11:token=officer;id=%01;type=cert";

const TWO: &[&str] = &["intermediate", "issuing"];

/// The common names of the chain in the last request, the leaf's issuer first.
fn chain(server: &Server) -> Value {
    let last = server.aws.log().pop().unwrap();
    assert_eq!(last["verdict"], "accepted", "{last:#}");
    assert_eq!(last["leaf"], "CN=server1-demo");
    last["chain"].clone()
}

/// Stores the certificate and those above it on the device, and removes another one of the key that expires
/// later.
fn import(server: &Server, with_chain: bool) {
    let both = [server.desk.read("server.pem"), server.desk.read("intermediates.pem")].concat();
    server.desk.write("bundle.pem", &both);
    let mut arguments = vec!["import-certificate", "--key", SIGNKEY, "--replace", "--force", "bundle.pem"];
    if with_chain {
        arguments.push("--with-chain");
    }
    server.desk.countersign(&arguments).with_pin().go().exits(0);
}

#[test]
fn the_chain_is_sent_from_the_issuer_up_without_the_root_wherever_it_is_from() {
    let server = Server::of(Authority::with_intermediates(TWO), &[]);
    let expected = json!(["CN=countersign test issuing", "CN=countersign test intermediate"]);
    // From a file that has them in reverse order.
    server.done(server.counted(&[], &[])).exits(0);
    assert_eq!(chain(&server), expected);
    // From a file that also contains the root and the leaf.
    let root = fs::read(server.authority.anchor()).unwrap();
    let all = [root, server.desk.read("intermediates.pem"), server.desk.read("server.pem")].concat();
    server.desk.write("all.pem", &all);
    server.done(server.counted(&[("--intermediates", "all.pem")], &[])).exits(0);
    assert_eq!(chain(&server), expected);
    // From the file of the certificate.
    let bundle = [server.desk.read("server.pem"), server.desk.read("intermediates.pem")].concat();
    server.desk.write("bundle.pem", &bundle);
    server.done(server.counted(&[("--intermediates", ""), ("--certificate", "bundle.pem")], &[])).exits(0);
    assert_eq!(chain(&server), expected);
    // From the device: the certificate is named, or found by its key, or in a file.
    import(&server, true);
    let none = ("--intermediates", "");
    for changed in [
        vec![none, ("--certificate", ON_DEVICE)],
        vec![none, ("--certificate", ON_DEVICE), ("--private-key", "")],
        vec![none, ("--certificate", "")],
        vec![none, ("--certificate", "pkcs11:token=officer")],
        vec![none],
    ] {
        server.done(server.counted(&changed, &[])).exits(0);
        assert_eq!(chain(&server), expected, "{changed:?}");
        assert_eq!((calls(&server.desk, "C_Login"), calls(&server.desk, "C_Sign")), (1, 1), "{changed:?}");
    }
}

#[test]
fn the_certificate_may_be_on_the_device_and_the_chain_in_a_file() {
    let server = Server::new();
    import(&server, false);
    server.done(server.counted(&[("--certificate", ON_DEVICE)], &[])).exits(0);
    assert_eq!(chain(&server), json!(["CN=countersign test intermediate"]));
    // Without it AWS refuses, and its advice is passed on.
    server
        .fails(server.counted(&[("--certificate", ON_DEVICE), ("--intermediates", "")], &[]), 9)
        .says("with all intermediates given");
}

#[test]
fn a_certificate_of_the_trust_anchor_itself_has_no_chain() {
    let server = Server::of(Authority::new(), &[]);
    server.done(server.counted(&[], &[])).exits(0);
    assert_eq!(chain(&server), json!([]));
    let signed = &server.aws.log()[0]["signed_headers"];
    assert_eq!(*signed, json!(["content-type", "host", "x-amz-date", "x-amz-x509"]));
}

#[test]
fn der_works_like_pem() {
    let server = Server::new();
    for file in ["server", "intermediates"] {
        let (pem, der) = (server.desk.path(&format!("{file}.pem")), server.desk.path(&format!("{file}.der")));
        openssl(&["x509", "-in", text(&pem), "-outform", "DER", "-out", text(&der)]);
    }
    let changed = [("--certificate", "server.der"), ("--intermediates", "intermediates.der")];
    server.done(server.counted(&changed, &[])).exits(0);
    assert_eq!(chain(&server), json!(["CN=countersign test intermediate"]));
}

#[test]
fn keys_on_elliptic_curves_and_larger_ones_of_rsa_sign_too() {
    let server = Server::new();
    for (id, kind, algorithm) in [
        ("20", "ec:p256", "AWS4-X509-ECDSA-SHA256"),
        ("21", "ec:p384", "AWS4-X509-ECDSA-SHA256"),
        ("22", "rsa:3072", "AWS4-X509-RSA-SHA256"),
    ] {
        let keygen = ["keygen", "--label", kind, "--id", id, "--type", kind, "-o", "key.pub"];
        server.desk.countersign(&keygen).with_pin().go().exits(0);
        server.certify("key.pub", &Leaf::default());
        let key = format!("pkcs11:token=officer;id=%{id};type=private");
        server.done(server.counted(&[("--private-key", &key)], &["-v"])).exits(0);
        assert_eq!((calls(&server.desk, "C_Login"), calls(&server.desk, "C_Sign")), (1, 1), "{kind}");
        chain(&server);
        assert_eq!(server.aws.log().pop().unwrap()["algorithm"], algorithm, "{kind}");
        // The same from the device alone, with one URI.
        let import = ["import-certificate", "--key", &key, "--with-chain", "server.pem"];
        server.desk.countersign(&import).with_pin().go().exits(0);
        let certificate = key.replace("type=private", "type=cert");
        let changed = [("--private-key", ""), ("--certificate", certificate.as_str())];
        server.done(server.counted(&changed, &[])).exits(0);
        chain(&server);
    }
}

#[test]
fn messages_mention_neither_cloudhsm_s_limits_nor_options_of_other_commands() {
    let server = Server::new();
    let keygen = ["keygen", "--label", "larger", "--id", "22", "--type", "rsa:3072", "-o", "key.pub"];
    server.desk.countersign(&keygen).with_pin().go().exits(0);
    server.certify("key.pub", &Leaf::default());
    let changed = [("--private-key", "pkcs11:token=officer;id=%22;type=private")];
    let said = server.done(server.counted(&changed, &["-v"])).exits(0).stderr();
    assert!(!said.contains("AWS asks for RSA-2048") && !said.contains("--allow-"), "{said}");
}

#[test]
fn a_key_that_requires_its_pin_at_each_signature_is_given_it() {
    let server = Server::new();
    let keygen = ["keygen", "--label", "always", "--id", "23", "--always-authenticate", "-o", "key.pub"];
    server.desk.countersign(&keygen).with_pin().go().exits(0);
    server.certify("key.pub", &Leaf::default());
    server.done(server.counted(&[("--private-key", "pkcs11:token=officer;id=%23")], &[])).exits(0);
    // One login as the user, and one for the signature.
    assert_eq!((calls(&server.desk, "C_Login"), calls(&server.desk, "C_Sign")), (2, 1));
}

#[test]
fn of_an_old_and_a_renewed_certificate_the_valid_one_is_presented() {
    let server = Server::new();
    import(&server, true);
    let leaf = |days| Leaf { valid_days: Some(days), ..Leaf::default() };
    let serial = |server: &Server| server.aws.log().pop().unwrap()["serial"].clone();
    server.done(server.counted(&[("--certificate", ON_DEVICE), ("--intermediates", "")], &[])).exits(0);
    let good = serial(&server);
    // An expired one beside it, first in the file.
    server.desk.write("good.pem", &server.desk.read("server.pem"));
    server.certify("device/signkey.pub.pem", &leaf((-30.0, -1.0)));
    let both = [server.desk.read("server.pem"), server.desk.read("good.pem")].concat();
    server.desk.write("both.pem", &both);
    server.done(server.counted(&[("--certificate", "both.pem")], &[])).exits(0);
    assert_eq!(serial(&server), good);
    // One that expires soon is used, with a warning.
    server.certify("device/signkey.pub.pem", &leaf((-1.0, 9.5)));
    let done = server.done(server.counted(&[], &[])).exits(0);
    done.says("warning: the certificate CN=server1-demo ends in 9 days 1");
    assert_ne!(serial(&server), good);
}

/// RFC 5280 forbids it, but some CAs do it nonetheless.
#[test]
fn a_negative_serial_number_is_sent_as_it_is() {
    let server = Server::new();
    server.authority.issue_with_serial(
        &server.desk.path("device/signkey.pub.pem"),
        &Leaf::default(),
        "-81985529216486895",
        &server.desk.path("server.pem"),
    );
    server.done(server.counted(&[], &[])).exits(0);
    let last = server.aws.log().pop().unwrap();
    assert_eq!((&last["verdict"], &last["serial"]), (&json!("accepted"), &json!("-81985529216486895")));
    let read = server.desk.countersign(&["read-certificate-data", "--certificate", "server.pem"]);
    assert_eq!(read.go().exits(0).json()["serialNumber"], "-81985529216486895");
}

#[test]
fn a_certificate_that_shows_only_after_login_is_found_there() {
    let server = Server::of(Authority::new(), &[]);
    let desk = &server.desk;
    // As on a YubiHSM: nothing is visible before the login.
    for kind in ["cert", "pubkey"] {
        pkcs11_tool(desk, &["--delete-object", "--type", kind, "--id", "01"]);
    }
    let token = format!("pkcs11:token=officer;pin-value={PIN}");
    let certificate = desk.path("server.pem");
    let put = ["--write", "--load-certificate", text(&certificate), "--id", "01", "--label", "signkey"];
    p11tool(desk, &[&put[..], &["--mark-private", &token]].concat());
    let shown = desk.countersign(&["list"]).go().exits(0).stdout();
    assert!(!shown.contains("id=%01"), "{shown}");
    for key in [SIGNKEY, ON_DEVICE] {
        let found = desk.countersign(&["certificate", "--key", key]).with_pin().go().exits(0);
        assert_eq!(found.stdout_bytes(), desk.read("server.pem"), "{key}");
    }
    for changed in [
        vec![("--certificate", ON_DEVICE)],
        vec![("--certificate", ON_DEVICE), ("--private-key", "")],
        vec![("--certificate", "")],
    ] {
        server.done(server.counted(&changed, &[])).exits(0);
        assert_eq!(calls(desk, "C_Login"), 1, "{changed:?}");
    }
    let sign_string = ["sign-string", "--private-key", SIGNKEY, "--certificate", ON_DEVICE];
    desk.countersign(&sign_string).with_pin().go().exits(0);
    // A certificate that is neither visible before nor after it is still reported as missing.
    let absent = [("--certificate", "pkcs11:token=officer;id=%77;type=cert")];
    server.fails(server.counted(&absent, &[]), 4).says("has no certificate for the key");
    assert_eq!(calls(desk, "C_Login"), 1);
}

#[test]
fn of_several_devices_the_one_that_holds_the_certificate_s_key_is_taken() {
    let (desk, authority) = (Desk::provisioned(&["--keys", "signkey", "--also", "backup"]), Authority::new());
    let server = Server { aws: RolesAnywhere::trusting(&authority), desk, authority };
    let desk = &server.desk;
    let taken = |changed: &[(&str, &str)], device: &str| {
        let done = server.done(server.counted(changed, &["-v"])).exits(0);
        assert!(done.stderr().contains(&format!("{device} (SoftHSM")), "{}", done.stderr());
        assert_eq!((calls(desk, "C_Login"), calls(desk, "C_Sign")), (1, 1), "{changed:?}");
    };
    for device in ["officer", "backup"] {
        let key = format!("pkcs11:token={device};id=%01;type=private");
        let public_key = format!("{device}.pub");
        desk.countersign(&["public-key", "--key", &key, "-o", &public_key]).go().exits(0);
        server.certify(&public_key, &Leaf::default());
        // In a file.
        taken(&[("--private-key", "")], device);
        taken(&[("--private-key", "pkcs11:id=%01")], device);
        // On the device.
        let (pem, der) = (desk.path("server.pem"), desk.path("server.der"));
        openssl(&["x509", "-in", text(&pem), "-outform", "DER", "-out", text(&der)]);
        let put = ["--token-label", device, "--write-object", text(&der), "--type", "cert", "--id", "77"];
        pkcs11_tool(desk, &[&put[..], &["--label", &format!("of-{device}")]].concat());
        let certificate = format!("pkcs11:object=of-{device};type=cert");
        taken(&[("--private-key", ""), ("--certificate", &certificate)], device);
        taken(&[("--private-key", "pkcs11:id=%01"), ("--certificate", &certificate)], device);
        let sign = ["sign-string", "--certificate", &certificate];
        desk.countersign(&sign).with_pin().go().exits(0).says(&format!("token={device}"));
    }
    // If its key is on neither, it chooses none, and no PIN is sent.
    let other = ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    server.authority.issue_with_key(desk.folder(), "other", &other, &Leaf::default());
    for key in ["", "pkcs11:id=%01"] {
        server.fails(server.counted(&[("--private-key", key), ("--certificate", "other.pem")], &[]), 4);
        assert_eq!(calls(desk, "C_Login"), 0);
    }
    // Nor is a PIN sent while another device, which shows nothing without one, may hold the key as well.
    for (kind, id) in [("cert", "01"), ("pubkey", "01"), ("cert", "77")] {
        pkcs11_tool(desk, &["--delete-object", "--type", kind, "--id", id]);
    }
    server.fails(server.counted(&[("--private-key", "")], &[]), 4).says("not all show their keys");
    assert_eq!(calls(desk, "C_Login"), 0);
}
