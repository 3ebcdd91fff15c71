//! `countersign csr`: requests and certificates that openssl accepts, or an error and no file.

use crate::support::desk::Desk;
use crate::support::faults::{calls, with_faults};
use crate::support::judges::{cryptography, pkilint};
use crate::support::openssl::{openssl, openssl_reads_request};
use crate::support::pinned::pinned;
use crate::support::preparing::{KEY, desk_with_key, empty_desk, pkcs11_tool, text};
use crate::support::run::Done;

const FULL: &str = "CN=server1-demo,O=Example,L=Boston,ST=MA,C=US";

/// Makes a request, or a self-signed certificate, at `made.pem`.
fn csr(desk: &Desk, options: &[&str]) -> Done {
    let _ = std::fs::remove_file(desk.path("made.pem"));
    desk.countersign(&[&["csr", "--key", KEY, "-o", "made.pem"], options].concat()).with_pin().go()
}

/// What openssl reads in a request after verifying its signature.
fn of_request(desk: &Desk, options: &[&str]) -> String {
    String::from_utf8(openssl_reads_request(&text(desk, "made.pem"), options)).unwrap()
}

#[test]
fn requests_of_each_kind_of_key_are_accepted_by_openssl() {
    for (kind, algorithm) in [
        ("rsa:2048", "sha256WithRSAEncryption"),
        ("rsa:3072", "sha256WithRSAEncryption"),
        ("ec:p256", "ecdsa-with-SHA256"),
        ("ec:p384", "ecdsa-with-SHA384"),
    ] {
        let desk = desk_with_key(kind);
        csr(&desk, &["--subject", FULL, "--dns", "a.example", "--dns", "*.b.example", "--client-auth"])
            .exits(0);
        let said = of_request(&desk, &["-text"]);
        for expected in [
            &format!("Signature Algorithm: {algorithm}"),
            "X509v3 Key Usage: critical\n                    Digital Signature\n",
            "X509v3 Extended Key Usage: \n                    TLS Web Client Authentication\n",
            "DNS:a.example, DNS:*.b.example",
        ] {
            assert!(said.contains(expected), "{kind}: {expected:?} is not in: {said}");
        }
        assert_eq!(of_request(&desk, &["-pubkey"]).as_bytes(), desk.read("officer.pub"), "{kind}");
        csr(&desk, &["--subject", FULL, "--self-signed", "365", "--client-auth"]).exits(0);
        let certificate = text(&desk, "made.pem");
        openssl(&[
            "verify",
            "-x509_strict",
            "-check_ss_sig",
            "-purpose",
            "sslclient",
            "-CAfile",
            &certificate,
            &certificate,
        ]);
        let of_certificate = openssl(&["x509", "-in", &certificate, "-noout", "-pubkey"]);
        assert_eq!(of_certificate, desk.read("officer.pub"), "{kind}");
    }
}

#[test]
fn a_larger_key_requires_no_permission() {
    let desk = desk_with_key("rsa:3072");
    let done = csr(&desk, &["--subject", "CN=a"]).exits(0);
    assert!(!done.stderr().contains("--allow-key-size"), "nobody said that: {}", done.stderr());
}

#[test]
fn what_is_not_asked_for_is_not_in_the_request() {
    let desk = desk_with_key("ec:p256");
    csr(&desk, &["--subject", "CN=a"]).exits(0);
    let said = of_request(&desk, &["-text"]);
    assert!(said.contains("Digital Signature"), "{said}");
    for absent in ["Extended Key Usage", "Alternative Name"] {
        assert!(!said.contains(absent), "{said}");
    }
}

#[test]
fn subjects_are_read_as_rfc_4514_writes_them() {
    let desk = desk_with_key("ec:p256");
    for (subject, as_openssl_shows_it) in [
        (FULL, "CN=server1-demo,O=Example,L=Boston,ST=MA,C=US"),
        ("CN=server1 , O = Example Inc. ,C=us", "CN=server1,O=Example Inc.,C=us"),
        (r#"CN=Doe\, Jane,O=A\+B \"C\" \\ \; \< \> \#"#, r#"CN=Doe\, Jane,O=A\+B \"C\" \\ \; \< \> #"#),
        (r"CN=\#a\=b", r"CN=\#a=b"),
        (r"CN=\ leading and trailing\ ,O=x", r"CN=\ leading and trailing\ ,O=x"),
        (r"CN=J\C3\BCrgen\2C Dr.", r"CN=Jürgen\, Dr."),
        ("CN=Jürgen,O=日本", "CN=Jürgen,O=日本"),
        ("CN=#0C0161", "CN=a"),
        ("cn=a,dc=example,dc=com", "CN=a,DC=example,DC=com"),
        ("2.5.4.3=a,UID=u,emailAddress=x@example.com", "CN=a,UID=u,emailAddress=x@example.com"),
        ("serialNumber=5,title=t,street=s,GN=g,SN=n", "serialNumber=5,title=t,street=s,GN=g,SN=n"),
        ("CN=a+OU=b,O=c", "OU=b+CN=a,O=c"),
        ("O=no common name", "O=no common name"),
    ] {
        csr(&desk, &["--subject", subject]).exits(0);
        let said = of_request(&desk, &["-subject", "-nameopt", "RFC2253,utf8,-esc_msb"]);
        assert_eq!(said.trim_end(), format!("subject={as_openssl_shows_it}"), "{subject}");
    }
}

/// In the DER the least specific part comes first.
#[test]
fn the_parts_have_the_order_and_the_types_that_other_tools_write() {
    let desk = desk_with_key("ec:p256");
    csr(&desk, &["--subject", FULL]).exits(0);
    let ours = of_request(&desk, &["-subject", "-nameopt", "multiline,show_type"]);
    let other = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout"];
    let subject = ["-subj", "/C=US/ST=MA/L=Boston/O=Example/CN=server1-demo", "-out"];
    openssl(&[&other[..], &[&text(&desk, "other.key")], &subject, &[&text(&desk, "made.pem")]].concat());
    assert_eq!(ours, of_request(&desk, &["-subject", "-nameopt", "multiline,show_type"]));
}

#[test]
fn a_subject_that_cannot_be_read_names_the_part_and_costs_no_pin() {
    let desk = desk_with_key("ec:p256");
    let without_pin =
        |subject: &str| desk.countersign(&["csr", "--key", KEY, "--subject", subject, "-o", "made.pem"]).go();
    let done = without_pin("CN=server1,O=Example,C=USA").exits(2);
    pinned("csr_country", &desk, "countersign csr --subject CN=server1,O=Example,C=USA", &done);
    let done = without_pin("CN=server1,XYZ=b,C=US").exits(2);
    pinned("csr_subject", &desk, "countersign csr --subject CN=server1,XYZ=b,C=US", &done);
    for (subject, part) in [
        ("", "the subject is empty"),
        (" ", "the subject is empty"),
        ("server1", r#""server1" in"#),
        ("/CN=a/O=b", r#""/CN=a/O=b" in"#),
        ("CN=a,,O=b", r#""" in"#),
        ("CN=a,", r#""" in"#),
        ("CN=", r#""CN=" in"#),
        ("CN=a+", r#""" in"#),
        (r"CN=a\zz,O=b", r#""CN=a\\zz" in"#),
        ("CN=#zz,O=b", r##""CN=#zz" in"##),
    ] {
        without_pin(subject).exits(2).says(part);
    }
    assert!(!desk.path("made.pem").exists());
}

/// RFC 4514 requires them to be escaped, and RFC 1779 gave them another meaning: a guess would end up in a
/// certificate.
#[test]
fn what_must_be_escaped_is_not_guessed_at() {
    let desk = desk_with_key("ec:p256");
    for subject in ["CN=a;O=b", r#"CN="a",O=b"#, "CN=a<b>", r"CN=a\", r"CN=a,O=b\"] {
        let done = csr(&desk, &["--subject", subject]);
        assert_eq!(done.code(), 2, "{subject}: {}", done.stderr());
    }
}

#[test]
fn a_common_name_longer_than_x_509_allows_is_refused() {
    let desk = desk_with_key("ec:p256");
    let name = |length| format!("CN={}", "a".repeat(length));
    csr(&desk, &["--subject", &name(64)]).exits(0);
    csr(&desk, &["--subject", &name(65)]).exits(2);
}

#[test]
fn what_is_not_a_dns_name_is_refused_before_the_pin_is_asked_for() {
    let desk = desk_with_key("ec:p256");
    let without_pin =
        |name: &str| desk.countersign(&["csr", "--key", KEY, "--subject", "CN=a", "--dns", name]).go();
    for name in ["", "a_b.example", "a..b", "a b", "ü.example", "*", "a.*.b", "a-.b"] {
        let done = without_pin(name);
        assert_eq!(done.code(), 2, "{name}: {}", done.stderr());
    }
    pinned("csr_dns", &desk, "countersign csr --subject CN=a --dns a_b.example", &without_pin("a_b.example"));
}

#[test]
fn an_address_is_not_a_dns_name() {
    let desk = desk_with_key("ec:p256");
    csr(&desk, &["--subject", "CN=a", "--dns", "192.0.2.1"]).exits(2);
}

#[test]
fn a_self_signed_certificate_is_valid_from_before_now_for_the_requested_days() {
    let desk = desk_with_key("ec:p256");
    let in_openssl = |options: &[&str]| {
        let certificate = ["x509", "-noout", "-in", &text(&desk, "made.pem")];
        String::from_utf8(openssl(&[&certificate, options].concat())).unwrap()
    };
    let mut serials = Vec::new();
    // The second ends in a year that is encoded differently.
    for days in ["1", "18250"] {
        csr(&desk, &["--subject", FULL, "--self-signed", days]).exits(0);
        let seconds = days.parse::<u64>().unwrap() * 86_400;
        in_openssl(&["-checkend", &(seconds - 600).to_string()]);
        let said = in_openssl(&["-text"]);
        for expected in ["CA:FALSE", "Digital Signature", "Version: 3"] {
            assert!(said.contains(expected), "{said}");
        }
        assert_eq!(
            in_openssl(&["-subject"]).trim_start_matches("subject"),
            in_openssl(&["-issuer"]).trim_start_matches("issuer")
        );
        serials.push(in_openssl(&["-serial"]));
    }
    assert_ne!(serials[0], serials[1]);
    for days in ["0", "36501", "x"] {
        csr(&desk, &["--subject", FULL, "--self-signed", days]).exits(2);
        assert!(!desk.path("made.pem").exists());
    }
}

#[test]
fn it_goes_to_stdout_to_a_file_or_into_the_document() {
    let desk = desk_with_key("ec:p256");
    let run = |options: &[&str]| {
        desk.countersign(&[&["csr", "--key", KEY, "--subject", "CN=a"], options].concat()).with_pin().go()
    };
    for options in [&[][..], &["-o", "-"]] {
        let done = run(options).exits(0);
        desk.write("made.pem", done.stdout_bytes());
        of_request(&desk, &[]);
        assert!(done.stdout().ends_with("-----END CERTIFICATE REQUEST-----\n"));
    }
    pinned("csr", &desk, "countersign csr --subject CN=a -o made.pem", &run(&["-o", "made.pem"]).exits(0));
    of_request(&desk, &[]);
    let document = run(&["--json"]).exits(0).json();
    desk.write("made.pem", document["request"].as_str().unwrap().as_bytes());
    of_request(&desk, &[]);
    assert_eq!(document["mechanism"], "CKM_ECDSA");
    assert_eq!(document["written"], serde_json::Value::Null);
    let document = run(&["--json", "--self-signed", "9", "-o", "made.pem"]).exits(0).json();
    assert_eq!(document["certificate"].as_str().unwrap().as_bytes(), desk.read("made.pem"));
    assert_eq!(document["written"], "made.pem");
    run(&["--json", "-o", "-"]).exits(2);
    run(&["-o", "nowhere/made.pem"]).exits(1);
}

#[test]
fn it_does_not_matter_what_else_the_key_is_unfit_for() {
    let desk = Desk::provisioned(&["--keys", "exportable,rsa1024"]);
    for id in ["05", "06"] {
        let key = format!("pkcs11:id=%{id}");
        desk.countersign(&["csr", "--key", &key, "--subject", "CN=a", "-o", "made.pem"])
            .with_pin()
            .go()
            .exits(0);
        of_request(&desk, &[]);
    }
}

#[test]
fn a_device_that_fails_leaves_no_file() {
    for kind in ["rsa:2048", "ec:p256"] {
        let desk = desk_with_key(kind);
        let arguments = ["csr", "--key", KEY, "--subject", "CN=a", "-o", "made.pem", "--timeout", "1"];
        for (faults, code) in [
            ("C_Sign=0x30", 6),
            ("C_Sign=corrupt", 6),
            ("C_SignInit=0x30", 6),
            ("C_Sign=gone:0x32", 6),
            ("C_Sign=delay:30000", 6),
            ("C_Login=0xa0", 5),
            ("C_OpenSession=0x30", 3),
        ] {
            // A short key cannot produce a signature with a wrong bit.
            if faults == "C_Sign=corrupt" && kind == "ec:p256" {
                continue;
            }
            let done = with_faults(&desk, &arguments, faults).go();
            assert_eq!(done.code(), code, "{kind}, {faults}: {}", done.stderr());
            assert!(!desk.path("made.pem").exists(), "{kind}, {faults}");
            assert_eq!(calls(&desk, "CONCURRENT"), 0);
        }
        let done = with_faults(&desk, &arguments, "C_Sign=0x30").go();
        pinned(
            &format!("csr_device_error_{}", kind.split(':').next().unwrap()),
            &desk,
            "countersign csr --subject CN=a",
            &done,
        );
    }
}

#[test]
fn a_missing_key_is_reported() {
    let desk = desk_with_key("ec:p256");
    let run = |key: &str| desk.countersign(&["csr", "--key", key, "--subject", "CN=a"]).with_pin().go();
    run("pkcs11:token=officer;id=%09").exits(4).says("matches");
    run("pkcs11:token=other;id=%01").exits(3);
}

#[test]
fn a_subject_that_other_programs_cannot_read_is_refused_before_the_pin() {
    let desk = desk_with_key("rsa:2048");
    let long = |name: &str, length: usize| format!("{name}={}", "x".repeat(length));
    for (subject, reason) in [
        ("CN=x,serialNumber=a_b", "'_' cannot be in it: X.509 writes this attribute as a PrintableString"),
        ("DC=exämple", "'ä' cannot be in it: X.509 writes this attribute as an IA5String"),
        ("emailAddress=ü@x.de", "'ü' cannot be in it"),
        ("CN=x,2.5.4.6=USA", "a country has two letters"),
        (&long("commonName", 80), "it has 80 characters, and common name has at most 64"),
        (&long("2.5.4.3", 65), "common name has at most 64"),
        (&long("O", 65), "organization has at most 64"),
        (&long("OU", 65), "organizational unit has at most 64"),
        ("CN=x,E=a@b", "\"E\" in the subject \"CN=x,E=a@b\" is not a known attribute"),
        ("S=x", "\"S\" in the subject"),
        ("OID.1.2.3=x", "by its OID, as in 2.5.4.12=Officer"),
        ("CN=x,dnQualifier=a_b", "'_' cannot be in it: X.509 writes this attribute as a PrintableString"),
        ("CN=x,2.5.4.20=ü", "as a PrintableString"),
        ("CN=x,emailAddress=#0C03C3BC40", "'ü' cannot be in it: X.509 writes this attribute as an IA5String"),
        // Values written in DER: an OCTET STRING, NULL, an INTEGER, a UTF8String that is not UTF-8.
        ("CN=#040161", "in another form than a UTF8String"),
        ("CN=#0500", "in another form"),
        ("CN=#020105", "in another form"),
        ("CN=#0C02C328", "its value is not UTF-8"),
        // Programs written in C read as far as the first.
        ("CN=server1.example.com\\00.evil.example", "the control character '\\0' is in it"),
        ("CN=a\\0Ab", "the control character '\\n' is in it"),
    ] {
        // No PIN source: a prompt would fail, because there is no terminal.
        let run = desk.countersign(&["csr", "--key", KEY, "--subject", subject]);
        run.go().exits(2).says(reason);
    }
    for subject in [
        &long("CN", 64),
        &long("O", 64),
        "CN=x,serialNumber=A-1 b",
        "DC=example,DC=com",
        "2.5.4.12=x",
        "CN=x,dnQualifier=a,telephoneNumber=\\+1 555+UID=u",
        "C=#0C025553,DC=#0C0161",
    ] {
        csr(&desk, &["--subject", subject]).exits(0);
        openssl(&["req", "-in", &text(&desk, "made.pem"), "-verify", "-noout"]);
        // Python's cryptography is stricter about strings than openssl.
        cryptography(&desk.path("made.pem"));
    }
    // pkilint knows the type of each string.
    let typed = "CN=x,dnQualifier=a,telephoneNumber=\\+1 555,C=#0C025553,DC=#0C076578616D706C65,DC=com";
    csr(&desk, &["--subject", typed, "--self-signed", "9"]).exits(0);
    assert_eq!(pkilint(&desk.path("made.pem")), [""; 0]);
    csr(&desk, &["--subject", "CN=a/O=b"]).exits(0).says("the form with slashes is openssl's");
}

/// The device signs correctly, but that cannot be verified here: the key is reported as unsuitable, and the
/// device is not blamed.
#[test]
fn a_key_on_a_curve_that_is_not_supported_is_named_before_the_pin() {
    let folder = tempfile::tempdir().unwrap();
    for (curve, shown) in [("secp256k1", "EC secp256k1"), ("brainpoolP256r1", "EC brainpoolP256r1")] {
        let key = folder.path().join(format!("{curve}.pem")).to_str().unwrap().to_owned();
        let curve = format!("ec_paramgen_curve:{curve}");
        openssl(&["genpkey", "-quiet", "-algorithm", "EC", "-pkeyopt", &curve, "-out", &key]);
        let desk = Desk::provisioned(&["--keys", "none", "--import", &key, "--import-id", "01"]);
        let csr = ["csr", "--key", KEY, "--subject", "CN=a", "-o", "made.pem"];
        let done = desk.countersign(&csr).go().exits(4);
        let done = done
            .says(&format!("is not suitable for signing: it is {shown}; EC keys on P-256, P-384 and P-521"));
        assert!(!done.stderr().contains("CloudHSM"), "{}", done.stderr());
        // Also if it is not named.
        desk.countersign(&["csr", "--subject", "CN=a"]).with_pin().go().exits(4).says(shown);
        // It can still be read.
        desk.countersign(&["public-key", "--key", KEY]).with_pin().go().exits(0);
        assert!(!desk.path("made.pem").exists());
    }
}

#[test]
fn a_key_without_an_id_has_the_only_public_key_of_its_label() {
    let desk = empty_desk();
    let make = ["--keypairgen", "--key-type", "EC:prime256v1", "--usage-sign", "--label"];
    for label in ["alone", "twin", "twin", "orphan"] {
        pkcs11_tool(&desk, &[&make[..], &[label]].concat());
    }
    pkcs11_tool(&desk, &["--delete-object", "--type", "pubkey", "--label", "orphan"]);
    let csr = |label: &str| {
        let key = format!("pkcs11:object={label}");
        desk.countersign(&["csr", "--key", &key, "--subject", "CN=officer"]).with_pin().go()
    };
    desk.write("csr.pem", csr("alone").exits(0).stdout_bytes());
    openssl_reads_request(&text(&desk, "csr.pem"), &["-subject"]);
    // Two keys with one label, and one without its public key.
    let said = csr("orphan")
        .exits(4)
        .says("the public key of 'pkcs11:")
        .says("cannot be read from officer")
        .stderr();
    assert!(!said.contains("CloudHSM") && said.contains("or under the same label"), "{said}");
    let said = csr("twin").exits(4).stderr();
    assert!(!said.contains("CloudHSM"), "{said}");
}

#[test]
fn a_key_whose_curve_is_written_out_is_known_by_the_curve_s_name() {
    // CKA_EC_PARAMS in the form of ykcs11 2.2.
    for (kind, curve, generator) in
        [("ec:p256", "prime256v1", "046b17d1f2"), ("ec:p384", "secp384r1", "04aa87ca22")]
    {
        let desk = desk_with_key(kind);
        let explicit = openssl(&["ecparam", "-name", curve, "-param_enc", "explicit", "-outform", "DER"]);
        let hex: String = explicit.iter().map(|byte| format!("{byte:02x}")).collect();
        let faults = format!("C_GetAttributeValue=give:0x180:{hex}");
        let written = with_faults(&desk, &["public-key", "--key", KEY], &faults).go().exits(0);
        assert_eq!(written.stdout_bytes(), desk.read("officer.pub"), "{kind}");
        let csr = ["csr", "--key", KEY, "--subject", "CN=officer", "-o", "csr.pem"];
        with_faults(&desk, &csr, &faults).go().exits(0);
        openssl_reads_request(&text(&desk, "csr.pem"), &["-subject"]);
        // A curve with a generator of somebody's own choice is not a known curve.
        assert!(hex.contains(generator));
        let other = hex.replace(generator, "0400000000");
        with_faults(&desk, &csr, &format!("C_GetAttributeValue=give:0x180:{other}")).go().exits(4);
    }
}
