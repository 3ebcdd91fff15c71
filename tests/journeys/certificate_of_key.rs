//! Which certificate belongs to a key: `countersign certificate`, with several certificates on the device.

use crate::support::authority::{Authority, Leaf};
use crate::support::desk::Desk;
use crate::support::openssl::{openssl, openssl_reads_request};
use crate::support::pinned::pinned;
use crate::support::preparing::{
    KEY, certificate_of, desk_with_key, empty_desk, issue, pkcs11_tool, put_certificate, text,
    without_what_varies,
};

const COMMAND: &str = "countersign certificate --key 'pkcs11:token=officer;id=%01;type=private'";

/// A desk on whose device `signkey` has certificates, each in a file and under an id of its own.
fn desk_with(authority: &Authority, leaves: &[(&str, Leaf, &str)]) -> Desk {
    let desk = desk_with_key("rsa:2048");
    for (name, leaf, id) in leaves {
        let file = format!("{name}.pem");
        issue(&desk, authority, leaf, &file);
        put_certificate(&desk, &file, id, name);
    }
    desk
}

fn ends_in(days: f64) -> Leaf {
    Leaf { valid_days: Some((-1.0, days)), ..Leaf::default() }
}

#[test]
fn of_two_certificates_the_suitable_one_is_chosen_in_any_order() {
    let authority = Authority::new();
    type Make = fn() -> Leaf;
    let unfit: [(&str, Make); 5] = [
        ("expired", Leaf::expired),
        ("not_yet", Leaf::not_yet_valid),
        ("ca", Leaf::of_a_ca),
        ("no_signature", Leaf::without_digital_signature),
        ("ends_sooner", || ends_in(5.0)),
    ];
    for (name, leaf) in unfit {
        for unfit_first in [true, false] {
            let mut leaves = vec![(name, leaf(), "01"), ("fit", ends_in(20.0), "01")];
            if !unfit_first {
                leaves.reverse();
            }
            let desk = desk_with(&authority, &leaves);
            assert_eq!(
                certificate_of(&desk, KEY).as_bytes(),
                desk.read("fit.pem"),
                "{name}, first: {unfit_first}"
            );
        }
    }
}

#[test]
fn of_many_certificates_the_suitable_one_is_chosen_too() {
    let desk = desk_with(
        &Authority::new(),
        &[
            ("ca", Leaf::of_a_ca(), "01"),
            ("expired", Leaf::expired(), "01"),
            ("fit", ends_in(20.0), "01"),
            ("no_signature", Leaf::without_digital_signature(), "01"),
            ("ends_sooner", ends_in(5.0), "01"),
            ("not_yet", Leaf::not_yet_valid(), "01"),
        ],
    );
    assert_eq!(certificate_of(&desk, KEY).as_bytes(), desk.read("fit.pem"));
}

#[test]
fn an_expired_certificate_is_better_than_none_and_is_reported_as_expired() {
    let desk = desk_with(&Authority::new(), &[("expired", Leaf::expired(), "01")]);
    let done = desk.countersign(&["certificate", "--key", KEY, "-o", "out.pem"]).with_pin().go().exits(0);
    pinned("certificate_expired", &desk, &format!("{COMMAND} -o out.pem"), &without_what_varies(done));
    assert_eq!(desk.read("out.pem"), desk.read("expired.pem"));
    let early = desk_with(&Authority::new(), &[("early", Leaf::not_yet_valid(), "01")]);
    early
        .countersign(&["certificate", "--key", KEY])
        .with_pin()
        .go()
        .exits(0)
        .says("not valid now: its time begins on");
}

#[test]
fn a_certificate_under_another_id_is_found_by_its_public_key() {
    let desk = desk_with(&Authority::new(), &[("elsewhere", Leaf::default(), "77")]);
    assert_eq!(certificate_of(&desk, KEY).as_bytes(), desk.read("elsewhere.pem"));
    // And it leads back to the key.
    let key = "pkcs11:token=officer;id=%77;type=cert";
    desk.countersign(&["csr", "--key", key, "--subject", "CN=a", "-o", "csr.pem"]).with_pin().go().exits(0);
    assert_eq!(openssl_reads_request(&text(&desk, "csr.pem"), &["-pubkey"]), desk.read("officer.pub"));
}

#[test]
fn finding_or_missing_a_certificate_requires_no_pin() {
    let desk = desk_with(&Authority::new(), &[("fit", Leaf::default(), "01")]);
    let found = desk.countersign(&["certificate", "--key", KEY]).go().exits(0);
    assert_eq!(found.stdout_bytes(), desk.read("fit.pem"));
    let desk = desk_with_key("rsa:2048");
    let missed = desk.countersign(&["certificate", "--key", KEY]).go().exits(4);
    pinned("certificate_none", &desk, COMMAND, &missed);
}

#[test]
fn what_is_not_a_certificate_hides_none() {
    let authority = Authority::new();
    for broken_first in [true, false] {
        let desk = desk_with_key("rsa:2048");
        let put_broken = || {
            // A truncated certificate: it has the key's id, and begins like the right one.
            let der = openssl(&["x509", "-in", &text(&desk, "fit.pem"), "-outform", "DER"]);
            desk.write("broken.der", &der[..der.len() / 2]);
            put_broken_object(&desk, "broken.der");
        };
        issue(&desk, &authority, &Leaf::default(), "fit.pem");
        if broken_first {
            put_broken();
        }
        put_certificate(&desk, "fit.pem", "01", "fit");
        if !broken_first {
            put_broken();
        }
        assert_eq!(certificate_of(&desk, KEY).as_bytes(), desk.read("fit.pem"));
        let key = "pkcs11:token=officer;id=%01;type=cert";
        desk.countersign(&["csr", "--key", key, "--subject", "CN=a"]).with_pin().go().exits(0);
        desk.countersign(&["list", "--login"]).with_pin().go().exits(0);
    }
}

/// pkcs11-tool parses what it writes, so the device gets a whole certificate, whose file is then cut short.
fn put_broken_object(desk: &Desk, broken: &str) {
    use std::fs;
    let tokens = || {
        let folders = fs::read_dir(desk.path("device/tokens")).unwrap().map(|folder| folder.unwrap().path());
        let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap()).map(|file| file.unwrap().path());
        files.filter(|file| file.extension().is_some_and(|name| name == "object")).collect::<Vec<_>>()
    };
    let before = tokens();
    let whole = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=whole",
    ];
    let out = ["-keyout", &text(desk, "whole.key"), "-out", &text(desk, "whole.pem")];
    openssl(&[&whole[..], &out].concat());
    put_certificate(desk, "whole.pem", "01", "broken");
    let whole = openssl(&["x509", "-in", &text(desk, "whole.pem"), "-outform", "DER"]);
    let object = tokens().into_iter().find(|file| !before.contains(file)).expect("a file of the new object");
    let mut bytes = fs::read(&object).unwrap();
    let at = bytes.windows(whole.len()).position(|window| window == whole).expect("the certificate's bytes");
    // Of the same length, or the file of the device itself would be broken.
    let mut cut = desk.read(broken);
    cut.resize(whole.len(), 0);
    bytes[at..at + whole.len()].copy_from_slice(&cut);
    fs::write(&object, bytes).unwrap();
}

/// Each was stored under the other's id: the public key decides, and no signature is made to find out.
#[test]
fn two_certificates_that_were_swapped_are_still_distinguished() {
    let desk = Desk::provisioned(&["--keys", "rsa3072,alwayskey"]);
    let authority = Authority::new();
    for (id, other) in [("02", "03"), ("03", "02")] {
        let key = format!("pkcs11:token=officer;id=%{id};type=private");
        let public_key = format!("{id}.pub");
        desk.countersign(&["public-key", "--key", &key, "-o", &public_key]).with_pin().go().exits(0);
        let certificate = format!("{id}.pem");
        authority.issue(&desk.path(&public_key), &Leaf::default(), &desk.path(&certificate));
        put_certificate(&desk, &certificate, other, "swapped");
    }
    for id in ["02", "03"] {
        let key = format!("pkcs11:token=officer;id=%{id};type=private");
        assert_eq!(certificate_of(&desk, &key).as_bytes(), desk.read(&format!("{id}.pem")));
        let certificate = format!("pkcs11:token=officer;id=%{id};type=cert");
        let csr = ["csr", "--key", &certificate, "--subject", "CN=a", "-o", "csr.pem"];
        desk.countersign(&csr).with_pin().go().exits(0);
        let other = if id == "02" { "03.pub" } else { "02.pub" };
        let of_request = openssl_reads_request(&text(&desk, "csr.pem"), &["-pubkey"]);
        assert_eq!(of_request, desk.read(other), "the certificate under {id} is of the other key");
    }
}

#[test]
fn the_chain_above_it_is_written_in_order_as_far_as_it_is_there() {
    let authority = Authority::with_intermediate();
    let desk = desk_with(&authority, &[("fit", Leaf::default(), "01")]);
    let chain =
        || desk.countersign(&["certificate", "--chain", "--key", KEY]).with_pin().go().exits(0).stdout();
    let file = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap();
    let leaf = file(desk.path("fit.pem"));
    assert_eq!(chain(), leaf);
    for (number, path) in [(90, authority.anchor()), (91, authority.intermediates())] {
        std::fs::copy(&path, desk.path("above.pem")).unwrap();
        put_certificate(&desk, "above.pem", &number.to_string(), "above");
    }
    assert_eq!(chain(), leaf + &file(authority.intermediates()) + &file(authority.anchor()));
    let document = desk.countersign(&["certificate", "--json", "--key", KEY]).with_pin().go().exits(0).json();
    assert_eq!(document["subject"], "CN=server1-demo");
    assert_eq!(
        document["chain"],
        serde_json::json!(["CN=countersign test intermediate", "CN=countersign test root"])
    );
    let serial = openssl(&["x509", "-in", &text(&desk, "fit.pem"), "-noout", "-serial"]);
    let serial = String::from_utf8(serial).unwrap();
    let serial = num_bigint::BigUint::parse_bytes(serial.trim().trim_start_matches("serial=").as_bytes(), 16);
    assert_eq!(document["serial"], serial.unwrap().to_string());
    let listed = pkcs11_tool(&desk, &["--list-objects", "--type", "cert"]);
    assert_eq!(listed.matches("Certificate Object").count(), 3);
}

#[test]
fn a_certificate_whose_curve_is_written_out_is_read_and_named() {
    let desk = empty_desk();
    for (curve, name, id) in
        [("P-256", "EC P-256", "01"), ("P-384", "EC P-384", "02"), ("P-521", "EC P-521", "03")]
    {
        let (key, pem) = (text(&desk, "key.pem"), text(&desk, "explicit.pem"));
        let generate = ["genpkey", "-algorithm", "EC", "-pkeyopt", &format!("ec_paramgen_curve:{curve}")];
        openssl(&[&generate[..], &["-pkeyopt", "ec_param_enc:explicit", "-out", &key]].concat());
        openssl(&["req", "-x509", "-new", "-key", &key, "-subj", "/CN=explicit", "-out", &pem]);
        put_certificate(&desk, "explicit.pem", id, "explicit");
        let uri = format!("pkcs11:token=officer;id=%{id};type=cert");
        let done = desk.countersign(&["certificate", "--key", &uri, "--json"]).go().exits(0).json();
        // The same key in openssl's form with a named curve.
        let spki = openssl(&["ec", "-in", &key, "-pubout", "-param_enc", "named_curve", "-outform", "DER"]);
        let digest = openssl_sha256(&desk, &spki);
        assert_eq!(done["public_key_sha256"], digest, "{name}");
    }
}

fn openssl_sha256(desk: &Desk, bytes: &[u8]) -> String {
    desk.write("bytes", bytes);
    let said = String::from_utf8(openssl(&["dgst", "-sha256", "-r", &text(desk, "bytes")])).unwrap();
    said.split_whitespace().next().unwrap().to_owned()
}
