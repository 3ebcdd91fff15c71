//! What a file that was replaced had and its successor has not.

use std::fmt;
use std::path::PathBuf;

/// What a replaced file had and its successor lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotKept {
    pub(super) path: PathBuf,
    pub(super) attributes: Vec<String>,
}

impl NotKept {
    /// Whether the new file has all that the old one had.
    pub fn is_nothing(&self) -> bool {
        self.attributes.is_empty()
    }
}

impl fmt::Display for NotKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.attributes.join(", ");
        write!(
            f,
            "{:?} was replaced and lost attributes that could not be copied: {names}; no user has gained rights",
            self.path
        )
    }
}
