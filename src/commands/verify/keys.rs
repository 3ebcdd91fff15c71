//! The public keys to verify with: from files, or from a device.

use std::cell::OnceCell;
use std::path::Path;

use countersign::error::{Error, Exit, Explain};
use countersign::save;
use countersign::signature::{PublicKey, PublicKeyError, Verifier, VerifyError};
use countersign::signing::RequestError;
use countersign::tokenfile::is_same_user;

use crate::cli::Verify;
use crate::commands::context::Context;
use crate::commands::usage::UsageError;
use crate::terminal::Terminal;

/// A PEM public key is much smaller.
const MAX_PEM_BYTES: u64 = 64 * 1024;

pub(super) struct Keys<'a> {
    arguments: &'a Verify,
    context: &'a Context,
    terminal: &'a Terminal,
    plain: Option<PublicKey>,
    users: Vec<(String, PublicKey)>,
    from_device: OnceCell<PublicKey>,
}

impl<'a> Keys<'a> {
    /// Reads all files that were given.
    pub(super) fn new(
        arguments: &'a Verify,
        context: &'a Context,
        terminal: &'a Terminal,
    ) -> Result<Self, Error> {
        let mut keys = Keys {
            arguments,
            context,
            terminal,
            plain: None,
            users: Vec::new(),
            from_device: OnceCell::new(),
        };
        for given in &arguments.public_keys {
            let text = given.to_string_lossy();
            // A URI may hold a PIN, which no "no such file" may repeat.
            if text.to_ascii_lowercase().contains("pkcs11:") {
                return Err(RequestError::UriForFile.into());
            }
            // A user name may contain a `=`, and so may a path.
            let mut splits = text.match_indices('=').map(|(at, _)| (&text[..at], &text[at + 1..]));
            let with_user =
                splits.clone().find(|(_, path)| Path::new(path).exists()).or_else(|| splits.next_back());
            match with_user.filter(|_| !given.exists()) {
                Some((user, _)) if keys.users.iter().any(|(known, _)| is_same_user(known, user)) => {
                    return Err(UsageError::TwoKeys(format!("the user {user:?}")).into());
                }
                Some((user, path)) => keys.users.push((user.to_owned(), read(Path::new(path))?)),
                None if keys.plain.is_some() => return Err(UsageError::TwoKeys("one file".into()).into()),
                None => keys.plain = Some(read(given)?),
            }
        }
        Ok(keys)
    }

    /// The one key of a file that is signed with one: from a file, otherwise from a device.
    pub(super) fn plain(&self) -> Result<PublicKey, Error> {
        if !self.users.is_empty() {
            let reason = "--public-key USER=PEM is for quorum approvals, and not all files are";
            return Err(UsageError::NotForThisFile(reason).into());
        }
        if let Some(key) = self.plain.as_ref().or_else(|| self.from_device.get()) {
            return Ok(key.clone());
        }
        let key = self.context.public_key(&self.arguments.key, self.terminal)?;
        Ok(self.from_device.get_or_init(|| key).clone())
    }

    /// One approver's key, and a verifier for it.
    pub(super) fn of_user(&self, username: &str) -> Result<Option<(PublicKey, Verifier)>, BadKey> {
        let key = self.users.iter().find(|(user, _)| is_same_user(user, username)).map(|(_, key)| key);
        key.map(|key| Ok((key.clone(), verifier(key, self.terminal)?))).transpose()
    }

    /// For a quorum approval, each key must be assigned to its user.
    pub(super) fn refuse_plain(&self) -> Result<(), UsageError> {
        match self.arguments.public_keys.iter().find(|given| self.plain.is_some() && given.exists()) {
            Some(given) => Err(UsageError::NoUserForKey(given.clone())),
            None => Ok(()),
        }
    }
}

/// Prepares to verify with a key, and warns about a size that CloudHSM does not accept.
pub(super) fn verifier(key: &PublicKey, terminal: &Terminal) -> Result<Verifier, BadKey> {
    let verifier = Verifier::new(key).map_err(|error| BadKey::Unusable { error })?;
    if key.bits() != 2048 {
        terminal.warn(&format!("the key is {}; CloudHSM accepts RSA-2048", key.describe()));
    }
    Ok(verifier)
}

fn read(path: &Path) -> Result<PublicKey, Error> {
    let bytes = save::read(path, MAX_PEM_BYTES)?;
    let bad = |source| BadKey::Malformed { name: path.display().to_string(), source };
    Ok(PublicKey::from_pem(&bytes).map_err(bad)?)
}

/// A public key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadKey {
    #[error("the public key file {name:?} cannot be used: {source}")]
    Malformed { name: String, source: PublicKeyError },
    #[error("no signature can be checked with this key: {error}")]
    Unusable { error: VerifyError },
}

impl Explain for BadKey {
    fn exit(&self) -> Exit {
        match self {
            BadKey::Malformed { .. } => Exit::Malformed,
            BadKey::Unusable { .. } => Exit::Key,
        }
    }

    fn hint(&self) -> Option<String> {
        let converted = match self {
            BadKey::Malformed { name, source: PublicKeyError::OtherPem { found } } => {
                cure(found).map(|cure| format!("convert it: {}", cure.replace("FILE", &format!("{name:?}"))))
            }
            _ => None,
        };
        Some(
            converted
                .unwrap_or_else(|| "countersign public-key writes the right file from the device".into()),
        )
    }
}

/// The command that makes a public key file of FILE, which holds something else in PEM.
fn cure(found: &str) -> Option<&'static str> {
    match found {
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => {
            Some("openssl x509 -in FILE -noout -pubkey > key.pem")
        }
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {
            Some("openssl req -in FILE -noout -pubkey > key.pem")
        }
        "PKCS7" | "CMS" => {
            Some("openssl pkcs7 -print_certs -in FILE | openssl x509 -noout -pubkey > key.pem")
        }
        "RSA PUBLIC KEY" => Some("openssl rsa -RSAPublicKey_in -in FILE -pubout -out key.pem"),
        _ if found.ends_with("PRIVATE KEY") => Some("openssl pkey -in FILE -pubout -out key.pem"),
        _ => None,
    }
}
