use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::Value;

use super::*;
use crate::error::{Error, Exit, Explain};
use crate::signature::{PublicKey, Verifier};
use crate::tokenfile::{Change, Signed as InFileSigned, TokenFile};

const QUORUM: &[u8] = include_bytes!("../../tests/samples/aws-quorum-user-unsigned.json");
const MFA: &[u8] = include_bytes!("../../tests/samples/aws-mfa-unsigned.json");

/// A key in memory, unlike any user's.
struct Key(RsaKeyPair);

impl Key {
    fn new() -> Self {
        Key(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    fn public(&self) -> PublicKey {
        let spki: PublicKeyX509Der<'_> = self.0.public_key().as_der().unwrap();
        PublicKey::from_spki_der(spki.as_ref()).unwrap()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        let random = aws_lc_rs::rand::SystemRandom::new();
        self.0.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
        signature
    }
}

/// AWS's sample with approvals by these users with these keys.
fn approved(by: &[(&str, &Key)]) -> TokenFile {
    let mut file = TokenFile::parse(QUORUM).unwrap();
    for (username, key) in by {
        let crate::signature::Payload::Message { bytes, .. } = &file.tokens()[0].payload else {
            panic!("the sample has its data")
        };
        let signature = key.sign(bytes);
        let change = Change::Approval { username, role: None, signature: &signature };
        file = TokenFile::parse(&file.with([change])).unwrap();
    }
    file
}

fn count<'a>(file: &'a TokenFile, known: &[(&str, &Key)]) -> QuorumCount<'a> {
    let key_of = |user: &str| -> Result<_, std::convert::Infallible> {
        let key = known.iter().find(|(name, _)| *name == user).map(|(_, key)| key.public());
        Ok(key.map(|key| (key.clone(), Verifier::new(&key).unwrap())))
    };
    QuorumCount::of(file, key_of).unwrap_or_else(|never| match never {})
}

#[test]
fn an_approval_counts_once_for_each_key() {
    let (alice, bob) = (Key::new(), Key::new());
    let file = approved(&[("alice", &alice), ("bob", &bob), ("carol", &alice)]);
    let of_two = count(&file, &[("alice", &alice), ("bob", &bob)]);
    assert_eq!(of_two.valid(), 2);
    assert!(matches!(of_two.verdicts[2].outcome, Err(SignatureFault::NoKey)));
    assert_eq!(of_two.into_wrong().count(), 0, "a key that was not given does not make an approval wrong");
    let of_three = count(&file, &[("alice", &alice), ("bob", &bob), ("carol", &alice)]);
    assert_eq!(of_three.valid(), 2);
    let wrong: Vec<_> = of_three.into_wrong().collect();
    assert!(matches!(&wrong[..], [(approval, SignatureFault::SameKey(user))]
        if approval.username == "carol" && user == "alice"));
    let swapped = count(&file, &[("alice", &bob), ("bob", &alice)]);
    assert_eq!((swapped.valid(), swapped.into_wrong().count()), (0, 2));
}

#[test]
fn a_quorum_token_says_when_it_expires_and_who_approved_twice() {
    let key = Key::new();
    let file = approved(&[("alice", &key), ("bob", &key)]);
    let token = QuorumToken::of(&file).unwrap();
    let created = token.created().unwrap();
    assert!(!token.is_expired(created + 600) && token.is_expired(created + 601));
    let (one, other) = token.same_signature().unwrap();
    assert_eq!((one.username.as_str(), other.username.as_str()), ("alice", "bob"));
    assert!(QuorumToken::of(&TokenFile::parse(MFA).unwrap()).is_none());
}

#[test]
fn each_fault_of_a_signature_is_distinguished() {
    let (key, other) = (Key::new(), Key::new());
    let verifier = Verifier::new(&key.public()).unwrap();
    let payload = crate::signature::Payload::message(b"text");
    let check = |signed: &InFileSigned| check_signature(signed, &payload, &verifier);
    assert!(check(&InFileSigned::Yes(key.sign(b"text"))).is_ok());
    assert!(matches!(check(&InFileSigned::No), Err(SignatureFault::NotSigned)));
    assert!(matches!(check(&InFileSigned::Unreadable("x".into())), Err(SignatureFault::NotBase64(_))));
    let by_other = check(&InFileSigned::Yes(other.sign(b"text")));
    assert!(matches!(by_other, Err(SignatureFault::NotVerified(_))));
    let nowhere = PathBuf::from("/nowhere/file.sig");
    assert!(matches!(check_detached(b"text", &nowhere, &verifier), Err(SignatureFault::NoFile(_))));
}

fn request(files: &[PathBuf], audit_log: Option<PathBuf>) -> SigningRequest {
    SigningRequest {
        files: files.to_vec(),
        output: None,
        public_key_output: None,
        audit_log,
        detached: false,
        force: false,
        dry_run: false,
        fills_public_key: true,
        mechanism: Default::default(),
        policy: Default::default(),
        username: None,
        role: None,
    }
}

#[test]
fn every_file_that_is_not_done_gets_its_line_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["one.json", "two.json", "three.json"].map(|name| folder.path().join(name));
    files.iter().for_each(|file| fs::write(file, MFA).unwrap());
    let log = folder.path().join("audit.log");
    let progress = Arc::new(Progress::default());
    let trail = AuditTrail::open(&request(&files, Some(log.clone())), &progress).unwrap();
    progress.read(&read_all(&files, Purpose::Look).unwrap());
    progress.begin(3);
    progress.file_done();
    progress.begin(3);
    progress.signed(crate::signature::Mechanism::RsaPkcs);
    let error = trail.failed(Error::from(RequestError::NoUsername));
    assert!(error.consequences().is_empty());
    trail.ended_early(EarlyEnd::Interrupted);
    let text = fs::read_to_string(&log).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let outcomes: Vec<_> = lines.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["failed", "failed", "interrupted", "interrupted"]);
    for (line, file) in lines.iter().zip(files[1..].iter().cycle()) {
        assert_eq!(line["file"], file.display().to_string());
        assert_eq!((&line["format"], &line["mechanism"]), (&"mfa".into(), &"CKM_RSA_PKCS".into()));
        assert_eq!(line["sha256_before"], crate::signature::sha256_hex(MFA));
    }
    assert_eq!((&lines[0]["signatures"], &lines[1]["signatures"]), (&1.into(), &0.into()));
    assert!(lines[0]["error"].as_str().unwrap().contains("--username"));
    // When all files are done, an early end concerns none of them; a failure is about what else was to be
    // written.
    progress.file_done();
    progress.file_done();
    trail.ended_early(EarlyEnd::Interrupted);
    trail.failed(Error::from(RequestError::NoUsername));
    let text = fs::read_to_string(&log).unwrap();
    assert_eq!(text.lines().count(), 5);
    assert!(text.lines().last().unwrap().contains("(the public key)"));
}

#[test]
fn a_plan_signs_what_is_unsigned_and_keeps_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let file = TokenFile::parse(MFA).unwrap();
    let half_signed = file.with([Change::Signature { token: 1, signature: &[7; 256] }]);
    let path = folder.path().join("tokens.json");
    fs::write(&path, half_signed).unwrap();
    let inputs = read_all(std::slice::from_ref(&path), Purpose::Look).unwrap();
    let request = request(&[path], None);
    let plan = Plan::new(&inputs[0], &Destination::Stdout, &request, None).unwrap();
    assert_eq!((plan.signatures_to_make(), plan.kept().collect::<Vec<_>>()), (2, vec!["token 2"]));
    let record = plan.record(false);
    assert_eq!((record.tokens, record.signed, record.signed_already), (3, 2, 1));
    assert_eq!(record.written.as_deref(), Some("-"));
    let key = Key::new().public();
    let other = plan.check_kept(&Verifier::new(&key).unwrap(), &key, Default::default()).unwrap_err();
    assert!(matches!(&other, Unsignable::OtherSignature { what, .. } if what == "token 2"), "{other}");
    assert_eq!(other.exit(), Exit::Signature);
    let forced = SigningRequest { force: true, ..request };
    let plan = Plan::new(&inputs[0], &Destination::Stdout, &forced, None).unwrap();
    assert_eq!((plan.signatures_to_make(), plan.has_kept()), (3, false));
}

#[test]
fn waiting_continues_while_the_error_may_pass_and_ends_with_the_obstacle() {
    let may_pass = || Error::from(NotNew { name: "tokens.json".into(), being_written: false });
    let patience = Duration::from_secs(60);
    let told = std::cell::Cell::new(0);
    let waits = |_: Duration, _: &InTheWay| told.set(told.get() + 1);
    let mut attempts = 0;
    let done = Deadline::new(Some(Duration::from_secs(30)), patience).until_done(waits, || {
        attempts += 1;
        if attempts < 3 { Err(may_pass()) } else { Ok(attempts) }
    });
    assert_eq!((done.unwrap(), told.get()), (3, 1));
    let timed_out: Result<(), Error> =
        Deadline::new(Some(Duration::ZERO), patience).until_done(waits, || Err(may_pass()));
    assert!(timed_out.unwrap_err().to_string().starts_with("timed out after 0 seconds: \"tokens.json\""));
    let not_waited: Result<(), Error> = Deadline::new(None, patience).until_done(waits, || Err(may_pass()));
    assert!(not_waited.unwrap_err().may_pass());
    assert_eq!(told.get(), 1);
}
