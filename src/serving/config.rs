//! Which roles are served: the one in the options, or those in a TOML file.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::credentials::{CredentialOptions, CredentialRequest};
use crate::error::{Error, Exit, Explain};
use crate::save;

const MAX_BYTES: u64 = 1 << 20;

/// A role that is served.
#[derive(Clone, Debug)]
pub struct ServedRole {
    /// The name under which it is served.
    pub name: String,
    /// How its credentials are obtained.
    pub request: CredentialRequest,
}

/// A role in a file, not parsed yet.
#[derive(Clone, Debug)]
pub struct RoleOptions {
    /// Its name.
    pub name: String,
    /// What to ask AWS for.
    pub options: CredentialOptions,
}

impl RoleOptions {
    /// The roles of a file. Whatever a `[[role]]` leaves out is taken from the options.
    ///
    /// # Errors
    /// [`ConfigError`]; the file cannot be read.
    pub fn of_file(path: &Path, options: &CredentialOptions) -> Result<Vec<Self>, Error> {
        let bytes = save::read(path, MAX_BYTES)?;
        let entries = entries(&String::from_utf8_lossy(&bytes), path)?;
        let role = |entry: Entry| RoleOptions { name: entry.name.clone(), options: entry.over(options) };
        Ok(entries.into_iter().map(role).collect())
    }

    /// The role of this name in a file, or its only role.
    ///
    /// # Errors
    /// As [`RoleOptions::of_file`], and [`ConfigError::NoSuchRole`].
    pub fn one_of_file(path: &Path, name: Option<&str>, options: &CredentialOptions) -> Result<Self, Error> {
        let mut roles = Self::of_file(path, options)?;
        let found = match name {
            Some(name) => roles.iter().position(|role| role.name == name),
            None => (roles.len() == 1).then_some(0),
        };
        match found {
            Some(index) => Ok(roles.swap_remove(index)),
            None => Err(ConfigError::NoSuchRole {
                path: path.to_owned(),
                name: name.map(str::to_owned),
                there: roles.into_iter().map(|role| role.name).collect(),
            }
            .into()),
        }
    }
}

impl ServedRole {
    /// The role that the options ask for, under its own name.
    ///
    /// # Errors
    /// As [`CredentialRequest::parse`].
    pub fn of_options(options: &CredentialOptions) -> Result<Self, Error> {
        let request = CredentialRequest::parse(options)?;
        Ok(ServedRole { name: request.session.role().name().to_owned(), request })
    }

    /// The roles of a file. Whatever a `[[role]]` leaves out is taken from the options.
    ///
    /// # Errors
    /// [`ConfigError`]; the file cannot be read; and as [`CredentialRequest::parse`].
    pub fn of_file(path: &Path, options: &CredentialOptions) -> Result<Vec<Self>, Error> {
        let parse = |role: RoleOptions| {
            Ok(ServedRole { name: role.name, request: CredentialRequest::parse(&role.options)? })
        };
        RoleOptions::of_file(path, options)?.into_iter().map(parse).collect()
    }
}

/// The entries of a file, each with a name of its own.
fn entries(text: &str, path: &Path) -> Result<Vec<Entry>, ConfigError> {
    let file: File = toml::from_str(text)
        .map_err(|error| ConfigError::Malformed { path: path.to_owned(), reason: error.to_string() })?;
    if file.role.is_empty() {
        return Err(ConfigError::Empty(path.to_owned()));
    }
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte))
    };
    for (index, Entry { name, .. }) in file.role.iter().enumerate() {
        if !is_name(name) || file.role[..index].iter().any(|other| other.name == *name) {
            return Err(ConfigError::Name { path: path.to_owned(), name: name.clone() });
        }
    }
    Ok(file.role)
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
    /// Takes whatever it leaves out from the options of the command line.
    fn over(self, options: &CredentialOptions) -> CredentialOptions {
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

/// Why a file does not define roles.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is not TOML, or has unknown members.
    #[error("{path:?} is malformed: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// It has no `[[role]]`.
    #[error("{0:?} defines no role")]
    Empty(PathBuf),
    /// It has no role of this name, or it has several and none was named.
    #[error("{path:?} {}; defined: {}", match name { Some(name) => format!("has no role {name:?}"), None => "defines several roles".to_owned() }, there.join(", "))]
    NoSuchRole {
        /// The file.
        path: PathBuf,
        /// The name, if one was given.
        name: Option<String>,
        /// The names of its roles.
        there: Vec<String>,
    },
    /// A role's name cannot be part of a path, or is another role's.
    #[error("{path:?}: {name:?} is not a valid role name, or is used twice")]
    Name {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
}

impl Explain for ConfigError {
    fn exit(&self) -> Exit {
        Exit::Malformed
    }

    fn hint(&self) -> Option<String> {
        Some("countersign help serve lists the members of a [[role]]".into())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{ConfigError, entries};
    use crate::credentials::CredentialOptions;

    #[test]
    fn a_role_says_only_what_differs_from_the_options() {
        let text =
            "[[role]]\nname = \"a\"\nrole-arn = \"own\"\nsession-duration = 900\n[[role]]\nname = \"b\"\n";
        let options = CredentialOptions {
            role_arn: Some("options".into()),
            region: Some("eu-west-1".into()),
            session_duration: 3600,
            ..CredentialOptions::default()
        };
        let roles = entries(text, Path::new("serve.toml")).unwrap().into_iter();
        let roles: Vec<CredentialOptions> = roles.map(|entry| entry.over(&options)).collect();
        let of = |index: usize| (roles[index].role_arn.as_deref(), roles[index].session_duration);
        assert_eq!((of(0), of(1)), ((Some("own"), 900), (Some("options"), 3600)));
        assert!(roles.iter().all(|role| role.region == options.region));
    }

    #[test]
    fn roles_have_names_of_their_own_that_can_stand_in_a_path() {
        for names in [&["a", "a"][..], &[""], &["a/b"], &["ä"], &["a b"]] {
            let text: String = names.iter().map(|name| format!("[[role]]\nname = \"{name}\"\n")).collect();
            let error = entries(&text, Path::new("serve.toml")).err();
            assert!(matches!(error, Some(ConfigError::Name { .. })), "{names:?}: {error:?}");
        }
    }
}
