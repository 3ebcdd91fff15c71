//! Why files do not verify, and what to do about it.

use countersign::error::{Exit, Explain};
use countersign::printable::one_line;
use countersign::signature::VerifyError;
use countersign::signing::SignatureFault;

/// How many of the required approvals count.
pub(super) fn quorum_line(file: &str, valid: usize, required: usize) -> String {
    let approvals = if valid == 1 { "approval" } else { "approvals" };
    format!("{file}: {valid} valid {approvals}, {required} required")
}

/// Why a file does not verify.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("{file}: token {number} of {count}: {fault}")]
    Token { file: String, number: usize, count: usize, fault: SignatureFault },
    #[error("{file}: its \"PublicKey\" is not the key")]
    PublicKey { file: String },
    #[error("{file}: the approval of {}: {fault}", one_line(user))]
    Approval { file: String, user: String, fault: SignatureFault },
    #[error("{}", quorum_line(file, *valid, *required))]
    TooFew { file: String, valid: usize, required: usize },
    #[error("{file}: {fault}")]
    Detached { file: String, fault: SignatureFault },
}

impl Fault {
    /// What is wrong with the signature, if a signature is the fault.
    fn signature(&self) -> Option<&SignatureFault> {
        match self {
            Fault::Token { fault, .. } | Fault::Approval { fault, .. } | Fault::Detached { fault, .. } => {
                Some(fault)
            }
            Fault::PublicKey { .. } | Fault::TooFew { .. } => None,
        }
    }
}

/// Signatures that are missing or wrong.
#[derive(Debug, thiserror::Error)]
#[error("{}", match &faults[..] {
    [Fault::TooFew { .. }] => "too few valid approvals".into(),
    [_] => "1 signature does not verify".into(),
    many => format!("{} signatures do not verify", many.len()),
})]
pub(super) struct NotVerified {
    pub(super) faults: Vec<Fault>,
}

impl Explain for NotVerified {
    fn exit(&self) -> Exit {
        Exit::Signature
    }
    fn detail(&self) -> Vec<String> {
        self.faults.iter().map(Fault::to_string).collect()
    }
    fn hint(&self) -> Option<String> {
        let faults = || self.faults.iter();
        let is = |wanted: VerifyError| move |fault: &Fault| matches!(fault.signature(), Some(SignatureFault::NotVerified(found)) if *found == wanted);
        let hint = if faults().any(is(VerifyError::HashedTwice)) {
            "sign the tokens again with countersign sign --force: CloudHSM refuses a digest that was hashed again"
        } else if faults().any(is(VerifyError::NoDigestInfo)) {
            "sign the tokens again with countersign sign --force, or with openssl pkeyutl -sign -pkeyopt digest:sha256"
        } else if faults().any(|fault| matches!(fault.signature(), Some(SignatureFault::NotBase64(_)))) {
            "write each signature as base64 in one line, as openssl base64 -A does; or countersign sign --force"
        } else if faults().all(|fault| matches!(fault.signature(), Some(SignatureFault::NotSigned))) {
            "sign them with countersign sign"
        } else if faults().any(|fault| matches!(fault, Fault::TooFew { .. })) {
            "have the others approve it, or give the keys of all approvers: --public-key USER=PEM"
        } else if faults().any(|fault| matches!(fault, Fault::Approval { .. })) {
            "check that the key is that user's; a wrong approval is signed again with countersign sign --force"
        } else {
            "check that this is the key that signed; countersign sign --force signs the tokens again"
        };
        Some(hint.into())
    }
}
