//! No device, or one that fails.

use std::path::PathBuf;

use super::candidate::{Candidate, table};
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
        /// What the URIs probably mean.
        advice: Vec<String>,
    },
    /// Several devices fit.
    #[error("{} devices fit '{uri}'", candidates.len())]
    Many {
        /// The URI.
        uri: String,
        /// The devices.
        candidates: Vec<Candidate>,
    },
    /// A call failed.
    #[error("the device {device} failed: {error}")]
    Call {
        /// The device.
        device: String,
        /// What it said.
        error: CallError,
    },
}

impl Device {
    /// What it means that a call to this device failed.
    pub(in crate::device) fn failure(&self, error: CallError) -> DeviceError {
        DeviceError::Call { device: self.describe(), error }
    }
}

fn absent(wanted: &[String], present: &[(String, String)]) -> String {
    match (wanted, present) {
        (_, []) => "no device is present".into(),
        ([only], _) => format!("no device that is present fits '{only}'"),
        (many, _) => format!("no device that is present fits any of the {} key URIs", many.len()),
    }
}

impl Explain for DeviceError {
    fn may_pass(&self) -> bool {
        match self {
            DeviceError::Absent { .. } => true,
            DeviceError::Call { error, .. } => error.is_hang(),
            DeviceError::Many { .. } => false,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            DeviceError::Many { .. } => Exit::Key,
            _ => Exit::Device,
        }
    }

    fn detail(&self) -> Vec<String> {
        let (wanted, present, searched, failed) = match self {
            DeviceError::Absent { wanted, present, searched, failed, .. } => {
                (wanted, present, searched, failed)
            }
            DeviceError::Many { candidates, .. } => return table(candidates),
            DeviceError::Call { .. } => return Vec::new(),
        };
        let mut lines = Vec::new();
        if wanted.len() > 1 {
            lines.extend(wanted.iter().map(|uri| format!("wanted:   {uri}")));
        }
        lines.extend(present.iter().map(|(uri, facts)| format!("present:  {uri}  {facts}")));
        lines.extend(searched.iter().map(|path| format!("searched: {}", path.display())));
        lines.extend(failed.iter().map(|line| format!("skipped:  {line}")));
        lines
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            DeviceError::Absent { advice, .. } if !advice.is_empty() => return Some(advice.join("; ")),
            DeviceError::Absent { present, searched, .. } if present.is_empty() => {
                let advice = searched.iter().find_map(|path| ModuleKind::at(path).when_no_device());
                advice.unwrap_or(
                    "plug the device in, or name its module with --module PATH; countersign list shows what is there",
                )
            }
            DeviceError::Absent { .. } => {
                "plug the right device in, or correct the URI; countersign list shows what is there"
            }
            DeviceError::Many { .. } => "name one of them, as in the lines above, or unplug the others",
            DeviceError::Call { .. } => "unplug the device, plug it in again, and repeat the command",
        };
        Some(hint.into())
    }
}
