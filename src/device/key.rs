//! A private key on a device that signs. What it returns has been verified in software under its public key.

use cryptoki::error::{Error as CryptokiError, RvError};
use cryptoki::mechanism::Mechanism as Ckm;
use cryptoki::session::{Session, UserType};

use super::call::CallError;
use super::error::SignError;
use super::ffi::SinglePart;
use super::module::Device;
use super::objects::{KeyFacts, PrivateKey};
use crate::error::Error;
use crate::pin::Pin;
use crate::signature::{Mechanism, Payload, PublicKey, Verifier, digest_info};

/// A private key, in a session in which its user is logged in.
#[derive(Debug)]
pub struct SigningKey {
    session: Session,
    device: Device,
    key: PrivateKey,
    uri: String,
    public_key: PublicKey,
    verifier: Verifier,
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
        Ok(SigningKey { session, device, key, uri, public_key, verifier, pin })
    }

    /// Signs on the device and verifies the result. `mechanism` must fit the payload: a digest cannot be signed by
    /// one that hashes.
    ///
    /// # Errors
    /// [`SignError`] when the device refuses, or signs wrongly.
    pub fn sign(&self, payload: &Payload, mechanism: Mechanism) -> Result<Vec<u8>, SignError> {
        let (ckm, data) = match (mechanism, payload) {
            (Mechanism::Sha256RsaPkcs, Payload::Message(message)) => (Ckm::Sha256RsaPkcs, message.clone()),
            (_, payload) => (Ckm::RsaPkcs, digest_info(&payload.digest()).to_vec()),
        };
        let signature = self.sign_data(&ckm, &data)?;
        self.verifier
            .verify(payload, &signature)
            .map_err(|error| SignError::Wrong { device: self.device.describe(), error })?;
        Ok(signature)
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
        if spec.proxy && matches!(mechanism, Ckm::RsaPkcs) {
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
                Some(c_sign) => c_sign.sign(&self.session, data, self.public_key.bits().div_ceil(8) as usize),
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
