//! What is in a card that is new, or has been reset.

use crate::attestation;
use crate::certificate::{Certificate, integer, pem};
use crate::key::PrivateKey;
use crate::memory::Memory;
use crate::objects;
use crate::options::{KeyOption, Options};
use crate::pin::Pins;
use crate::slot::{Policies, Slot};

/// With which a card is delivered.
const FACTORY_PIN: &str = "123456";

pub fn personalise(memory: &Memory, options: &Options) {
    Pins::personalise(memory, &options.pin);
    objects::personalise(memory, options.serial);
    if !options.without_attestation {
        attestation::personalise(memory);
    }
    let usual = if options.blank { "" } else { "9a=rsa2048 9c=rsa2048 9d=p256 9e=rsa2048" };
    let usual = usual.split_whitespace().map(|text| text.parse::<KeyOption>().expect("a key"));
    for KeyOption { slot, algorithm, pin, touch } in usual.chain(options.keys.iter().cloned()) {
        let key = PrivateKey::generate(algorithm);
        let pin = pin.unwrap_or(slot.default_pin_policy());
        store(memory, slot, &key, Policies { pin, touch });
        if !options.without_certificate.contains(&slot) {
            let certificate = Certificate {
                subject: &options.name,
                issuer: &options.name,
                serial: integer(&[slot.0]),
                is_authority: false,
                extensions: Vec::new(),
            };
            let certificate = certificate.issue(&key.public_key(), &key);
            objects::put_certificate(memory, slot.certificate_object(), &certificate);
        }
    }
    // The last, as what it stands for is then there.
    memory.set_number("serial", options.serial);
}

/// All but the serial number and what the maker put there to attest with is as it was delivered.
pub fn reset(memory: &Memory) {
    let serial = memory.number("serial").unwrap_or_default();
    let attester = format!("object-{:06x}", Slot::ATTESTATION.certificate_object());
    let kept = ["serial", "ready", "commands", "attestation-root.pem", "f9.key", &*attester];
    memory.names().iter().filter(|name| !kept.contains(&name.as_str())).for_each(|name| memory.remove(name));
    Pins::personalise(memory, FACTORY_PIN);
    objects::personalise(memory, serial);
}

pub fn store(memory: &Memory, slot: Slot, key: &PrivateKey, policies: Policies) {
    memory.write(&format!("{slot}.key"), &key.to_pkcs8());
    memory.write(&format!("{slot}.policies"), &policies.to_bytes());
    memory.write(&format!("{slot}.pub.pem"), &pem("PUBLIC KEY", &key.public_key()));
}
