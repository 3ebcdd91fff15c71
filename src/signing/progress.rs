//! How far a run has come: known to the thread that signs, and to the one that ends the run early.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::Input;
use crate::device::{DeviceRecord, KeyRecord};
use crate::signature::{Mechanism, sha256_hex};

/// Counts what is done, and keeps what is known about the files, the device and the key.
#[derive(Debug, Default)]
pub struct Progress {
    inputs: OnceLock<Vec<InputFacts>>,
    device: OnceLock<DeviceRecord>,
    key: OnceLock<KeyRecord>,
    mechanism: Mutex<Option<Mechanism>>,
    files_done: AtomicUsize,
    signatures: AtomicUsize,
    to_sign: AtomicUsize,
}

/// What the audit log says about a file that was read.
#[derive(Clone, Debug)]
pub(super) struct InputFacts {
    pub(super) format: &'static str,
    /// SHA-256 of its bytes as they were read, in hexadecimal.
    pub(super) sha256: String,
}

impl Progress {
    /// The files were read.
    pub fn read(&self, inputs: &[Input]) {
        let facts =
            |input: &Input| InputFacts { format: input.format_name(), sha256: sha256_hex(input.bytes()) };
        let _ = self.inputs.set(inputs.iter().map(facts).collect());
    }

    /// The device is known.
    pub fn chose(&self, device: DeviceRecord) {
        let _ = self.device.set(device);
    }

    /// The key is known.
    pub fn found(&self, key: KeyRecord) {
        let _ = self.key.set(key);
    }

    /// The next file begins, with this many tokens to sign.
    pub fn begin(&self, to_sign: usize) {
        self.to_sign.store(to_sign, Ordering::Relaxed);
    }

    /// A signature was made with this mechanism, and verified.
    pub fn signed(&self, mechanism: Mechanism) {
        *self.mechanism.lock().unwrap_or_else(PoisonError::into_inner) = Some(mechanism);
        self.signatures.fetch_add(1, Ordering::Relaxed);
    }

    /// The file is done: what was signed is written.
    pub fn file_done(&self) {
        self.signatures.store(0, Ordering::Relaxed);
        self.files_done.fetch_add(1, Ordering::Relaxed);
    }

    /// How many files are done, in their order.
    pub fn files_done(&self) -> usize {
        self.files_done.load(Ordering::Relaxed)
    }

    /// How many signatures were made for the current file.
    pub fn signatures(&self) -> usize {
        self.signatures.load(Ordering::Relaxed)
    }

    /// How many signatures the current file needs.
    pub fn to_sign(&self) -> usize {
        self.to_sign.load(Ordering::Relaxed)
    }

    /// The mechanism of the last signature.
    pub fn mechanism(&self) -> Option<Mechanism> {
        *self.mechanism.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The device, once it is known.
    pub fn device(&self) -> Option<&DeviceRecord> {
        self.device.get()
    }

    /// The key, once it is known.
    pub fn key(&self) -> Option<&KeyRecord> {
        self.key.get()
    }

    pub(super) fn input(&self, index: usize) -> Option<&InputFacts> {
        self.inputs.get()?.get(index)
    }
}
