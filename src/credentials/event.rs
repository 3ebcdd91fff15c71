//! What happens while credentials are obtained, as facts. The words are the caller's.

use std::time::Duration;

use crate::certificate::Certificate;
use crate::device::{AccessEvent, SigningKey};
use crate::error::Error;
use crate::rolesanywhere::{Answered, Request, SkippedRoot};
use crate::signature::Mechanism;

/// Who is told what happens.
pub type Observer<'a> = &'a dyn Fn(Event<'_>);

/// Something that happened, in the order of the variants.
#[derive(Debug)]
pub enum Event<'a> {
    /// Any server's certificate is accepted, so anyone who controls the network can take the credentials.
    AnyServerIsTrusted,
    /// A certificate of the CA bundle cannot be used, and is skipped.
    RootSkipped(&'a SkippedRoot),
    /// Something happened on the way to the device.
    Device(AccessEvent<'a>),
    /// This key signs.
    KeyOpened(&'a SigningKey),
    /// Its device says that the key can leave it.
    KeyCanLeave,
    /// A certificate above the presented one is not valid, and no valid one was found in its place.
    ChainIsNotValid {
        /// The certificate.
        certificate: &'a Certificate,
    },
    /// The presented certificate, or one above it, expires soon.
    CertificateEndsSoon {
        /// The certificate.
        certificate: &'a Certificate,
        /// How much of its validity is left.
        left: Duration,
    },
    /// The device is about to sign, and may wait for a touch.
    SigningBegins,
    /// The device has answered, with a signature or without.
    SigningEnds,
    /// The request is signed.
    Signed {
        /// The request.
        request: &'a Request,
        /// With which mechanism.
        mechanism: Mechanism,
        /// The length of the signature in bytes.
        bytes: usize,
    },
    /// There is an answer, with credentials or without.
    Answered {
        /// The HTTP method of the request.
        method: &'a str,
        /// The host as the request names it.
        host: String,
        /// The answer.
        answer: &'a Answered,
    },
    /// AWS reported that this computer's clock is wrong. The request is sent once more with AWS's time.
    ClockIsOff {
        /// By how many seconds it is ahead; behind, if negative.
        ahead: i64,
    },
    /// An attempt failed, and another one follows.
    AttemptFailed {
        /// How many attempts there were.
        attempts: u32,
        /// Why it failed.
        error: &'a Error,
        /// How long until the next one.
        pause: Duration,
    },
}
