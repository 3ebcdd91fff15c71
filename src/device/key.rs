//! A private key on a device that signs. What it returns has been verified in software under its public key.

use cryptoki::error::{Error as CryptokiError, RvError};
use cryptoki::mechanism::{Mechanism as Ckm, MechanismType};
use cryptoki::session::{Session, UserType};

use super::call::CallError;
use super::error::SignError;
use super::ffi::SinglePart;
use super::module::Device;
use super::objects::{KeyFacts, PrivateKey};
use crate::error::Error;
use crate::pin::Pin;
use crate::signature::{Mechanism, Payload, PublicKey, Verifier};

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
    /// For a key that asks for it at each signature, which it may do although the device does not say so.
    pin: Option<Pin>,
}

impl SigningKey {
    pub(super) fn new(
        session: Session,
        device: Device,
        key: PrivateKey,
        uri: String,
        public_key: PublicKey,
        pin: Option<Pin>,
    ) -> Result<Self, Error> {
        let verifier = Verifier::new(&public_key)
            .map_err(|error| SignError::Wrong { device: device.describe(), error })?;
        let offered = device.mechanisms();
        Ok(SigningKey { session, device, key, uri, public_key, verifier, offered, pin })
    }

    /// Signs on the device, by the first of `mechanisms` that the device offers and accepts, and verifies the result.
    /// Returns the signature and the mechanism that made it.
    ///
    /// # Errors
    /// [`SignError`] when the device refuses, or signs wrongly.
    pub fn sign(
        &self,
        payload: &Payload,
        mechanisms: &[Mechanism],
    ) -> Result<(Vec<u8>, Mechanism), SignError> {
        let mut refused = None;
        for mechanism in mechanisms.iter().copied().filter(|mechanism| self.offers(*mechanism)) {
            match self.sign_data(&ckm(mechanism), &mechanism.input(payload, self.signature_bytes())) {
                // Lists of mechanisms are not always true.
                Err(SignError::Call { error, .. }) if error.is(RvError::MechanismInvalid) => {
                    refused = Some(error)
                }
                Err(error) => return Err(error),
                Ok(signature) => {
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

    /// By the device's list; where it gives none, everything is worth a try.
    fn offers(&self, mechanism: Mechanism) -> bool {
        self.offered.as_ref().is_none_or(|offered| offered.contains(&ckm(mechanism).mechanism_type()))
    }

    fn signature_bytes(&self) -> usize {
        self.public_key.bits().div_ceil(8) as usize
    }

    fn sign_data(&self, mechanism: &Ckm<'_>, data: &[u8]) -> Result<Vec<u8>, SignError> {
        if self.key.facts.always_authenticate != Some(true) {
            match self.session.sign(mechanism, self.key.handle, data) {
                Ok(signature) => return Ok(signature),
                // A key that asks for its PIN although the device did not say so, or could not.
                Err(CryptokiError::Pkcs11(RvError::UserNotLoggedIn, _)) => {}
                Err(error) => return Err(self.refused(error)),
            }
        }
        self.sign_with_pin(mechanism, data)
    }

    /// C_SignInit, C_Login as CKU_CONTEXT_SPECIFIC, C_Sign, with nothing between (PKCS#11 v2.40 section 4.9).
    fn sign_with_pin(&self, mechanism: &Ckm<'_>, data: &[u8]) -> Result<Vec<u8>, SignError> {
        let spec = self.device.module.spec();
        if spec.proxy && !matches!(mechanism, Ckm::Sha256RsaPkcs) {
            return Err(SignError::Proxy);
        }
        let single_part = if spec.proxy {
            None
        } else {
            Some(SinglePart::of_module(&spec.path).map_err(|error| self.refused(error))?)
        };
        let pin = self.pin.as_ref().map(Pin::expose);
        let sign = || -> Result<Vec<u8>, CryptokiError> {
            self.session.sign_init(mechanism, self.key.handle)?;
            self.session.login(UserType::ContextSpecific, pin)?;
            match &single_part {
                Some(c_sign) => c_sign.sign(&self.session, data, self.signature_bytes()),
                None => {
                    self.session.sign_update(data)?;
                    self.session.sign_final()
                }
            }
        };
        sign().map_err(|error| self.refused(error))
    }

    fn refused(&self, error: CryptokiError) -> SignError {
        SignError::Call { device: self.device.describe(), error: CallError::from(error) }
    }
}

fn ckm(mechanism: Mechanism) -> Ckm<'static> {
    match mechanism {
        Mechanism::RsaPkcs => Ckm::RsaPkcs,
        Mechanism::Sha256RsaPkcs => Ckm::Sha256RsaPkcs,
        Mechanism::RsaX509 => Ckm::RsaX509,
    }
}
