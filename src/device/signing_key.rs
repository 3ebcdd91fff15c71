//! A private key on a device that signs. What it returns was verified in software with its public key.

use std::time::{Duration, Instant};

use cryptoki::error::RvError;
use cryptoki::mechanism::{Mechanism as Ckm, MechanismType};
use cryptoki::object::ObjectHandle;

use super::call::CallError;
use super::choose::{StoredCertificate, stored_certificates};
use super::error::{KeyError, LoginError, SignError};
use super::key_facts::KeyFacts;
use super::kind::ModuleKind;
use super::login::{Login, log_in_again, renew_login};
use super::objects::{self, PrivateKey};
use super::present::Device;
use super::session::{ContextAnswer, Session, SignJob};
use super::watch::{TOUCH_MISSED_AFTER, WaitsFor};
use crate::certificate::{Certificate, TouchPolicy};
use crate::error::Error;
use crate::signature::{Hash, Mechanism, Payload, PublicKey, Verifier};
use crate::uri::Uri;

/// A private key, in a session in which its user is logged in.
#[derive(Debug)]
pub struct SigningKey {
    session: Session,
    device: Device,
    key: PrivateKey,
    uri: String,
    public_key: PublicKey,
    verifier: Verifier,
    /// C_GetMechanismList; none if the device does not answer.
    offered: Option<Vec<MechanismType>>,
    /// For a lost session, and for a key that requires its PIN for each signature, which may be so even if
    /// the device does not say it.
    login: Login,
    /// At first what the device says, later what its signatures have shown.
    needs: Needs,
    /// Whether it has made a signature.
    has_signed: bool,
}

/// What a key requires for a signature, in the order in which it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Needs {
    /// The login of the session.
    Login,
    /// The PIN between C_SignInit and C_Sign (CKA_ALWAYS_AUTHENTICATE, PKCS#11 v2.40 section 4.9).
    Context,
    /// A new login of the user. OpenSC (0.23 to 0.27) knows the PIN policy "always" only in slot 9c, and
    /// takes the user for logged out when the card asks for its PIN; CACKey has no other login.
    NewLogin,
}

impl Needs {
    const ALL: [Self; 3] = [Needs::Login, Needs::Context, Needs::NewLogin];
}

/// The result of one attempt to sign.
enum Attempt {
    Signed(Vec<u8>),
    /// CKR_USER_NOT_LOGGED_IN, although the device did not accept the PIN just before.
    NeedsMore(SignError),
}

impl SigningKey {
    pub(super) fn new(
        session: Session,
        device: Device,
        key: PrivateKey,
        uri: String,
        public_key: PublicKey,
        login: Login,
    ) -> Result<Self, Error> {
        let verifier = Verifier::new(&public_key)
            .map_err(|error| SignError::Wrong { device: device.describe(), error })?;
        let offered = device.mechanisms();
        let announced = key.facts.always_authenticate == Some(true);
        let needs = if announced { Needs::Context } else { Needs::Login };
        Ok(SigningKey {
            session,
            device,
            key,
            uri,
            public_key,
            verifier,
            offered,
            login,
            needs,
            has_signed: false,
        })
    }

    /// Checks, without a call, that the key is not bound to other mechanisms than `wanted`
    /// (CKA_ALLOWED_MECHANISMS).
    ///
    /// # Errors
    /// [`KeyError::NotAllowed`], with the mechanisms that it is bound to.
    pub fn check_allowed(&self, wanted: &[Mechanism]) -> Result<(), KeyError> {
        match &self.key.facts.allowed_mechanisms {
            Some(allowed) if !wanted.iter().any(|mechanism| self.allows(*mechanism)) => {
                Err(KeyError::NotAllowed {
                    uri: self.uri.clone(),
                    wanted: wanted.iter().map(ToString::to_string).collect(),
                    allowed: allowed.clone(),
                    kind: self.device.kind(),
                })
            }
            _ => Ok(()),
        }
    }

    /// Signs on the device, with the first of `mechanisms` that key and device offer and accept, and verifies
    /// the result. Returns the signature and the mechanism that made it. If the session is lost, another is
    /// opened once.
    ///
    /// # Errors
    /// [`SignError`] if the device refuses, or signs wrongly.
    pub fn sign(
        &mut self,
        payload: &Payload,
        mechanisms: &[Mechanism],
    ) -> Result<(Vec<u8>, Mechanism), SignError> {
        let start = Instant::now();
        let result = match self.try_mechanisms(payload, mechanisms) {
            Err(SignError::Call { error, kind, .. }) if is_lost_session(&error, kind) => {
                self.reopen(error).and_then(|()| self.try_mechanisms(payload, mechanisms))
            }
            result => result,
        };
        self.has_signed |= result.is_ok();
        let waited = start.elapsed();
        result.map_err(|error| self.or_missed_touch(self.or_key_size(error, mechanisms), waited))
    }

    /// A URI that names the key.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// What is known about it.
    pub fn facts(&self) -> &KeyFacts {
        &self.key.facts
    }

    /// Its public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Verifies signatures with its public key.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The device that it is on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// All readable certificates on the device, including attestations.
    ///
    /// # Errors
    /// [`super::DeviceError`].
    pub fn certificates(&self) -> Result<Vec<Certificate>, Error> {
        let found = objects::certificates_and_attestations(&self.session)
            .map_err(|error| self.device.failure(error))?;
        Ok(found.into_iter().filter_map(|found| found.certificate.ok()).collect())
    }

    /// The certificates on the device that match `uri`'s id and label.
    ///
    /// # Errors
    /// [`super::DeviceError`].
    pub fn certificates_of(&self, uri: &Uri) -> Result<Vec<StoredCertificate>, Error> {
        stored_certificates(&self.session, &self.device, uri)
    }

    fn try_mechanisms(
        &mut self,
        payload: &Payload,
        mechanisms: &[Mechanism],
    ) -> Result<(Vec<u8>, Mechanism), SignError> {
        let mut refused = None;
        for mechanism in mechanisms.iter().copied() {
            if !self.offers(mechanism) || !self.allows(mechanism) {
                continue;
            }
            match self.sign_data(&ckm(mechanism), &mechanism.input(payload, self.signature_bytes())) {
                // Lists of mechanisms are not always true.
                Err(SignError::Call { error, .. }) if error.is(RvError::MechanismInvalid) => {
                    refused = Some(error)
                }
                Err(error) => return Err(error),
                Ok(from_device) => {
                    let signature = mechanism.signature(from_device);
                    let wrong = |error| SignError::Wrong { device: self.device.describe(), error };
                    self.verifier.verify(payload, &signature).map_err(wrong)?;
                    return Ok((signature, mechanism));
                }
            }
        }
        let names = |mechanisms: &[Mechanism]| mechanisms.iter().map(ToString::to_string).collect();
        Err(SignError::NoMechanism {
            device: self.device.describe(),
            wanted: names(mechanisms),
            kind: self.device.kind(),
            error: refused,
        })
    }

    /// The error about the key's size, if the module says that it does not sign with keys of this size. Some modules state
    /// wrong sizes, so they are asked only after a failure that a size can cause, with a key that has not signed.
    fn or_key_size(&self, error: SignError, mechanisms: &[Mechanism]) -> SignError {
        const OF_SIZE: [RvError; 7] = [
            RvError::KeySizeRange,
            RvError::DataLenRange,
            RvError::ArgumentsBad,
            RvError::DeviceError,
            RvError::FunctionFailed,
            RvError::FunctionNotSupported,
            RvError::GeneralError,
        ];
        let SignError::Call { device, error, kind } = error else { return error };
        let may_be_size = self.public_key.is_rsa() && !self.has_signed && error.is_one_of(&OF_SIZE);
        let bits = u64::from(self.public_key.bits());
        let sizes = mechanisms
            .first()
            .filter(|_| may_be_size)
            .and_then(|mechanism| self.device.key_sizes(ckm(*mechanism).mechanism_type()));
        match sizes.filter(|(least, most)| !(least..=most).contains(&&bits)) {
            Some(sizes) => SignError::KeySize { device, error, bits, sizes },
            None => SignError::Call { device, error, kind },
        }
    }

    /// According to the device's list; without one, everything is tried.
    fn offers(&self, mechanism: Mechanism) -> bool {
        self.offered.as_ref().is_none_or(|offered| offered.contains(&ckm(mechanism).mechanism_type()))
    }

    fn allows(&self, mechanism: Mechanism) -> bool {
        let allowed = self.key.facts.allowed_mechanisms.as_ref();
        allowed.is_none_or(|allowed| allowed.iter().any(|name| name == mechanism.ckm_name()))
    }

    fn signature_bytes(&self) -> usize {
        let bytes = self.public_key.bits().div_ceil(8) as usize;
        // An ECDSA signature is r and s, each as long as the curve.
        if self.public_key.is_rsa() { bytes } else { 2 * bytes }
    }

    /// Tries what the key has required so far, then what it may require besides. What sufficed is kept for
    /// later signatures.
    fn sign_data(&mut self, mechanism: &Ckm<'_>, data: &[u8]) -> Result<Vec<u8>, SignError> {
        let (so_far, mut refusal) = (self.needs, None);
        for needs in Needs::ALL.into_iter().filter(|needs| *needs >= so_far) {
            let attempt = match needs {
                Needs::Login => self.sign_as_logged_in(mechanism, data),
                Needs::Context => self.sign_with_pin(mechanism, data),
                Needs::NewLogin => self.renew_login().and_then(|()| self.sign_as_logged_in(mechanism, data)),
            };
            match attempt? {
                Attempt::Signed(signature) => {
                    self.needs = needs;
                    return Ok(signature);
                }
                Attempt::NeedsMore(error) => refusal = refusal.or(Some(error)),
            }
        }
        let nothing_tried = || CallError::unusable("C_Sign", "there is no way left to sign".into());
        Err(refusal.unwrap_or_else(|| self.refused(nothing_tried())))
    }

    fn sign_as_logged_in(&self, mechanism: &Ckm<'_>, data: &[u8]) -> Result<Attempt, SignError> {
        let start = Instant::now();
        match self.session.sign(&self.job(mechanism, data)) {
            Ok(signature) => Ok(Attempt::Signed(signature)),
            // If the card waited for a touch, it had looked at the PIN before.
            Err(error) if error.is(RvError::UserNotLoggedIn) && start.elapsed() < TOUCH_MISSED_AFTER => {
                Ok(Attempt::NeedsMore(self.refused(error)))
            }
            Err(error) => Err(self.refused_or_about_pin(error)),
        }
    }

    fn sign_with_pin(&self, mechanism: &Ckm<'_>, data: &[u8]) -> Result<Attempt, SignError> {
        let pin = self.login.pin_for_signature(&self.device)?;
        let start = Instant::now();
        let job = self.job(mechanism, data);
        let (answer, signature) = self.session.sign_with_pin(&job, pin);
        match signature {
            Ok(signature) => Ok(Attempt::Signed(signature)),
            Err(error)
                if answer == ContextAnswer::Unknown
                    && error.is_one_of(&[RvError::UserNotLoggedIn, RvError::OperationNotInitialized])
                    && start.elapsed() < TOUCH_MISSED_AFTER =>
            {
                Ok(Attempt::NeedsMore(self.refused(error)))
            }
            Err(error) => Err(self.refused_or_about_pin(error)),
        }
    }

    fn job<'a>(&self, mechanism: &'a Ckm<'a>, data: &'a [u8]) -> SignJob<'a> {
        let needs_touch = self.key.facts.touch == Some(TouchPolicy::Always);
        SignJob {
            mechanism,
            key: self.key.handle,
            data,
            signature_bytes: self.signature_bytes(),
            waits_for: if needs_touch { WaitsFor::Touch } else { WaitsFor::Device },
        }
    }

    /// Logs the user in again, for one signature. A logout invalidates the key's handle (PKCS#11 v2.40
    /// section 5.6).
    fn renew_login(&mut self) -> Result<(), SignError> {
        renew_login(&self.session, &self.device, &self.login).map_err(|error| self.login_failed(error))?;
        self.key.handle = self.find_again(&self.session)?;
        Ok(())
    }

    /// Opens a new session in place of one that the module no longer knows, because another program reset the
    /// card, or the connection is new. This works only on the same device, with the PIN that was right
    /// before, and for the same key; `lost` is the error if that is not possible.
    fn reopen(&mut self, lost: CallError) -> Result<(), SignError> {
        if !self.device.is_still_there() {
            return Err(self.refused(lost));
        }
        let session = self.device.open_session().map_err(|error| self.refused(error))?;
        log_in_again(&session, &self.device, &self.login).map_err(|error| self.login_failed(error))?;
        self.key.handle = self.find_again(&session)?;
        // The lost session ends here, after the new login: the last session to end logs out.
        session.take_login_of(&self.session);
        self.session = session;
        Ok(())
    }

    /// Finds the same key again, since its handle may be invalid now.
    fn find_again(&self, session: &Session) -> Result<ObjectHandle, SignError> {
        let facts = &self.key.facts;
        let same = Uri { id: facts.id.clone(), object: facts.label.clone(), ..Uri::default() };
        let found = objects::private_keys(session, &same).map_err(|error| self.refused(error))?;
        let key = found.into_iter().find(|key| key.facts.public_key.as_ref() == Some(&self.public_key));
        let gone = || SignError::KeyGone { device: self.device.describe(), uri: self.uri.clone() };
        key.map(|key| key.handle).ok_or_else(gone)
    }

    fn refused_or_about_pin(&self, error: CallError) -> SignError {
        match self.login.failure(&self.device, error) {
            Ok(about_pin) => SignError::Login(about_pin),
            Err(error) => self.refused(error),
        }
    }

    /// A login in the middle of a signature that fails for another reason than the PIN is the device's
    /// refusal to sign.
    fn login_failed(&self, error: LoginError) -> SignError {
        match error {
            LoginError::Failed { error, .. } => self.refused(error),
            about_pin => SignError::Login(about_pin),
        }
    }

    /// Turns an error without a cause into a missed touch, after a wait in which a person was told to touch
    /// the device if it blinks.
    fn or_missed_touch(&self, error: SignError, waited: Duration) -> SignError {
        // YubiKeys answer 6982 and CanoKeys 6600 if nobody touches them; modules translate that into these
        // codes.
        let of_no_touch = [
            RvError::UserNotLoggedIn,
            RvError::DeviceError,
            RvError::GeneralError,
            RvError::FunctionFailed,
            RvError::FunctionCanceled,
            RvError::FunctionRejected,
        ];
        match error {
            SignError::Call { device, error, .. }
                if waited >= TOUCH_MISSED_AFTER
                    && error.is_one_of(&of_no_touch)
                    && self.key.facts.touch != Some(TouchPolicy::Never) =>
            {
                SignError::NoTouch { device, error, waited }
            }
            error => error,
        }
    }

    fn refused(&self, error: CallError) -> SignError {
        if self.device.is_pulled_out(&error) {
            return SignError::PulledOut { device: self.device.describe(), error, kind: self.device.kind() };
        }
        SignError::Call { device: self.device.describe(), error, kind: self.device.kind() }
    }
}

/// CKR_OPERATION_ACTIVE does not mean a lost session, but one that can no longer be used: PKCS#11 v2.40 has
/// no way to end an operation. Behind a network, a session whose connection was lost says CKR_DEVICE_ERROR.
fn is_lost_session(error: &CallError, kind: ModuleKind) -> bool {
    let codes = [RvError::SessionHandleInvalid, RvError::SessionClosed, RvError::OperationActive];
    error.is_one_of(&codes) || kind.loses_sessions() && error.is(RvError::DeviceError)
}

fn ckm(mechanism: Mechanism) -> Ckm<'static> {
    match mechanism {
        Mechanism::RsaPkcs => Ckm::RsaPkcs,
        Mechanism::ShaRsaPkcs(Hash::Sha256) => Ckm::Sha256RsaPkcs,
        Mechanism::ShaRsaPkcs(Hash::Sha384) => Ckm::Sha384RsaPkcs,
        Mechanism::ShaRsaPkcs(Hash::Sha512) => Ckm::Sha512RsaPkcs,
        Mechanism::Ecdsa => Ckm::Ecdsa,
        Mechanism::RsaX509 => Ckm::RsaX509,
    }
}
