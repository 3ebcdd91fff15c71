//! A private key on a device that signs. What it returns has been verified in software under its public key.

use cryptoki::error::RvError;
use cryptoki::mechanism::{Mechanism as Ckm, MechanismType};

use super::call::CallError;
use super::error::{KeyError, SignError};
use super::ffi::SinglePart;
use super::key_facts::KeyFacts;
use super::login::{Login, log_in_again};
use super::objects::{self, PrivateKey};
use super::present::Device;
use super::session::{Session, SignJob};
use super::watch::WaitsFor;
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
    /// C_GetMechanismList; none where the device does not answer.
    offered: Option<Vec<MechanismType>>,
    /// For a key that asks for its PIN at each signature, which it may do although the device does not say so, and for a
    /// session that is lost.
    login: Login,
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
        Ok(SigningKey { session, device, key, uri, public_key, verifier, offered, login })
    }

    /// That the key is not bound to other mechanisms than `wanted` (CKA_ALLOWED_MECHANISMS), without a call.
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
                })
            }
            _ => Ok(()),
        }
    }

    /// Signs on the device, by the first of `mechanisms` that key and device offer and accept, and verifies the result.
    /// Returns the signature and the mechanism that made it. A session that was lost is opened again, once.
    ///
    /// # Errors
    /// [`SignError`] when the device refuses, or signs wrongly.
    pub fn sign(
        &mut self,
        payload: &Payload,
        mechanisms: &[Mechanism],
    ) -> Result<(Vec<u8>, Mechanism), SignError> {
        match self.try_mechanisms(payload, mechanisms) {
            Err(SignError::Call { error, .. }) if is_lost_session(&error) => {
                self.reopen(error)?;
                self.try_mechanisms(payload, mechanisms)
            }
            result => result,
        }
    }

    /// A URI that names the key.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// What is known of it.
    pub fn facts(&self) -> &KeyFacts {
        &self.key.facts
    }

    /// Its public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Verifies signatures under its public key.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The device that it is on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// All certificates on the device that can be read as such, attestations among them.
    ///
    /// # Errors
    /// [`super::DeviceError`].
    pub fn certificates(&self) -> Result<Vec<Certificate>, Error> {
        let found = objects::certificates_and_attestations(&self.session)
            .map_err(|error| self.device.failure(error))?;
        Ok(found.into_iter().filter_map(|found| found.certificate.ok()).collect())
    }

    fn try_mechanisms(
        &self,
        payload: &Payload,
        mechanisms: &[Mechanism],
    ) -> Result<(Vec<u8>, Mechanism), SignError> {
        let mut refused = None;
        let worth_a_try = |mechanism: &Mechanism| self.offers(*mechanism) && self.allows(*mechanism);
        for mechanism in mechanisms.iter().copied().filter(worth_a_try) {
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
            error: refused,
        })
    }

    /// By the device's list; where it gives none, everything is worth a try.
    fn offers(&self, mechanism: Mechanism) -> bool {
        self.offered.as_ref().is_none_or(|offered| offered.contains(&ckm(mechanism).mechanism_type()))
    }

    fn allows(&self, mechanism: Mechanism) -> bool {
        let allowed = self.key.facts.allowed_mechanisms.as_ref();
        allowed.is_none_or(|allowed| allowed.iter().any(|name| name == mechanism.ckm_name()))
    }

    fn signature_bytes(&self) -> usize {
        let bytes = self.public_key.bits().div_ceil(8) as usize;
        // Of ECDSA two numbers.
        if self.public_key.is_rsa() { bytes } else { 2 * bytes }
    }

    fn sign_data(&self, mechanism: &Ckm<'_>, data: &[u8]) -> Result<Vec<u8>, SignError> {
        let facts = &self.key.facts;
        let waits_for =
            if facts.touch == Some(TouchPolicy::Always) { WaitsFor::Touch } else { WaitsFor::Device };
        let signature_bytes = self.signature_bytes();
        let job = SignJob { mechanism, key: self.key.handle, data, signature_bytes, waits_for };
        let mut refusal = None;
        if facts.always_authenticate != Some(true) {
            match self.session.sign(&job) {
                Ok(signature) => return Ok(signature),
                // A key that asks for its PIN although the device did not say so, or could not.
                Err(error) if error.is(RvError::UserNotLoggedIn) => refusal = Some(error),
                Err(error) => return Err(self.refused_or_about_pin(error)),
            }
        }
        let spec = self.device.module.spec();
        let has_many = spec.has_many_function_lists();
        if has_many && !matches!(mechanism, Ckm::Sha256RsaPkcs | Ckm::Sha384RsaPkcs | Ckm::Sha512RsaPkcs) {
            return Err(SignError::Proxy);
        }
        let single_part = if has_many {
            None
        } else {
            let single_part = SinglePart::of_module(&spec.path).map_err(CallError::from);
            Some(single_part.map_err(|error| self.refused(error))?)
        };
        let pin = self.login.pin_for_signature(&self.device)?;
        let signature = self.session.sign_with_pin(&job, pin, single_part.as_ref());
        signature.map_err(|error| match self.refused_or_about_pin(error) {
            // The card's own word counts, not that the PIN was no answer to it.
            SignError::Call { error, .. } => self.refused(refusal.unwrap_or(error)),
            about_pin => about_pin,
        })
    }

    fn refused_or_about_pin(&self, error: CallError) -> SignError {
        match self.login.failure(&self.device, error) {
            Ok(about_pin) => SignError::Login(about_pin),
            Err(error) => self.refused(error),
        }
    }

    /// A new session in place of one that the module does not know any more: a card that another program reset, a
    /// connection that was made anew. Only on the same device, with the PIN that was right before, and for the same key;
    /// `lost` is the error where that cannot be had.
    fn reopen(&mut self, lost: CallError) -> Result<(), SignError> {
        if !self.device.is_still_there() {
            return Err(self.refused(lost));
        }
        let lost = |_: CallError| self.refused(lost.clone());
        let session = self.device.open_session().map_err(lost)?;
        log_in_again(&session, &self.device, &self.login)?;
        let facts = &self.key.facts;
        let same = Uri { id: facts.id.clone(), object: facts.label.clone(), ..Uri::default() };
        let found = objects::private_keys(&session, &same).map_err(lost)?;
        let key = found.into_iter().find(|key| key.facts.public_key.as_ref() == Some(&self.public_key));
        let Some(key) = key else {
            return Err(SignError::KeyGone { device: self.device.describe(), uri: self.uri.clone() });
        };
        self.key.handle = key.handle;
        // The session that was lost ends here, after the new one is logged in: the last one to end logs out.
        session.take_login_of(&self.session);
        self.session = session;
        Ok(())
    }

    fn refused(&self, error: CallError) -> SignError {
        SignError::Call { device: self.device.describe(), error }
    }
}

/// CKR_OPERATION_ACTIVE is no lost session, but one that is of no use any more: PKCS#11 v2.40 has no way to end an
/// operation.
fn is_lost_session(error: &CallError) -> bool {
    let codes = [RvError::SessionHandleInvalid, RvError::SessionClosed, RvError::OperationActive];
    error.is_one_of(&codes)
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
