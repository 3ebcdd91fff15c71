//! Amazon Resource Names, as far as Roles Anywhere uses them.

mod error;

pub use error::{ArnError, Part};

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use super::region::Region;

/// In characters. Longer ones are refused; IAM's ARNs have at most 2048.
const MAX_LENGTH: usize = 2048;

/// `arn:partition:service:region:account:resource`
/// ([AWS](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html)).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Arn {
    /// `aws`, `aws-cn`, `aws-us-gov` and so on.
    pub partition: String,
    /// For example `iam`.
    pub service: String,
    /// For example `eu-central-1`; empty for services without regions, such as IAM.
    pub region: String,
    /// Twelve digits; empty if no account owns the resource.
    pub account: String,
    /// Everything after that, including any `:` and `/`.
    pub resource: String,
}

impl FromStr for Arn {
    type Err = ArnError;

    /// # Errors
    /// [`ArnError`] says which part is wrong.
    fn from_str(text: &str) -> Result<Self, ArnError> {
        if !text.starts_with("arn:") {
            return Err(ArnError::NotAnArn { text: shown(text) });
        }
        if text.len() > MAX_LENGTH {
            return Err(ArnError::TooLong { length: text.len() });
        }
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let [_, partition, service, region, account, resource] = parts[..] else {
            return Err(ArnError::MissingParts { found: parts.len() });
        };
        let name = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        let of = |part: Part, value: &str, is_right: bool| {
            if is_right { Ok(value.to_owned()) } else { Err(ArnError::Part { part, value: shown(value) }) }
        };
        let is_account = account.is_empty() || is_account_number(account);
        let is_resource = !resource.is_empty() && resource.bytes().all(|byte| byte.is_ascii_graphic());
        Ok(Arn {
            partition: of(Part::Partition, partition, partition.starts_with("aws") && name(partition))?,
            service: of(Part::Service, service, !service.is_empty() && name(service))?,
            region: of(Part::Region, region, name(region))?,
            account: of(Part::Account, account, is_account)?,
            resource: of(Part::Resource, resource, is_resource)?,
        })
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Arn { partition, service, region, account, resource } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

/// What kind of resource an ARN has to name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArnKind {
    /// A role of IAM: `arn:aws:iam::123456789012:role/path/name`.
    Role,
    /// A profile of Roles Anywhere: `arn:aws:rolesanywhere:REGION:123456789012:profile/UUID`.
    Profile,
    /// A trust anchor of Roles Anywhere: `arn:aws:rolesanywhere:REGION:123456789012:trust-anchor/UUID`.
    TrustAnchor,
}

impl ArnKind {
    /// The usual name.
    pub fn name(self) -> &'static str {
        match self {
            ArnKind::Role => "role",
            ArnKind::Profile => "profile",
            ArnKind::TrustAnchor => "trust anchor",
        }
    }

    fn service(self) -> &'static str {
        match self {
            ArnKind::Role => "iam",
            ArnKind::Profile | ArnKind::TrustAnchor => "rolesanywhere",
        }
    }

    fn resource(self) -> &'static str {
        match self {
            ArnKind::Role => "role/",
            ArnKind::Profile => "profile/",
            ArnKind::TrustAnchor => "trust-anchor/",
        }
    }

    fn parse(self, text: &str) -> Result<Arn, ArnError> {
        let arn: Arn = text.parse()?;
        let name = arn.resource.strip_prefix(self.resource()).map(|path| path.rsplit('/').next());
        if arn.service != self.service() || name.flatten().is_none_or(str::is_empty) {
            return Err(ArnError::OtherKind { wanted: self, found: shown(text) });
        }
        let wrong = |part, value: &str| Err(ArnError::Part { part, value: shown(value) });
        if !is_account_number(&arn.account) {
            return wrong(Part::Account, &arn.account);
        }
        let is_region = match self {
            // IAM is global.
            ArnKind::Role => arn.region.is_empty(),
            _ => arn.region.parse::<Region>().is_ok_and(|region| !region.is_fips()),
        };
        if !is_region {
            return wrong(Part::Region, &arn.region);
        }
        Ok(arn)
    }
}

macro_rules! arn_of_a_kind {
    ($(#[$doc:meta])* $name:ident, $kind:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(Arn);

        impl FromStr for $name {
            type Err = ArnError;

            /// # Errors
            /// [`ArnError`], also if it is the ARN of something else.
            fn from_str(text: &str) -> Result<Self, ArnError> {
                $kind.parse(text).map(Self)
            }
        }

        impl Deref for $name {
            type Target = Arn;

            fn deref(&self) -> &Arn {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

arn_of_a_kind!(
    /// The ARN of an IAM role: [`ArnKind::Role`].
    RoleArn,
    ArnKind::Role
);
arn_of_a_kind!(
    /// The ARN of a Roles Anywhere profile: [`ArnKind::Profile`].
    ProfileArn,
    ArnKind::Profile
);
arn_of_a_kind!(
    /// The ARN of a trust anchor: [`ArnKind::TrustAnchor`].
    TrustAnchorArn,
    ArnKind::TrustAnchor
);

impl RoleArn {
    /// The role's name, without its path.
    pub fn name(&self) -> &str {
        self.resource.rsplit('/').next().unwrap_or_default()
    }
}

impl TrustAnchorArn {
    /// The trust anchor's region, in which sessions are created and for which requests are signed.
    pub fn region(&self) -> Region {
        Region::real(&self.0.region)
    }
}

fn is_account_number(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The given text may have any length.
fn shown(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
