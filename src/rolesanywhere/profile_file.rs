//! Editing the AWS credentials file (`~/.aws/credentials`): one profile gets new credentials, everything else
//! stays.
//!
//! Its readers differ a little: AWS's CLI and boto3 use Python's configparser, the other SDKs follow AWS's
//! own rules. Here lines are read as configparser does, which is the strictest about indentation. Where
//! readers differ, the edit is one that all of them read alike.
//!
//! The expiry of the credentials is not written: there is no setting for it. AWS's CLI, its SDKs and its own
//! helper neither write nor read one in this file, so the writer must write again in time.

mod error;
mod lines;
mod setting;

pub use error::ProfileNameError;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use self::lines::{Line, Role};
use self::setting::Setting;
use super::Credentials;

/// The name of a profile as it is in the credentials file, without `profile ` before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileName(String);

impl ProfileName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ProfileName {
    fn default() -> Self {
        ProfileName("default".into())
    }
}

impl FromStr for ProfileName {
    type Err = ProfileNameError;

    /// # Errors
    /// [`ProfileNameError`]: some reader would misread it.
    fn from_str(text: &str) -> Result<Self, ProfileNameError> {
        if text.is_empty() {
            return Err(ProfileNameError::Empty);
        }
        if text == "DEFAULT" {
            return Err(ProfileNameError::Upper);
        }
        if text.starts_with("profile ") {
            return Err(ProfileNameError::ConfigForm);
        }
        let is_blank_around = text.trim() != text;
        if is_blank_around || text.chars().any(|c| c.is_control() || "[]#;\u{2028}\u{2029}".contains(c)) {
            return Err(ProfileNameError::Character);
        }
        Ok(ProfileName(text.to_owned()))
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The bytes of a credentials file with new credentials in one profile, which is appended if it does not
/// exist.
///
/// All other lines stay byte for byte, and in their order. A line with one of the three settings is
/// rewritten, with its indentation and line end; a second one in the same profile is removed, as is
/// `aws_security_token`. A profile that occurs twice in the file gets the credentials at its first
/// occurrence, and loses them elsewhere.
pub fn with_credentials(file: &[u8], profile: &ProfileName, credentials: &Credentials) -> Zeroizing<Vec<u8>> {
    // A byte-order mark stays, and is not part of the first line.
    let (mark, text) = file.split_at(if file.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 });
    let lines = lines::read(text, profile.as_str());
    let written = |setting: Setting| {
        let value = match setting {
            Setting::AccessKeyId => credentials.access_key_id(),
            Setting::SecretAccessKey => credentials.secret_access_key().expose_secret(),
            Setting::SessionToken => credentials.session_token().expose_secret(),
        };
        [setting.name(), " = ", value].map(str::as_bytes)
    };
    let line_end = lines.first().map(Line::end).filter(|end| !end.is_empty()).unwrap_or(b"\n");
    // Large enough from the start: a buffer that is moved leaves a copy behind.
    let added: usize = Setting::ALL
        .into_iter()
        .map(|setting| written(setting).into_iter().map(<[u8]>::len).sum::<usize>() + 2 * line_end.len())
        .sum();
    let indentation: usize = lines.iter().map(|line| line.indentation().len()).max().unwrap_or(0);
    let capacity = file.len() + added + Setting::ALL.len() * indentation + profile.0.len() + 16;
    let mut edited = Zeroizing::new(Vec::with_capacity(capacity));
    edited.extend_from_slice(mark);

    let Some(place) = place_for_new(&lines) else {
        edited.extend_from_slice(text);
        if !text.is_empty() {
            end_line(&mut edited, line_end);
        }
        if lines.last().is_some_and(|line| !line.is_blank()) {
            edited.extend_from_slice(line_end);
        }
        edited.extend([b"[", profile.0.as_bytes(), b"]", line_end].concat());
        for setting in Setting::ALL {
            written(setting).into_iter().for_each(|part| edited.extend_from_slice(part));
            edited.extend_from_slice(line_end);
        }
        return edited;
    };
    let kept = kept_settings(&lines);
    for (number, line) in lines.iter().enumerate() {
        match line.role {
            Role::Setting(setting) if kept.get(&setting) == Some(&number) => {
                edited.extend_from_slice(line.indentation());
                written(setting).into_iter().for_each(|part| edited.extend_from_slice(part));
                edited.extend_from_slice(line.end());
            }
            Role::Setting(_) | Role::FormerToken | Role::RestOfSetting => {}
            _ => edited.extend_from_slice(line.bytes),
        }
        if number == place.after {
            for setting in Setting::ALL.into_iter().filter(|setting| !kept.contains_key(setting)) {
                end_line(&mut edited, line_end);
                edited.extend_from_slice(place.indentation);
                written(setting).into_iter().for_each(|part| edited.extend_from_slice(part));
                edited.extend_from_slice(line_end);
            }
        }
    }
    edited
}

/// Where to put settings that the profile does not have yet.
struct Place<'a> {
    /// The number of the line before.
    after: usize,
    /// The indentation of that line. If the settings were deeper, they would be read as a part of it; if less
    /// deep, what follows could be read as a part of them.
    indentation: &'a [u8],
}

/// After the last setting that stays, or else at the end of the profile; `None` if there is no such profile.
fn place_for_new<'a>(lines: &[Line<'a>]) -> Option<Place<'a>> {
    let header = lines.iter().position(|line| matches!(line.role, Role::Header { wanted: true }))?;
    let length =
        lines[header + 1..].iter().take_while(|line| !matches!(line.role, Role::Header { .. })).count();
    let profile = header + 1..header + 1 + length;
    if let Some(after) = kept_settings(lines).into_values().max() {
        return Some(Place { after, indentation: lines[after].indentation() });
    }
    let section = || lines[profile.clone()].iter().enumerate().rev();
    let last = section().find(|(_, line)| line.role != Role::Blank);
    let has_setting =
        section().any(|(_, line)| matches!(line.role, Role::Setting(_) | Role::FormerToken | Role::Other));
    let begins = |line: &Line<'_>| {
        matches!(line.role, Role::Setting(_) | Role::FormerToken | Role::Other | Role::Unreadable)
    };
    let before = section().find(|(_, line)| has_setting && begins(line)).map(|(_, line)| line);
    // If no setting precedes, the next section's header may have any indentation.
    let model = before.or_else(|| lines.get(profile.end));
    Some(Place {
        after: last.map_or(header, |(number, _)| profile.start + number),
        indentation: model.map(Line::indentation).unwrap_or_default(),
    })
}

/// For each setting, the number of the line that keeps it: the first in the profile's first section.
fn kept_settings(lines: &[Line<'_>]) -> BTreeMap<Setting, usize> {
    let mut kept = BTreeMap::new();
    let mut sections = 0;
    for (number, line) in lines.iter().enumerate() {
        match line.role {
            Role::Header { wanted: true } => sections += 1,
            Role::Setting(setting) if sections == 1 => {
                kept.entry(setting).or_insert(number);
            }
            _ => {}
        }
    }
    kept
}

fn end_line(text: &mut Vec<u8>, line_end: &[u8]) {
    if !text.ends_with(b"\n") && !text.ends_with(b"\r") {
        text.extend_from_slice(line_end);
    }
}

#[cfg(test)]
mod tests;
