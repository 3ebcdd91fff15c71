//! Candidates, as errors list them.

use crate::device::Device;
use crate::device::key_facts::{Exportability, KeyFacts, NameBy};
use crate::uri::{ObjectType, Uri};

/// Something that could have been meant, as a URI to paste.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The URI.
    pub uri: String,
    /// What it is.
    pub facts: String,
}

impl Candidate {
    /// Devices, with URIs that distinguish them from all that are present.
    pub(in crate::device) fn devices<'a>(
        devices: impl Iterator<Item = &'a Device>,
        present: &[Device],
    ) -> Vec<Self> {
        let candidate =
            |device: &Device| Candidate { uri: device.uri(present).to_string(), facts: device.describe() };
        devices.map(candidate).collect()
    }

    /// The keys of one device.
    pub(in crate::device) fn keys(keys: &[&KeyFacts], device: &Uri) -> Vec<Self> {
        keys.iter().map(|facts| Self::key(facts, device.clone(), facts.name_among(keys))).collect()
    }

    fn key(facts: &KeyFacts, device: Uri, by: NameBy) -> Self {
        let exportability = match facts.exportability() {
            Exportability::CannotLeave => ", not exportable",
            Exportability::CanLeave => ", exportable",
            Exportability::Unknown => "",
        };
        let label = facts
            .label
            .as_ref()
            .filter(|label| !label.is_empty())
            .map(|label| format!("{}, ", String::from_utf8_lossy(label)))
            .unwrap_or_default();
        Candidate {
            uri: facts.name_in(device, ObjectType::Private, by).to_string(),
            facts: format!("{label}{}{exportability}", facts.kind()),
        }
    }
}

pub(super) fn table(candidates: &[Candidate]) -> Vec<String> {
    let width = candidates.iter().map(|candidate| candidate.uri.chars().count()).max().unwrap_or(0);
    candidates.iter().map(|candidate| format!("{:width$}  {}", candidate.uri, candidate.facts)).collect()
}
