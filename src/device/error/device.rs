//! No device, or one that fails.

use std::path::PathBuf;

use super::advice::after_failure;
use super::candidate::{Candidate, table};
use crate::device::cause::Absence;
use crate::device::modules::Unreadable;
use crate::device::{CallError, Device, ModuleKind};
use crate::error::{Exit, Explain};

/// No device, or it fails.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No device fits.
    #[error("{}", absent(wanted, present))]
    Absent {
        /// The URIs that were asked for.
        wanted: Vec<String>,
        /// URI and description of each device that is present.
        present: Vec<(String, String)>,
        /// Modules that were searched.
        searched: Vec<PathBuf>,
        /// Modules that were skipped, with reasons.
        failed: Vec<String>,
        /// Why.
        absence: Box<Absence>,
        /// What the URIs probably mean.
        advice: Vec<String>,
    },
    /// Several devices fit.
    #[error("ambiguous: {} devices match '{uri}'", candidates.len())]
    Many {
        /// The URI.
        uri: String,
        /// The devices.
        candidates: Vec<Candidate>,
    },
    /// A device that is not initialized was named, and cannot be used.
    #[error("the device in slot {slot} of {module:?} is not initialized: {error}")]
    NotInitialised {
        /// Its slot.
        slot: u64,
        /// The module.
        module: PathBuf,
        /// What it said.
        error: CallError,
        /// How to initialise it.
        help: String,
    },
    /// A call failed.
    #[error("the device {device} failed: {error}")]
    Call {
        /// The device.
        device: String,
        /// What it said.
        error: CallError,
        /// Its kind, or that of the module that shows it.
        kind: ModuleKind,
    },
}

impl Device {
    /// What it means that a call to this device failed.
    pub(in crate::device) fn failure(&self, error: CallError) -> DeviceError {
        if !self.is_initialised {
            let (slot, module) = (self.slot_id(), self.module_path().to_owned());
            return DeviceError::NotInitialised { slot, module, error, help: self.initialising() };
        }
        DeviceError::Call { device: self.describe(), error, kind: self.kind() }
    }
}

impl DeviceError {
    /// What it means that a slot cannot be read.
    pub(in crate::device) fn of_slot(slot: &Unreadable) -> Self {
        let kind = slot.path.as_deref().map_or(ModuleKind::Other, ModuleKind::at);
        DeviceError::Call { device: slot.describe(), error: slot.error.clone(), kind }
    }
}

fn absent(wanted: &[String], present: &[(String, String)]) -> String {
    match (wanted, present) {
        (_, []) => "no device is present".into(),
        ([only], _) => format!("no device that is present matches '{only}'"),
        (many, _) => format!("no device that is present matches any of the {} key URIs", many.len()),
    }
}

impl Explain for DeviceError {
    fn topic(&self) -> Option<&'static str> {
        Some("device")
    }

    fn may_pass(&self) -> bool {
        match self {
            DeviceError::Absent { .. } => true,
            DeviceError::Call { error, .. } => error.is_hang(),
            DeviceError::Many { .. } | DeviceError::NotInitialised { .. } => false,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            DeviceError::Many { .. } => Exit::Key,
            _ => Exit::Device,
        }
    }

    fn detail(&self) -> Vec<String> {
        let (wanted, present, searched, failed, absence) = match self {
            DeviceError::Absent { wanted, present, searched, failed, absence, .. } => {
                (wanted, present, searched, failed, absence)
            }
            DeviceError::Many { candidates, .. } => return table(candidates),
            DeviceError::Call { .. } | DeviceError::NotInitialised { .. } => return Vec::new(),
        };
        let mut lines = Vec::new();
        if wanted.len() > 1 {
            lines.extend(wanted.iter().map(|uri| format!("wanted:   {uri}")));
        }
        lines.extend(absence.causes().iter().map(|cause| format!("cause:    {cause}")));
        lines.extend(present.iter().map(|(uri, facts)| format!("present:  {uri}  {facts}")));
        lines.extend(searched.iter().map(|path| format!("searched: {}", path.display())));
        lines.extend(failed.iter().map(|line| format!("skipped:  {line}")));
        // Not behind the help, which may be a command to paste.
        if !absence.causes().is_empty() {
            lines.push("more:     countersign doctor".into());
        }
        lines
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            DeviceError::Absent { advice, .. } if !advice.is_empty() => return Some(advice.join("; ")),
            DeviceError::Absent { absence, present, .. } => match absence.main_cause() {
                Some(cause) => return Some(cause.help()),
                None if present.is_empty() => {
                    "plug the device in, or name its module with --module PATH; countersign doctor checks it all"
                }
                None => "plug the right device in, or correct the URI; countersign list shows what is there",
            },
            DeviceError::NotInitialised { help, .. } => return Some(help.clone()),
            DeviceError::Many { .. } => "name one of them, as in the lines above",
            DeviceError::Call { error, kind, .. } => after_failure(error, *kind),
        };
        Some(hint.into())
    }
}
