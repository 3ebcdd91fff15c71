//! The names of CloudHSM users
//! (<https://docs.aws.amazon.com/cloudhsm/latest/userguide/cloudhsm_cli-user-create.html>).

/// The roles of users who approve, as CloudHSM CLI names them.
pub const ROLES: [&str; 2] = ["admin", "crypto-user"];

/// The longest name, in characters.
const MAX_LENGTH: usize = 31;

/// Why no CloudHSM user can have a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    /// It is too long.
    #[error("it has {0} characters, but CloudHSM user names have at most 31")]
    TooLong(usize),
    /// It has a character that is not allowed in names.
    #[error("{0:?} is in it, but CloudHSM user names consist of letters, digits and _")]
    Character(char),
}

/// Whether two names mean the same user: CloudHSM's are not case-sensitive.
pub fn is_same_user(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// What all spellings of one user's name have in common, and no other name.
pub(super) fn user_key(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// Checks that a CloudHSM user can have this name.
///
/// # Errors
/// [`UsernameError`].
pub(crate) fn check_username(name: &str) -> Result<(), UsernameError> {
    if let Some(character) =
        name.chars().find(|character| !character.is_ascii_alphanumeric() && *character != '_')
    {
        return Err(UsernameError::Character(character));
    }
    if name.len() > MAX_LENGTH { Err(UsernameError::TooLong(name.len())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_cloudhsm_accepts_are_accepted() {
        for name in ["a", "Officer_1", &"x".repeat(31)] {
            assert_eq!(check_username(name), Ok(()));
        }
        assert_eq!(check_username("a b"), Err(UsernameError::Character(' ')));
        assert_eq!(check_username("ü"), Err(UsernameError::Character('ü')));
        assert_eq!(check_username(&"x".repeat(45)), Err(UsernameError::TooLong(45)));
        for (one, other) in [("Officer1", "officer1"), ("officer1", "officer2"), ("Ü", "ü")] {
            assert_eq!(is_same_user(one, other), other == "officer1");
            assert_eq!(user_key(one) == user_key(other), other == "officer1");
        }
    }
}
