//! How far a run came: what every end of it has to say about the files, also one that another thread makes.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::destination::Destination;
use crate::cli::Sign;
use countersign::printable::one_line;
use countersign::save;

/// Counts, and knows what they mean for the files.
#[derive(Default)]
pub(super) struct Tally {
    /// For each file what is said when it is not done, and when it is.
    files: OnceLock<Vec<(Option<String>, Option<String>)>>,
    /// Device and key, for the audit log.
    chosen: OnceLock<(Value, Value)>,
    files_done: AtomicUsize,
    signed: AtomicUsize,
    to_sign: AtomicUsize,
}

impl Tally {
    /// From now on the files are known.
    pub(super) fn expect(&self, arguments: &Sign, destinations: &[Destination]) {
        let of_file = |(file, destination): (&std::path::PathBuf, &Destination)| {
            let name = one_line(&file.display().to_string());
            match destination {
                _ if save::is_dash(file) && matches!(destination, Destination::InPlace) => (None, None),
                Destination::InPlace if arguments.dry_run => (Some(format!("{name} was not changed.")), None),
                Destination::InPlace => {
                    (Some(format!("{name} was not changed.")), Some(format!("{name} is signed.")))
                }
                Destination::File(output) => {
                    (None, Some(format!("{} was written.", output.path().display())))
                }
                Destination::Stdout => (None, None),
            }
        };
        let _ = self.files.set(arguments.files.iter().zip(destinations).map(of_file).collect());
    }

    /// Device and key are known.
    pub(super) fn chosen(&self, device: &Value, key: &Value) {
        let _ = self.chosen.set((device.clone(), key.clone()));
    }

    /// Device and key, once they are known.
    pub(super) fn device_and_key(&self) -> (Value, Value) {
        self.chosen.get().cloned().unwrap_or_default()
    }

    /// A file with so many tokens to sign is next.
    pub(super) fn begin(&self, to_sign: usize) {
        self.to_sign.store(to_sign, Ordering::Relaxed);
    }

    /// A signature was made and verified.
    pub(super) fn signed(&self) {
        self.signed.fetch_add(1, Ordering::Relaxed);
    }

    /// The file is done: what was signed is written.
    pub(super) fn file_done(&self) {
        self.signed.store(0, Ordering::Relaxed);
        self.files_done.fetch_add(1, Ordering::Relaxed);
    }

    /// How many files are done, in their order.
    pub(super) fn files_done(&self) -> usize {
        self.files_done.load(Ordering::Relaxed)
    }

    /// Signatures for the file that is not done.
    pub(super) fn signatures(&self) -> usize {
        self.signed.load(Ordering::Relaxed)
    }

    /// What an end that came too early means for the files.
    pub(super) fn consequences(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.signatures() > 0 {
            lines.push(format!(
                "{} of {} signatures had been made; none of them was written.",
                self.signatures(),
                self.to_sign.load(Ordering::Relaxed)
            ));
        }
        let files = self.files.get().map(Vec::as_slice).unwrap_or_default();
        lines.extend(files.iter().enumerate().filter_map(|(index, (unchanged, done))| {
            if index < self.files_done() { done.clone() } else { unchanged.clone() }
        }));
        lines
    }
}
