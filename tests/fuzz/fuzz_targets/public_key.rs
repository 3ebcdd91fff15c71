//! Public keys, from PEM text and from DER: every key that is read is written in a form that reads as the
//! same key.
#![no_main]

use countersign::signature::{PublicKey, Verifier};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for read in [PublicKey::from_pem(bytes), PublicKey::from_spki_der(bytes)] {
        match read {
            Ok(key) => {
                assert_eq!(PublicKey::from_spki_der(key.spki_der()).as_ref(), Ok(&key), "written as DER");
                assert_eq!(
                    PublicKey::from_pem(key.spki_pem().as_bytes()).as_ref(),
                    Ok(&key),
                    "written as PEM"
                );
                let _ = (key.describe(), key.sha256(), Verifier::new(&key));
            }
            Err(error) => drop(error.to_string()),
        }
    }
});
