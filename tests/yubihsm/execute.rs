//! The commands of a session: what each requires (user guide: "YubiHSM Command Reference") and what it does.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use crate::asymmetric;
use crate::attestation;
use crate::audit::NO_KEY;
use crate::capability::{self, Capabilities};
use crate::device::Device;
use crate::frame::{Answer, Fields, Frame, Refusal};
use crate::object::{ASYMMETRIC_KEY, AUTHENTICATION_KEY, GENERATED, IMPORTED, OPAQUE, Object, WRAP_KEY};
use crate::session::Rights;

/// The longest content of an object that fits into a message.
const LONGEST: u16 = 1968;

impl Device {
    pub fn run(&mut self, frame: &Frame, rights: &Rights) -> Vec<u8> {
        let answer = self.log.admits(frame.command).and_then(|()| self.execute(frame, rights));
        let (target, second) = targets(frame);
        self.noted(frame, [target, second], rights.key, answer)
    }

    fn execute(&mut self, Frame { command, data }: &Frame, rights: &Rights) -> Answer {
        let mut fields = Fields(data);
        match command {
            // ECHO, DEVICE INFO, CLOSE SESSION, GET STORAGE INFO
            0x01 => Ok(data.clone()),
            0x06 => self.info(data),
            0x40 => fields.end().map(|()| Vec::new()),
            0x41 => Ok(self.storage_info()),
            // PUT OPAQUE, GET OPAQUE, PUT AUTHENTICATION KEY
            0x42 => self.put_opaque(fields, rights),
            0x43 => {
                demand(rights, capability::GET_OPAQUE)?;
                Ok(self.store.find(rights, fields.u16()?, OPAQUE)?.content.clone())
            }
            0x44 => self.put_authentication_key(fields, rights),
            // GENERATE ASYMMETRIC KEY, GET PUBLIC KEY
            0x46 => {
                demand(rights, capability::GENERATE_ASYMMETRIC_KEY)?;
                let mut object = Object::described_by(&mut fields, ASYMMETRIC_KEY, GENERATED)?;
                fields.end()?;
                object.content = asymmetric::generate(object.algorithm)?;
                self.made(rights, object)
            }
            0x54 => {
                let (id, object_type) = (fields.u16()?, fields.u8().unwrap_or(ASYMMETRIC_KEY));
                if ![ASYMMETRIC_KEY, WRAP_KEY].contains(&object_type) {
                    return Err(Refusal::INVALID_DATA);
                }
                Ok(asymmetric::public_key(self.store.find(rights, id, object_type)?))
            }
            // GENERATE WRAP KEY, only for RSA. countersign must never request it. The key wraps nothing.
            0x5b => {
                demand(rights, capability::GENERATE_WRAP_KEY)?;
                let mut object = Object::described_by(&mut fields, WRAP_KEY, GENERATED)?;
                object.delegated = fields.u64()?;
                fields.end()?;
                object.content = asymmetric::generate(object.algorithm)?;
                self.made(rights, object)
            }
            // SIGN PKCS1, SIGN PSS, SIGN ECDSA
            0x47 => self.sign(fields, rights, capability::SIGN_PKCS, asymmetric::sign_pkcs1),
            0x55 => self.sign(fields, rights, capability::SIGN_PSS, asymmetric::sign_pss),
            0x56 => self.sign(fields, rights, capability::SIGN_ECDSA, asymmetric::sign_ecdsa),
            0x64 => self.attest(fields, rights),
            // LIST OBJECTS, GET OBJECT INFO, DELETE OBJECT
            0x48 => self.store.list(rights, data),
            0x4e => Ok(self.store.find(rights, fields.u16()?, fields.u8()?)?.info()),
            0x58 => {
                let (id, object_type) = (fields.u16()?, fields.u8()?);
                demand(rights, capability::to_delete(object_type))?;
                self.store.delete(rights, id, object_type).map(|()| Vec::new())
            }
            // GET LOG ENTRIES, SET LOG INDEX, SET OPTION, GET OPTION
            0x4d => demand(rights, capability::GET_LOG_ENTRIES).and_then(|()| self.log.get()),
            0x67 => demand(rights, capability::GET_LOG_ENTRIES).and_then(|()| self.log.forget(data)),
            0x4f => demand(rights, capability::SET_OPTION).and_then(|()| self.log.set_option(data)),
            0x50 => demand(rights, capability::GET_OPTION).and_then(|()| self.log.option(data)),
            // GET PSEUDO RANDOM, BLINK DEVICE, CHANGE AUTHENTICATION KEY
            0x51 => {
                demand(rights, capability::GET_PSEUDO_RANDOM)?;
                let mut bytes = vec![0; fields.u16()?.min(LONGEST).into()];
                SystemRandom::new().fill(&mut bytes).expect("random bytes");
                Ok(bytes)
            }
            0x6b => fields.u8().map(|_seconds| Vec::new()),
            0x6c => self.change_authentication_key(fields, rights),
            // RESET DEVICE
            0x08 => {
                demand(rights, capability::RESET_DEVICE)?;
                self.personalise();
                Ok(Vec::new())
            }
            _ => Err(Refusal::INVALID_COMMAND),
        }
    }

    /// Records and pages, total and free, and a page's size.
    fn storage_info(&self) -> Vec<u8> {
        let free = 256 - self.store.count() as u16;
        [256, free, 1024, free * 4, 126].iter().flat_map(|number: &u16| number.to_be_bytes()).collect()
    }

    fn put_opaque(&mut self, mut fields: Fields<'_>, rights: &Rights) -> Answer {
        demand(rights, capability::PUT_OPAQUE)?;
        let mut object = Object::described_by(&mut fields, OPAQUE, IMPORTED)?;
        object.content = fields.rest().to_vec();
        if object.content.is_empty() || object.content.len() > LONGEST.into() {
            return Err(Refusal::WRONG_LENGTH);
        }
        self.made(rights, object)
    }

    fn put_authentication_key(&mut self, mut fields: Fields<'_>, rights: &Rights) -> Answer {
        demand(rights, capability::PUT_AUTHENTICATION_KEY)?;
        let mut object = Object::described_by(&mut fields, AUTHENTICATION_KEY, IMPORTED)?;
        object.delegated = fields.u64()?;
        object.content = fields.bytes(32)?.to_vec();
        fields.end()?;
        self.made(rights, object)
    }

    fn change_authentication_key(&mut self, mut fields: Fields<'_>, rights: &Rights) -> Answer {
        let mut object = self.store.find(rights, fields.u16()?, AUTHENTICATION_KEY)?.clone();
        demand(rights, capability::CHANGE_AUTHENTICATION_KEY)?;
        if object.id != rights.key {
            return Err(Refusal::INSUFFICIENT_PERMISSIONS);
        }
        object.algorithm = fields.u8()?;
        object.content = fields.bytes(32)?.to_vec();
        let id = object.id;
        self.store.put(object);
        Ok(id.to_be_bytes().to_vec())
    }

    /// Both the session and the key need the capability.
    fn sign(
        &mut self,
        mut fields: Fields<'_>,
        rights: &Rights,
        needed: Capabilities,
        sign: fn(&Object, &[u8]) -> Answer,
    ) -> Answer {
        let id = fields.u16()?;
        demand(rights, needed)?;
        let object = self.store.find(rights, id, ASYMMETRIC_KEY)?;
        if object.capabilities & needed == 0 {
            return Err(Refusal::INSUFFICIENT_PERMISSIONS);
        }
        let object = object.clone();
        self.before_signature()?;
        sign(&object, fields.rest())
    }

    /// SIGN ATTESTATION CERTIFICATE: the key, and the one that signs, whose certificate is the opaque object
    /// with its id.
    fn attest(&mut self, mut fields: Fields<'_>, rights: &Rights) -> Answer {
        let (id, attester) = (fields.u16()?, fields.u16()?);
        demand(rights, capability::SIGN_ATTESTATION_CERTIFICATE)?;
        let by = self.store.find(rights, attester, ASYMMETRIC_KEY)?;
        if by.capabilities & capability::SIGN_ATTESTATION_CERTIFICATE == 0 {
            return Err(Refusal::INSUFFICIENT_PERMISSIONS);
        }
        let (key, certificate) =
            (self.store.find(rights, id, ASYMMETRIC_KEY)?, self.store.find(rights, attester, OPAQUE)?);
        Ok(attestation::attest(self.serial(), key, by, certificate))
    }

    fn made(&mut self, rights: &Rights, object: Object) -> Answer {
        Ok(self.store.make(rights, object)?.to_be_bytes().to_vec())
    }
}

fn demand(rights: &Rights, needed: Capabilities) -> Result<(), Refusal> {
    if rights.capabilities & needed == needed { Ok(()) } else { Err(Refusal::INSUFFICIENT_PERMISSIONS) }
}

/// The objects that a command names, for the log.
fn targets(frame: &Frame) -> (u16, u16) {
    let mut fields = Fields(&frame.data);
    let mut next = || fields.u16().unwrap_or(NO_KEY);
    match frame.command {
        0x42..=0x47 | 0x4e | 0x54..=0x58 | 0x5b | 0x6c => (next(), NO_KEY),
        0x64 => (next(), next()),
        _ => (NO_KEY, NO_KEY),
    }
}
