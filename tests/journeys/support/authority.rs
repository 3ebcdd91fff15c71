//! A certificate authority for tests. It issues as AWS Private CA does to clients and, on demand, what AWS
//! refuses.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use crate::support::openssl::{openssl, openssl_reads_request};
use crate::support::roles_anywhere::host;
use crate::support::template;

/// The folder for its keys and certificates, within its own.
const CAS: &str = "cas";

/// A certificate authority, with or without intermediates below its root, that issues for public keys.
pub struct Authority {
    folder: TempDir,
    /// From the root down.
    intermediates: &'static [&'static str],
}

impl Authority {
    pub fn new() -> Self {
        Self::with_intermediates(&[])
    }

    pub fn with_intermediate() -> Self {
        Self::with_intermediates(&["intermediate"])
    }

    /// With these intermediates, each below the one before.
    pub fn with_intermediates(intermediates: &'static [&'static str]) -> Self {
        let folder = TempDir::with_prefix("countersign-ca-").expect("a temporary folder");
        let recipe = ("authority", intermediates.iter().map(OsString::from).collect());
        template::files(&folder.path().join(CAS), recipe, |folder| {
            certify_ca(folder, "root", "root");
            let issuers = ["root"].iter().chain(intermediates);
            intermediates.iter().zip(issuers).for_each(|(name, issuer)| certify_ca(folder, name, issuer));
        });
        Authority { folder, intermediates }
    }

    /// The root, which the service is told to trust.
    pub fn anchor(&self) -> PathBuf {
        self.path("root.pem")
    }

    pub fn has_intermediate(&self) -> bool {
        !self.intermediates.is_empty()
    }

    /// For `--intermediates`: from the root down, which is not the order in which they are sent.
    pub fn intermediates(&self) -> PathBuf {
        assert!(self.has_intermediate(), "this authority has no intermediate");
        let read =
            |name: &&str| fs::read_to_string(self.path(&format!("{name}.pem"))).expect("a file is read");
        self.write("intermediates.pem", &self.intermediates.iter().map(read).collect::<String>())
    }

    /// A certificate (PEM) at `certificate` for the public key (PEM) at `public_key`, whose private half stays where it is.
    pub fn issue(&self, public_key: &Path, leaf: &Leaf, certificate: &Path) {
        if let Some(days) = leaf.valid_days {
            let (ca, key) = self.issuer();
            let common_name = Leaf::default().subject.trim_start_matches("/CN=");
            return issue_dated(public_key, days, (&ca, &key), (common_name, false), certificate);
        }
        let arguments = ["-new", "-force_pubkey", text(public_key), "-subj", leaf.subject];
        self.sign(&arguments, leaf, certificate);
    }

    /// The same with this serial number.
    pub fn issue_with_serial(&self, public_key: &Path, leaf: &Leaf, serial: &str, certificate: &Path) {
        let arguments = ["-new", "-force_pubkey", text(public_key), "-subj", leaf.subject];
        self.sign_with_serial(&arguments, leaf, serial, certificate);
    }

    /// A certificate (PEM) at `certificate` for a request: with its subject and public key, and without its
    /// extensions.
    pub fn certify(&self, request: &Path, leaf: &Leaf, certificate: &Path) {
        openssl_reads_request(text(request), &[]);
        self.sign(&["-req", "-in", text(request)], leaf, certificate);
    }

    /// A private key and a certificate for it, both PEM, in a folder: `NAME.key`, `NAME.pem`.
    pub fn issue_with_key(
        &self,
        folder: &Path,
        name: &str,
        kind: &[&str],
        leaf: &Leaf,
    ) -> (PathBuf, PathBuf) {
        let (key, public) = (folder.join(format!("{name}.key")), folder.join(format!("{name}.pub")));
        let certificate = folder.join(format!("{name}.pem"));
        openssl(&[&["genpkey", "-quiet", "-out", text(&key), "-algorithm"], kind].concat());
        openssl(&["pkey", "-in", text(&key), "-pubout", "-out", text(&public)]);
        self.issue(&public, leaf, &certificate);
        (key, certificate)
    }

    /// Another certificate (PEM) of the lowest intermediate, with its name and key, and a validity in days
    /// from now.
    pub fn certify_intermediate_again(&self, days: (f64, f64)) -> Vec<u8> {
        let [.., name] = self.intermediates else { panic!("this authority has no intermediate") };
        let above = ["root"].iter().chain(self.intermediates).nth(self.intermediates.len() - 1);
        let issuer = above.expect("an issuer");
        let (ca, key) = (self.path(&format!("{issuer}.pem")), self.path(&format!("{issuer}.key")));
        let public = openssl(&["pkey", "-in", text(&self.path(&format!("{name}.key"))), "-pubout"]);
        let public_key = self.path("again.pub");
        fs::write(&public_key, public).expect("a file is written");
        let certificate = self.path("again.pem");
        let subject = format!("countersign test {name}");
        issue_dated(&public_key, days, (&ca, &key), (&subject, true), &certificate);
        fs::read(certificate).expect("a file is read")
    }

    fn issuer(&self) -> (PathBuf, PathBuf) {
        let issuer = self.intermediates.last().unwrap_or(&"root");
        (self.path(&format!("{issuer}.pem")), self.path(&format!("{issuer}.key")))
    }

    fn sign(&self, what: &[&str], leaf: &Leaf, certificate: &Path) {
        let serial = format!("0x5a{}", String::from_utf8(openssl(&["rand", "-hex", "19"])).unwrap().trim());
        self.sign_with_serial(what, leaf, &serial, certificate);
    }

    fn sign_with_serial(&self, what: &[&str], leaf: &Leaf, serial: &str, certificate: &Path) {
        let (ca, key) = self.issuer();
        let extensions = self.write("extensions", &leaf.extensions());
        let mut arguments = [&["x509"], what].concat();
        arguments.extend(["-CA", text(&ca), "-CAkey", text(&key), "-set_serial", serial, "-days", "90"]);
        arguments.extend([leaf.digest, "-extfile", text(&extensions), "-out", text(certificate)]);
        openssl(&arguments);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(CAS).join(name)
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        fs::write(self.path(name), content).expect("a file is written");
        self.path(name)
    }
}

/// What an end-entity certificate contains: by default the same as AWS Private CA's
/// EndEntityClientAuthCertificate.
pub struct Leaf {
    pub subject: &'static str,
    pub ca: bool,
    pub key_usage: &'static str,
    pub digest: &'static str,
    /// From when and until when it is valid, in days from now, for a certificate that is otherwise as usual.
    pub valid_days: Option<(f64, f64)>,
}

impl Default for Leaf {
    fn default() -> Self {
        Leaf {
            subject: "/CN=server1-demo",
            ca: false,
            key_usage: "digitalSignature",
            digest: "-sha256",
            valid_days: None,
        }
    }
}

impl Leaf {
    pub fn expired() -> Self {
        Leaf { valid_days: Some((-30.0, -1.0)), ..Self::default() }
    }

    pub fn not_yet_valid() -> Self {
        Leaf { valid_days: Some((1.0, 30.0)), ..Self::default() }
    }

    pub fn of_a_ca() -> Self {
        Leaf { ca: true, ..Self::default() }
    }

    pub fn without_digital_signature() -> Self {
        Leaf { key_usage: "keyEncipherment", ..Self::default() }
    }

    pub fn signed_with_sha1() -> Self {
        Leaf { digest: "-sha1", ..Self::default() }
    }

    fn extensions(&self) -> String {
        let ca = if self.ca { "TRUE" } else { "FALSE" };
        format!(
            "basicConstraints = CA:{ca}\nauthorityKeyIdentifier = keyid\nsubjectKeyIdentifier = hash\n\
             keyUsage = critical, {}\nextendedKeyUsage = clientAuth\n",
            self.key_usage
        )
    }
}

fn issue_dated(
    public_key: &Path,
    days: (f64, f64),
    (ca, key): (&Path, &Path),
    (common_name, of_a_ca): (&str, bool),
    certificate: &Path,
) {
    let (from, until) = (days.0.to_string(), days.1.to_string());
    let (from, until) = (format!("--from-days={from}"), format!("--until-days={until}"));
    let mut issue = vec!["--public-key", text(public_key), "--ca", text(ca), "--ca-key", text(key)];
    issue.extend(["--common-name", common_name, "--out", text(certificate), &from, &until]);
    issue.extend(of_a_ca.then_some("--of-a-ca"));
    host().ask(&json!({ "issue": issue })).is("ISSUED");
}

/// A CA's key and certificate, in a folder.
fn certify_ca(folder: &Path, name: &str, issuer: &str) {
    let path = |name: &str| folder.join(name);
    let (key, request) = (path(&format!("{name}.key")), path(&format!("{name}.csr")));
    let extensions = path("ca-extensions");
    let of_a_ca = "basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign, digitalSignature\n\
                   subjectKeyIdentifier = hash\n";
    fs::write(&extensions, of_a_ca).expect("a file is written");
    let (key, request, extensions) = (text(&key), text(&request), text(&extensions));
    let p256 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    openssl(&[&["genpkey", "-quiet", "-out", key], &p256[..]].concat());
    let subject = format!("/CN=countersign test {name}");
    openssl(&["req", "-new", "-key", key, "-subj", &subject, "-out", request]);
    let (ca, ca_key) = (path(&format!("{issuer}.pem")), path(&format!("{issuer}.key")));
    let certificate = path(&format!("{name}.pem"));
    let mut sign = vec!["x509", "-req", "-in", request, "-days", "90", "-sha256", "-extfile", extensions];
    match name == issuer {
        true => sign.extend(["-signkey", key]),
        false => sign.extend(["-CA", text(&ca), "-CAkey", text(&ca_key)]),
    }
    sign.extend(["-out", text(&certificate)]);
    openssl(&sign);
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
