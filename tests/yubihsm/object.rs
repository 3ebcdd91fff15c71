//! An object of the device (user guide: "Core Concepts", "Object").

use crate::capability::Capabilities;
use crate::frame::{Fields, Refusal};

pub const OPAQUE: u8 = 0x01;
pub const AUTHENTICATION_KEY: u8 = 0x02;
pub const ASYMMETRIC_KEY: u8 = 0x03;
pub const WRAP_KEY: u8 = 0x04;

pub const GENERATED: u8 = 0x01;
pub const IMPORTED: u8 = 0x02;

const LABEL: usize = 40;

#[derive(Clone)]
pub struct Object {
    pub id: u16,
    pub object_type: u8,
    /// Padded with zeros.
    pub label: [u8; LABEL],
    /// One bit for each of 16.
    pub domains: u16,
    pub capabilities: Capabilities,
    /// The capabilities that an authentication key may give to objects that it creates.
    pub delegated: Capabilities,
    pub algorithm: u8,
    pub origin: u8,
    /// How often an object of this type was given this id.
    pub sequence: u8,
    /// A key as PKCS#8, the two keys of an authentication key, or bytes.
    pub content: Vec<u8>,
}

impl Object {
    /// The fields at the start of commands that create an object: id, label, domains, capabilities,
    /// algorithm.
    pub fn described_by(fields: &mut Fields<'_>, object_type: u8, origin: u8) -> Result<Self, Refusal> {
        Ok(Object {
            id: fields.u16()?,
            object_type,
            label: fields.array()?,
            domains: fields.u16()?,
            capabilities: fields.u64()?,
            algorithm: fields.u8()?,
            delegated: 0,
            origin,
            sequence: 0,
            content: Vec::new(),
        })
    }

    pub fn labelled(label: &str) -> [u8; LABEL] {
        let mut padded = [0; LABEL];
        padded[..label.len()].copy_from_slice(label.as_bytes());
        padded
    }

    pub fn label_without_padding(&self) -> &[u8] {
        let end = self.label.iter().position(|byte| *byte == 0).unwrap_or(LABEL);
        &self.label[..end]
    }

    /// The answer to GET OBJECT INFO.
    pub fn info(&self) -> Vec<u8> {
        let length = u16::try_from(self.length()).expect("a small object");
        [
            &self.capabilities.to_be_bytes()[..],
            &self.id.to_be_bytes(),
            &length.to_be_bytes(),
            &self.domains.to_be_bytes(),
            &[self.object_type, self.algorithm, self.sequence, self.origin],
            &self.label,
            &self.delegated.to_be_bytes(),
        ]
        .concat()
    }

    /// The length that a device with firmware 2.5 reports for an object, whatever its form here.
    fn length(&self) -> usize {
        match (self.object_type, self.algorithm) {
            (AUTHENTICATION_KEY, _) => 40,
            (ASYMMETRIC_KEY, 9) => 896,
            (ASYMMETRIC_KEY, 10) => 1344,
            (ASYMMETRIC_KEY, 11) => 1792,
            (ASYMMETRIC_KEY, 12) => 96,
            (ASYMMETRIC_KEY, 13) => 144,
            (ASYMMETRIC_KEY, _) => 198,
            _ => self.content.len(),
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        [self.info(), self.content.clone()].concat()
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut fields = Fields(bytes);
        let (capabilities, id, _length, domains) =
            (fields.u64()?, fields.u16()?, fields.u16()?, fields.u16()?);
        let [object_type, algorithm, sequence, origin] = fields.array()?;
        let (label, delegated, content) = (fields.array()?, fields.u64()?, fields.rest().to_vec());
        Ok(Object {
            id,
            object_type,
            label,
            domains,
            capabilities,
            delegated,
            algorithm,
            origin,
            sequence,
            content,
        })
    }
}
