//! `docs/json.md` and the documents that the program prints: each has the members of the other.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::support::authority::{Authority, Leaf};
use crate::support::command_line::commands;
use crate::support::desk::{Desk, SIGNKEY};
use crate::support::documents::Page;
use crate::support::faults::behind_faults;
use crate::support::piv_card::{PivCard, YKCS11};
use crate::support::preparing::{CERTIFICATE, DEVICE, KEY, desk_with_key, empty_desk, issue};
use crate::support::server::Server;
use crate::support::token_files::{UNSIGNED, authdata, registration};

const QUORUM: &[u8] = include_bytes!("../samples/aws-quorum-user-unsigned.json");

/// Runs of the program that print documents.
type Runs = fn() -> Vec<Value>;

/// The headings of the page, each with runs whose documents together have all of its members.
const DOCUMENTS: [(&str, Runs); 24] = [
    ("Errors", errors),
    ("sign", sign),
    ("verify", verify),
    ("show", show),
    ("merge", merge),
    ("audit verify", audit_verify),
    ("list", list),
    ("doctor", doctor),
    ("public-key", public_key),
    ("certificate", certificate),
    ("keygen", keygen),
    ("csr", csr),
    ("import-certificate", import_certificate),
    ("attest", attest),
    ("credential-process", credential_process),
    ("credential-process --dry-run", credential_process_dry_run),
    ("update --once", update_once),
    ("sign-string", sign_string),
    ("read-certificate-data of a file", certificate_data_of_a_file),
    ("read-certificate-data of a URI", certificate_data_of_a_uri),
    ("man", man),
    ("Device", device),
    ("Key", key),
    ("A line of the audit log", lines_of_the_audit_log),
];

/// Commands whose `--json` only concerns errors.
const WITHOUT_DOCUMENT: [&str; 3] = ["completions", "help", "serve"];

#[test]
fn the_page_about_json_names_every_member_of_every_document_and_no_other() {
    let page = Page::read("docs/json.md");
    let compare = |(heading, runs): &(&str, Runs)| page.compare_members(heading, &runs());
    let problems: Vec<String> = DOCUMENTS.iter().flat_map(compare).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_page_about_json_has_a_table_for_every_command() {
    let page = Page::read("docs/json.md");
    let compared: BTreeSet<&str> = DOCUMENTS.iter().map(|(heading, _)| *heading).collect();
    let with_table = page.parts().iter().filter(|part| part.has_table("member"));
    assert_eq!(with_table.map(|part| part.heading.as_str()).collect::<BTreeSet<_>>(), compared);
    for command in commands() {
        let has_table = compared.iter().any(|heading| heading.split(' ').next() == Some(&command));
        assert_eq!(has_table, !WITHOUT_DOCUMENT.contains(&command.as_str()), "{command}");
    }
}

/// The document of a run that has the PIN.
#[track_caller]
fn document(desk: &Desk, arguments: &[&str]) -> Value {
    desk.countersign(&[arguments, &["--json"]].concat()).with_pin().go().json()
}

fn errors() -> Vec<Value> {
    let desk = Desk::new();
    desk.write("unsigned-tokens.json", UNSIGNED);
    let absent = ["sign", "--key", "pkcs11:token=elsewhere", "unsigned-tokens.json"];
    vec![document(&desk, &absent), document(&desk, &["sign", "--no-such-option"])]
}

fn sign() -> Vec<Value> {
    let desk = desk_with_token_files();
    let run = |arguments: &[&str]| document(&desk, &[&["sign", "--key", SIGNKEY], arguments].concat());
    vec![
        run(&["--dry-run", "tokens.json"]),
        run(&["--write-public-key", "officer.pub", "tokens.json", "registration.json", "authdata.json"]),
        run(&["tokens.json"]),
        run(&["--username", "alice", "quorum.json"]),
        run(&["--detached", "any.file"]),
    ]
}

fn verify() -> Vec<Value> {
    let desk = desk_with_token_files();
    let public_key = "device/signkey.pub.pem";
    let unsigned = document(&desk, &["verify", "--public-key", public_key, "tokens.json"]);
    sign_all(&desk);
    let of_alice = format!("alice={public_key}");
    vec![
        unsigned,
        document(
            &desk,
            &["verify", "--public-key", public_key, "tokens.json", "registration.json", "authdata.json"],
        ),
        document(&desk, &["verify", "--public-key", &of_alice, "quorum.json"]),
        document(&desk, &["verify", "--detached", "--public-key", public_key, "any.file"]),
    ]
}

fn show() -> Vec<Value> {
    let desk = desk_with_token_files();
    let files = ["show", "tokens.json", "registration.json", "authdata.json", "quorum.json"];
    let unsigned = document(&desk, &files);
    sign_all(&desk);
    vec![unsigned, document(&desk, &files)]
}

fn merge() -> Vec<Value> {
    let desk = desk_with_token_files();
    sign_all(&desk);
    desk.write("other.json", QUORUM);
    vec![document(&desk, &["merge", "quorum.json", "other.json", "-o", "merged.json"])]
}

fn audit_verify() -> Vec<Value> {
    let desk = desk_with_token_files();
    document(&desk, &["sign", "--key", SIGNKEY, "--audit-log", "audit.log", "tokens.json"]);
    vec![
        document(&desk, &["audit", "verify", "audit.log"]),
        document(&desk, &["audit", "verify", "--files", "audit.log"]),
    ]
}

fn list() -> Vec<Value> {
    let desk = Desk::new();
    let failing = behind_faults(desk.countersign(&["list", "--json"]), &desk, "C_GetTokenInfo=0x30");
    let without = desk.countersign(&["list", "--json", "pkcs11:token=elsewhere;model=SoftHSM%20v2"]);
    let empty = Desk::new();
    fs::remove_dir_all(empty.path("device/tokens")).unwrap();
    fs::create_dir(empty.path("device/tokens")).unwrap();
    vec![
        document(&desk, &["list"]),
        document(&desk, &["list", "--login"]),
        failing.go().json(),
        without.go().json(),
        document(&empty, &["list"]),
    ]
}

fn doctor() -> Vec<Value> {
    let desk = Desk::new();
    let with_configuration = desk.countersign(&["doctor", "--json"]).without_env("COUNTERSIGN_MODULE");
    vec![
        document(&desk, &["doctor", "--sign", "--key", SIGNKEY]),
        document(&desk, &["doctor", "--module", "/nowhere.so"]),
        with_configuration.go().json(),
    ]
}

fn public_key() -> Vec<Value> {
    vec![document(&Desk::new(), &["public-key", "-o", "officer.pub"])]
}

fn certificate() -> Vec<Value> {
    vec![document(&Desk::new(), &["certificate", "--key", SIGNKEY, "-o", "officer.pem"])]
}

fn keygen() -> Vec<Value> {
    vec![document(&empty_desk(), &["keygen", "--device", DEVICE, "--label", "new", "-o", "new.pub"])]
}

fn csr() -> Vec<Value> {
    let ec = Desk::provisioned(&["--keys", "eckey"]);
    vec![
        document(&Desk::new(), &["csr", "--key", SIGNKEY, "--subject", "CN=officer"]),
        document(&ec, &["csr", "--key", "pkcs11:id=%04", "--subject", "CN=officer", "--self-signed", "1"]),
    ]
}

fn import_certificate() -> Vec<Value> {
    let (desk, authority) = (desk_with_key("rsa:2048"), Authority::with_intermediate());
    let import = |options: &[&str]| {
        issue(&desk, &authority, &Leaf::default(), "leaf.pem");
        let chain = [desk.read("leaf.pem"), fs::read(authority.intermediates()).unwrap()].concat();
        desk.write("chain.pem", &chain);
        document(&desk, &[&["import-certificate", "--key", KEY], options, &["chain.pem"]].concat())
    };
    vec![import(&["--with-chain"]), import(&["--replace"])]
}

fn attest() -> Vec<Value> {
    let options = ["--blank", "--key", "9a=rsa2048:once:cached"];
    let (card, desk) = (PivCard::inserted(&options), Desk::without_device());
    let root = card.path("attestation-root.pem").display().to_string();
    let on_card = ["attest", "--json", "--key", "pkcs11:id=%01;type=private", "--root", &root];
    let proven = card.countersign(&desk, YKCS11, &on_card).go().exits(0).json();
    vec![proven, document(&Desk::new(), &["attest", "--key", SIGNKEY])]
}

fn credential_process() -> Vec<Value> {
    let server = Server::new();
    let run = |options: &[&str]| server.run("credential-process", options).go().exits(0).json();
    vec![run(&["--json"]), run(&[])]
}

fn credential_process_dry_run() -> Vec<Value> {
    vec![Server::new().run("credential-process", &["--json", "--dry-run"]).go().exits(0).json()]
}

fn update_once() -> Vec<Value> {
    vec![Server::new().run("update", &["--json", "--once"]).go().exits(0).json()]
}

fn sign_string() -> Vec<Value> {
    let sign = ["sign-string", "--private-key", SIGNKEY, "--digest"];
    let desk = Desk::new();
    ["SHA256", "SHA384", "SHA512"].map(|digest| document(&desk, &[&sign[..], &[digest]].concat())).to_vec()
}

fn certificate_data_of_a_file() -> Vec<Value> {
    let desk = Desk::new();
    document(&desk, &["certificate", "--key", SIGNKEY, "-o", "officer.pem"]);
    vec![document(&desk, &["read-certificate-data", "--certificate", "officer.pem"])]
}

fn certificate_data_of_a_uri() -> Vec<Value> {
    vec![document(&Desk::new(), &["read-certificate-data", "--certificate", CERTIFICATE])]
}

fn man() -> Vec<Value> {
    let desk = Desk::without_device();
    fs::create_dir(desk.path("man")).unwrap();
    vec![document(&desk, &["man", "man"])]
}

fn device() -> Vec<Value> {
    vec![csr().remove(0)["device"].take()]
}

fn key() -> Vec<Value> {
    vec![csr().remove(0)["key"].take()]
}

fn lines_of_the_audit_log() -> Vec<Value> {
    let desk = desk_with_token_files();
    desk.write("wrong-pin", b"999999");
    let sign = ["sign", "--key", SIGNKEY, "--audit-log", "audit.log", "tokens.json"];
    let run = || desk.countersign(&sign);
    run().env("COUNTERSIGN_PIN_SOURCE", "file:wrong-pin").go().exits(5);
    run().with_pin().go().exits(0);
    run().go().exits(0);
    let log = String::from_utf8(desk.read("audit.log")).unwrap();
    log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A desk with an unsigned file of each format.
fn desk_with_token_files() -> Desk {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    desk.write("registration.json", &registration(1));
    desk.write("authdata.json", &authdata());
    desk.write("quorum.json", QUORUM);
    desk.write("any.file", b"anything");
    desk
}

/// Signs all of its files.
fn sign_all(desk: &Desk) {
    let sign = |arguments: &[&str]| {
        let words = [&["sign", "--key", SIGNKEY], arguments].concat();
        desk.countersign(&words).with_pin().go().exits(0);
    };
    sign(&["tokens.json", "registration.json", "authdata.json"]);
    sign(&["--username", "alice", "--role", "admin", "quorum.json"]);
    sign(&["--detached", "any.file"]);
}
