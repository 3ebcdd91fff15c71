//! Which roles are served: the one of the options, or those of a file.

use std::path::PathBuf;

use countersign::error::{Error, Exit, Explain};
use countersign::save;
use serde::Deserialize;

use crate::cli::{RolesAnywhere, Serve};
use crate::commands::aws::Wanted;

const MAX_BYTES: u64 = 1 << 20;

/// What is asked for each role, by the name under which it is served.
pub(super) fn roles(arguments: &Serve) -> Result<Vec<(String, Wanted)>, Error> {
    let options = &arguments.roles_anywhere;
    let Some(path) = &arguments.config else {
        let wanted = Wanted::of(options)?;
        return Ok(vec![(wanted.session.role().name().to_owned(), wanted)]);
    };
    let bytes = save::read(path, MAX_BYTES)?;
    let text = String::from_utf8_lossy(&bytes);
    let file: File = toml::from_str(&text)
        .map_err(|error| ConfigError::Malformed { path: path.clone(), reason: error.to_string() })?;
    if file.role.is_empty() {
        return Err(ConfigError::Empty(path.clone()).into());
    }
    let mut roles: Vec<(String, Wanted)> = Vec::new();
    for entry in file.role {
        let name = entry.name.clone();
        let is_name = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte));
        if !is_name || roles.iter().any(|(other, _)| *other == name) {
            return Err(ConfigError::Name { path: path.clone(), name }.into());
        }
        roles.push((name, Wanted::of(&entry.over(options))?));
    }
    Ok(roles)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    role: Vec<Entry>,
}

/// A `[[role]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Entry {
    name: String,
    role_arn: Option<String>,
    profile_arn: Option<String>,
    trust_anchor_arn: Option<String>,
    certificate: Option<String>,
    private_key: Option<String>,
    intermediates: Option<PathBuf>,
    session_duration: Option<u32>,
    role_session_name: Option<String>,
}

impl Entry {
    /// What it does not say is as the options of the command line say it.
    fn over(self, options: &RolesAnywhere) -> RolesAnywhere {
        let mut all = options.clone();
        let over = |own: Option<String>, other: &mut Option<String>| {
            if own.is_some() {
                *other = own;
            }
        };
        over(self.role_arn, &mut all.role_arn);
        over(self.profile_arn, &mut all.profile_arn);
        over(self.trust_anchor_arn, &mut all.trust_anchor_arn);
        over(self.certificate, &mut all.certificate);
        over(self.private_key, &mut all.private_key);
        over(self.role_session_name, &mut all.role_session_name);
        all.intermediates = self.intermediates.or(all.intermediates);
        all.session_duration = self.session_duration.unwrap_or(all.session_duration);
        all
    }
}

#[derive(Debug, thiserror::Error)]
enum ConfigError {
    #[error("{path:?} is malformed: {reason}")]
    Malformed { path: PathBuf, reason: String },
    #[error("{0:?} names no role")]
    Empty(PathBuf),
    #[error("{path:?}: {name:?} is no name for a role, or is there twice")]
    Name { path: PathBuf, name: String },
}

impl Explain for ConfigError {
    fn exit(&self) -> Exit {
        Exit::Malformed
    }

    fn hint(&self) -> Option<String> {
        Some("countersign help serve says what a [[role]] may hold".into())
    }
}
