//! AWS's regions and the partitions that they belong to.

use std::fmt;
use std::str::FromStr;

use crate::error::{Exit, Explain};

/// A region, without the affix of a FIPS pseudo-region, as it is in the scope of a signature.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Region {
    name: String,
    fips: bool,
}

impl Region {
    /// A region that was checked before, and is not a pseudo-region.
    pub(super) fn real(name: &str) -> Self {
        Region { name: name.to_owned(), fips: false }
    }

    /// The real region, as `us-gov-west-1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it was given as a pseudo-region (`us-east-1-fips`, `fips-us-east-1`), which asks for a FIPS endpoint.
    pub fn is_fips(&self) -> bool {
        self.fips
    }

    /// The partition. A region that fits none is assigned to `aws`, as AWS's SDKs do.
    pub(super) fn partition(&self) -> &'static Partition {
        PARTITIONS.iter().find(|partition| self.name.starts_with(partition.prefix)).unwrap_or(&AWS)
    }
}

impl FromStr for Region {
    type Err = RegionError;

    /// Reads a region or a FIPS pseudo-region.
    ///
    /// # Errors
    /// [`RegionError`] unless it consists of lower-case letters, digits and hyphens, and could be part of a
    /// host name.
    fn from_str(text: &str) -> Result<Self, RegionError> {
        let real = text.strip_prefix("fips-").or_else(|| text.strip_suffix("-fips"));
        let name = real.unwrap_or(text);
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        // Up to 63 bytes is a label of a host name (RFC 1035 section 2.3.4).
        let is_label = (1..=63).contains(&name.len()) && !name.starts_with('-') && !name.ends_with('-');
        if !is_label || !name.bytes().all(allowed) {
            return Err(RegionError { text: text.chars().take(80).collect() });
        }
        Ok(Region { name: name.to_owned(), fips: real.is_some() })
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Why a text is not a region.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} cannot be a region")]
pub struct RegionError {
    /// Its beginning.
    pub text: String,
}

impl Explain for RegionError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        Some("write it as AWS does, in lower case: us-east-1".into())
    }
}

/// A part of AWS with host names of its own.
#[derive(Debug)]
pub(super) struct Partition {
    prefix: &'static str,
    /// How its host names end.
    pub(super) suffix: &'static str,
    /// The same for hosts with IPv4 and IPv6 addresses.
    pub(super) dual_stack_suffix: &'static str,
}

/// From `partitions.json` of AWS's SDKs (botocore 1.44).
const PARTITIONS: [Partition; 7] = [
    Partition {
        prefix: "cn-",
        suffix: "amazonaws.com.cn",
        dual_stack_suffix: "api.amazonwebservices.com.cn",
    },
    Partition { prefix: "us-gov-", ..AWS },
    Partition { prefix: "eusc-", suffix: "amazonaws.eu", dual_stack_suffix: "api.amazonwebservices.eu" },
    Partition { prefix: "us-iso-", suffix: "c2s.ic.gov", dual_stack_suffix: "api.aws.ic.gov" },
    Partition { prefix: "us-isob-", suffix: "sc2s.sgov.gov", dual_stack_suffix: "api.aws.scloud" },
    Partition { prefix: "eu-isoe-", suffix: "cloud.adc-e.uk", dual_stack_suffix: "api.cloud-aws.adc-e.uk" },
    Partition { prefix: "us-isof-", suffix: "csp.hci.ic.gov", dual_stack_suffix: "api.aws.hci.ic.gov" },
];

const AWS: Partition = Partition { prefix: "", suffix: "amazonaws.com", dual_stack_suffix: "api.aws" };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pseudo_region_is_the_real_one_with_fips() {
        for (text, name, fips) in [
            ("us-east-1", "us-east-1", false),
            ("us-east-1-fips", "us-east-1", true),
            ("fips-us-gov-west-1", "us-gov-west-1", true),
        ] {
            let region: Region = text.parse().unwrap();
            assert_eq!((region.name(), region.is_fips()), (name, fips), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_a_region_is_refused_with_its_beginning() {
        let long = "a".repeat(200);
        for text in ["", "fips-", "US-EAST-1", "us east 1", "us-east-1.evil.com", "a/b", "-a", "a\n", &long] {
            let error = text.parse::<Region>().unwrap_err();
            assert_eq!(error, RegionError { text: text.chars().take(80).collect() });
        }
    }
}
