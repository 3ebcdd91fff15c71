//! Names besides the subject, in requests and in self-signed certificates: openssl, cryptography and pkilint
//! judge.

use serde_json::json;

use crate::support::desk::Desk;
use crate::support::judges::{cryptography, pkilint};
use crate::support::openssl::{openssl, openssl_reads_request};
use crate::support::pinned::pinned;
use crate::support::preparing::{KEY, desk_with_key, text};
use crate::support::run::Done;

/// A name of each kind.
const NAMES: [&str; 14] = [
    "--dns",
    "server1.example.com",
    "--dns",
    "xn--bcher-kva.example",
    "--ip",
    "192.0.2.10",
    "--ip",
    "2001:DB8::10",
    "--email",
    "first.last+tag@example.com",
    "--uri",
    "https://example.com/server1",
    "--upn",
    "jürgen@corp.example.com",
];

fn csr(desk: &Desk, options: &[&str]) -> Done {
    let _ = std::fs::remove_file(desk.path("made.pem"));
    desk.countersign(&[&["csr", "--key", KEY, "-o", "made.pem"], options].concat()).with_pin().go()
}

/// The same without a PIN source: a prompt would fail, because there is no terminal.
fn without_pin(desk: &Desk, options: &[&str]) -> Done {
    desk.countersign(&[&["csr", "--key", KEY, "-o", "made.pem"], options].concat()).go()
}

/// The certificate that openssl, as a CA, issues for a request, with an extension copied from it.
fn issued(desk: &Desk) {
    let file = |name: &str| text(desk, name);
    let ca =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=CA"];
    openssl(&[&ca[..], &["-keyout", &file("ca.key"), "-out", &file("ca.pem"), "-days", "9"]].concat());
    let issue =
        ["x509", "-req", "-copy_extensions", "copyall", "-days", "9", "-in", &file("made.pem"), "-out"];
    openssl(
        &[&issue[..], &[&file("issued.pem"), "-CA", &file("ca.pem"), "-CAkey", &file("ca.key")]].concat(),
    );
}

#[test]
fn a_request_has_the_names_of_each_kind_as_other_programs_read_them() {
    let desk = desk_with_key("ec:p256");
    csr(&desk, &[&["--subject", "CN=server1"], &NAMES[..]].concat()).exits(0);
    let read = cryptography(&desk.path("made.pem"));
    let names = json!([
        "DNSName:server1.example.com",
        "DNSName:xn--bcher-kva.example",
        "IPAddress:192.0.2.10",
        "IPAddress:2001:db8::10",
        "RFC822Name:first.last+tag@example.com",
        "UniformResourceIdentifier:https://example.com/server1",
        "upn:jürgen@corp.example.com",
    ]);
    assert_eq!(read["names"], names);
    assert_eq!(read["names_are_critical"], false);
    let said = String::from_utf8(openssl_reads_request(&text(&desk, "made.pem"), &["-text"])).unwrap();
    assert!(said.contains("IP Address:192.0.2.10, IP Address:2001:DB8:0:0:0:0:0:10"), "{said}");
    assert!(said.contains("email:first.last+tag@example.com, URI:https://example.com/server1"), "{said}");
    // A CA that copies them issues a correct certificate.
    issued(&desk);
    assert_eq!(cryptography(&desk.path("issued.pem"))["names"], names);
    assert_eq!(pkilint(&desk.path("issued.pem")), [""; 0]);
}

#[test]
fn a_self_signed_certificate_has_names_and_key_identifiers_that_pkilint_accepts() {
    for kind in ["rsa:2048", "ec:p384"] {
        let desk = desk_with_key(kind);
        csr(
            &desk,
            &[&["--subject", "CN=server1,O=Example,C=US", "--self-signed", "9", "--client-auth"], &NAMES[..]]
                .concat(),
        )
        .exits(0);
        let certificate = desk.path("made.pem");
        assert_eq!(pkilint(&certificate), [""; 0], "{kind}");
        let read = cryptography(&certificate);
        assert_eq!(read["names"].as_array().unwrap().len(), 7);
        assert_eq!(read["subject_key"].as_str().unwrap().len(), 40);
        assert_eq!(read["subject_key"], read["authority_key"]);
        let file = text(&desk, "made.pem");
        for (option, name) in [
            ("-verify_hostname", "server1.example.com"),
            ("-verify_ip", "192.0.2.10"),
            ("-verify_ip", "2001:db8::10"),
            ("-verify_email", "first.last+tag@example.com"),
        ] {
            openssl(&["verify", "-x509_strict", "-check_ss_sig", option, name, "-CAfile", &file, &file]);
        }
    }
}

#[test]
fn without_a_subject_the_names_are_critical() {
    let desk = desk_with_key("ec:p256");
    for names in [
        &["--dns", "*.example.com"][..],
        &["--uri", "spiffe://example.com/ns/prod/sa/web"],
        &["--ip", "192.0.2.1"],
        &["--subject", "", "--dns", "a.example"],
    ] {
        csr(&desk, names)
            .exits(0)
            .says("the subject is empty: IAM Roles Anywhere accepts no certificate without one");
        let read = cryptography(&desk.path("made.pem"));
        assert_eq!((&read["subject"], &read["names_are_critical"]), (&json!(""), &json!(true)), "{names:?}");
        openssl_reads_request(&text(&desk, "made.pem"), &[]);
    }
    issued(&desk);
    assert_eq!(pkilint(&desk.path("issued.pem")), [""; 0]);
    // pkilint accepts only website URIs as URIs, and no wildcard in a DNS name; it finds nothing else.
    csr(&desk, &["--uri", "spiffe://example.com/ns/prod/sa/web"]).exits(0);
    issued(&desk);
    assert_eq!(pkilint(&desk.path("issued.pem")), ["pkix.invalid_uri_syntax"]);
    let own_issuer =
        without_pin(&desk, &["--uri", "spiffe://example.com/web", "--self-signed", "9"]).exits(2);
    pinned(
        "csr_empty_issuer",
        &desk,
        "countersign csr --uri spiffe://example.com/web --self-signed 9",
        &own_issuer,
    );
    without_pin(&desk, &["--subject", ""]).exits(2).says("the subject is empty");
    without_pin(&desk, &[]).exits(2).says("--subject");
}

#[test]
fn a_name_that_is_given_twice_is_written_once() {
    let desk = desk_with_key("ec:p256");
    let twice = ["--dns", "a.example", "--dns", "A.example", "--ip", "2001:db8::1", "--ip", "2001:db8:0::1"];
    csr(&desk, &[&["--subject", "CN=a"], &twice[..]].concat())
        .exits(0)
        .says("warning: --dns A.example is given twice and written once")
        .says("--ip 2001:db8:0::1 is given twice");
    let names = cryptography(&desk.path("made.pem"))["names"].clone();
    assert_eq!(names, json!(["DNSName:a.example", "IPAddress:2001:db8::1"]));
}

#[test]
fn a_name_that_is_not_of_its_kind_is_refused_before_the_pin() {
    let desk = desk_with_key("ec:p256");
    for (option, name, reason) in [
        ("--dns", "192.0.2.1", "it is an IP address, for --ip"),
        ("--dns", "https://a.example", "it is a URI, for --uri"),
        ("--dns", "bücher.example", "its letters outside ASCII are written in their xn-- form"),
        ("--ip", "10.0.0.0/8", "a certificate names single addresses, not a network"),
        ("--ip", "server1", "it is neither IPv4"),
        ("--email", "Officer <officer@example.com>", "the part before the @"),
        ("--email", "officer", "it has no @"),
        ("--uri", "example.com/server1", "it has no scheme"),
        ("--uri", "https:///server1", "its host is neither a DNS name nor an IP address"),
        ("--uri", "spiffe://example.com", "the SPIFFE ID of a workload has a path"),
        ("--uri", "spiffe://Example.com/a", "a SPIFFE trust domain has lower-case letters"),
        ("--upn", "CORP\\officer", "it has no @"),
    ] {
        without_pin(&desk, &["--subject", "CN=a", option, name]).exits(2).says(reason).says("help: write");
    }
    let spiffe = ["--uri", "spiffe://example.com/a", "--uri", "https://example.com/a"];
    let done = without_pin(&desk, &spiffe).exits(2);
    pinned("csr_several_uris", &desk, &format!("countersign csr {}", spiffe.join(" ")), &done);
    let done = without_pin(&desk, &["--subject", "CN=a", "--ip", "10.0.0.0/8"]).exits(2);
    pinned("csr_ip", &desk, "countersign csr --subject CN=a --ip 10.0.0.0/8", &done);
    assert!(!desk.path("made.pem").exists());
}
