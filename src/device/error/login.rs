//! A login that failed or was not tried.

use cryptoki::error::RvError;

use super::advice::{after_failure, reappearing};
use crate::device::{CallError, ModuleKind, PinTries, UserType};
use crate::error::{Exit, Explain};
use crate::pin::PinError;

/// The login failed or was not tried.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// No PIN.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// A wrong PIN.
    #[error("the {} for {device} is wrong ({error})", kind.name_of_secret(*user))]
    Wrong {
        /// The device.
        device: String,
        /// What it said.
        error: CallError,
        /// What is known of the tries that are left.
        tries: PinTries,
        /// Whose PIN it is.
        user: UserType,
        /// Whether a person typed it.
        person: bool,
        /// The device's kind.
        kind: ModuleKind,
    },
    /// The device has refused this PIN earlier in this process.
    #[error("the PIN for {device} was not accepted before, and is not tried again")]
    RefusedBefore {
        /// The device.
        device: String,
    },
    /// A PIN that the device cannot have, and does not count as a wrong one.
    #[error("the {} for {device} has the wrong form ({error}): {sent} characters were sent", kind.name_of_secret(*user))]
    WrongForm {
        /// The device.
        device: String,
        /// What it said.
        error: CallError,
        /// How many characters were sent.
        sent: usize,
        /// How many the device accepts, in words, where it says so.
        accepted: Option<String>,
        /// Whether its counter has not moved, as far as it shows.
        is_uncounted: bool,
        /// Whose PIN it is.
        user: UserType,
        /// Whether a person typed it.
        person: bool,
        /// The device's kind.
        kind: ModuleKind,
    },
    /// A PIN that names a user that the device does not have.
    #[error("the device {device} has no user by the number or name in the PIN ({error})")]
    UnknownUser {
        /// The device.
        device: String,
        /// What it said.
        error: CallError,
        /// Whether a person typed it.
        person: bool,
        /// The device's kind.
        kind: ModuleKind,
    },
    /// A PIN that the device cannot have, by the lengths that it states.
    #[error(
        "the {} for {device} has {length} characters; it was not sent, as the device accepts {accepted}",
        kind.name_of_secret(*user)
    )]
    WrongLength {
        /// The device.
        device: String,
        /// How many characters it has.
        length: usize,
        /// How many the device accepts, in words.
        accepted: String,
        /// Whose PIN it is.
        user: UserType,
        /// Whether a person typed it.
        person: bool,
        /// The device's kind.
        kind: ModuleKind,
    },
    /// The PIN is locked.
    #[error("the PIN of {device} is locked ({said})")]
    Locked {
        /// The device.
        device: String,
        /// The name of its return code.
        said: String,
        /// Whose PIN it is.
        user: UserType,
        /// Its kind.
        kind: ModuleKind,
    },
    /// Nobody entered it on the device, or not in time.
    #[error("the PIN was not entered on {device} ({error})")]
    NotEntered {
        /// The device.
        device: String,
        /// What it said.
        error: CallError,
    },
    /// The PIN is too old.
    #[error("the PIN of {device} has expired (CKR_PIN_EXPIRED)")]
    Expired {
        /// The device.
        device: String,
        /// Its kind.
        kind: ModuleKind,
    },
    /// One more wrong PIN would lock the device, so none is sent.
    #[error("one attempt is left before the PIN of {device} is locked; it was not used")]
    LastTry {
        /// The device.
        device: String,
    },
    /// There is no user PIN yet.
    #[error("the device {device} has no user PIN yet")]
    NoPinSet {
        /// The device.
        device: String,
    },
    /// Anything else.
    #[error("logging in to {device} failed: {error}")]
    Failed {
        /// The device.
        device: String,
        /// What it said.
        error: CallError,
        /// Its kind.
        kind: ModuleKind,
        /// Whether it is not there any more.
        is_pulled_out: bool,
    },
}

impl Explain for LoginError {
    fn topic(&self) -> Option<&'static str> {
        Some(match self {
            LoginError::Pin(_) => "PIN source",
            LoginError::Failed { .. } => "device",
            LoginError::Wrong { kind, .. }
            | LoginError::UnknownUser { kind, .. }
            | LoginError::WrongForm { kind, .. }
            | LoginError::WrongLength { kind, .. }
            | LoginError::Locked { kind, .. } => kind.pin_topic(),
            _ => "PIN",
        })
    }

    fn exit(&self) -> Exit {
        match self {
            LoginError::Pin(error) => error.exit(),
            LoginError::Failed { .. } => Exit::Device,
            _ => Exit::Pin,
        }
    }

    fn detail(&self) -> Vec<String> {
        match self {
            LoginError::Pin(error) => error.detail(),
            LoginError::Wrong { tries, user, kind, .. } => {
                let left = tries_left(*tries, *user, *kind);
                let secret = kind.so_secret().filter(|_| *user == UserType::SecurityOfficer);
                let of_user = kind.pin_form().filter(|_| *user != UserType::SecurityOfficer);
                let form = secret.map(|secret| secret.when_refused).or(of_user);
                std::iter::once(left).chain(form.map(str::to_owned)).collect()
            }
            LoginError::UnknownUser { kind, .. } => {
                kind.when_user_unknown().into_iter().chain(kind.pin_form()).map(str::to_owned).collect()
            }
            LoginError::WrongForm { accepted, is_uncounted, user, kind, .. } => {
                let secret = kind.so_secret().filter(|_| *user == UserType::SecurityOfficer);
                let form = match secret {
                    Some(secret) => Some(secret.when_wrong.to_owned()),
                    None => accepted.as_ref().map(|length| format!("the device accepts PINs of {length}")),
                };
                let special = kind.pin_form().filter(|_| secret.is_none()).map(str::to_owned);
                let uncounted = is_uncounted.then(|| "no attempt was used up".to_owned());
                form.into_iter().chain(special).chain(uncounted).collect()
            }
            LoginError::WrongLength { user: UserType::User, kind, .. } | LoginError::Failed { kind, .. } => {
                kind.pin_form().map(str::to_owned).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            LoginError::Pin(error) => return error.hint(),
            LoginError::Wrong { person: true, .. } => {
                "make sure that this is the right device and PIN before you try again"
            }
            LoginError::Wrong { person: false, user, kind, .. } if !costs_an_attempt(*user, *kind) => {
                "correct the PIN source, then repeat the command"
            }
            LoginError::Wrong { person: false, .. } => {
                "correct the PIN source before the next run: each run with a wrong PIN costs one attempt"
            }
            LoginError::RefusedBefore { .. } => {
                "correct the PIN where it comes from; SIGHUP has it sent once more"
            }
            LoginError::UnknownUser { person: true, .. } => {
                "repeat the command, and type the PIN of a user that the device has"
            }
            LoginError::UnknownUser { person: false, .. } => {
                "correct the PIN source, then repeat the command"
            }
            LoginError::WrongForm { person: true, .. } => "repeat the command, and type it in the right form",
            LoginError::WrongForm { person: false, .. } => "correct the PIN source, then repeat the command",
            LoginError::WrongLength { user: UserType::SecurityOfficer, kind, .. } => {
                kind.so_secret().map_or("correct the PIN source", |secret| secret.when_short)
            }
            LoginError::WrongLength { person: true, .. } => {
                "repeat the command, and type the whole PIN; --use-last-try sends it all the same"
            }
            LoginError::WrongLength { person: false, .. } => {
                "correct the PIN source; --use-last-try sends the PIN all the same, if it is right"
            }
            LoginError::Locked { user: UserType::SecurityOfficer, .. } => {
                "nobody can unlock it on most devices: see the manual before you initialize the device, which erases its keys"
            }
            LoginError::Locked { kind, .. } => kind.unblocking(),
            LoginError::NotEntered { .. } => "repeat the command, and enter the PIN on the device",
            LoginError::Expired { kind, .. } => kind.changing_pin(),
            LoginError::LastTry { .. } => {
                "check the PIN with care, then repeat the command with --use-last-try"
            }
            LoginError::NoPinSet { .. } => "set one with the device's own tool, or pkcs11-tool --init-pin",
            LoginError::Failed { error, .. } if error.is(RvError::UserTypeInvalid) => {
                "the device has no such user: name another with --user-type; --so-pin-source logs in as the security officer"
            }
            // ykcs11's answer to a PIN instead of the management key, if that key is not kept behind the PIN.
            LoginError::Failed { error, kind, .. } if error.is(RvError::UserPinNotInitialized) => {
                kind.so_secret().map_or("set a PIN with the device's own tool", |secret| secret.when_needed)
            }
            LoginError::Failed { error, .. } if error.is(RvError::UserAnotherAlreadyLoggedIn) => {
                "another user is logged in to the device, and a program has one login for all its sessions: use one --user-type \
                 for all keys of this device"
            }
            LoginError::Failed { is_pulled_out: true, kind, .. } => reappearing(*kind),
            LoginError::Failed { error, kind, .. } => after_failure(error, *kind),
        };
        Some(hint.into())
    }
}

/// Whether a wrong one is a step towards a lock.
fn costs_an_attempt(user: UserType, kind: ModuleKind) -> bool {
    match user {
        UserType::SecurityOfficer => kind.counts_wrong_pins() && kind.so_secret().is_none(),
        UserType::User | UserType::Vendor(_) => kind.counts_wrong_pins(),
    }
}

fn tries_left(tries: PinTries, user: UserType, kind: ModuleKind) -> String {
    let locks = kind.when_it_locks();
    let said = match (user, kind.so_secret(), tries) {
        (UserType::SecurityOfficer, Some(secret), _) => secret.when_wrong,
        (UserType::SecurityOfficer, None, PinTries { final_try: true, .. }) => {
            "one attempt is left before it is locked (CKF_SO_PIN_FINAL_TRY)"
        }
        (UserType::SecurityOfficer, None, PinTries { count_low: true, .. }) => {
            "the device counts wrong ones since the last right one (CKF_SO_PIN_COUNT_LOW); many lock for ever"
        }
        (_, _, PinTries { final_try: true, .. }) => {
            "one attempt is left before the PIN is locked (CKF_USER_PIN_FINAL_TRY)"
        }
        (_, _, PinTries { count_low: true, .. }) => {
            return format!(
                "the device counts wrong PINs since the last right one (CKF_USER_PIN_COUNT_LOW); {locks}"
            );
        }
        _ if !kind.counts_wrong_pins() => locks,
        _ => return format!("the device does not say how many attempts are left; {locks}"),
    };
    said.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_the_tries_is_what_the_device_says() {
        const NONE: PinTries = PinTries { count_low: false, final_try: false, locked: false };
        const LOW: PinTries = PinTries { count_low: true, ..NONE };
        const LAST: PinTries = PinTries { final_try: true, ..LOW };
        use UserType::{SecurityOfficer, User};
        for (tries, user, kind, said) in [
            (NONE, User, ModuleKind::Other, "the device does not say"),
            (LOW, User, ModuleKind::Other, "the device counts wrong PINs"),
            (LAST, User, ModuleKind::YubiKey, "one attempt is left before the PIN is locked"),
            (NONE, SecurityOfficer, ModuleKind::Other, "the device does not say"),
            (LOW, SecurityOfficer, ModuleKind::Other, "the device counts wrong ones"),
            (LAST, SecurityOfficer, ModuleKind::Other, "one attempt is left before it is locked"),
            (NONE, User, ModuleKind::YubiHsm, "a YubiHSM locks nothing"),
            (LAST, SecurityOfficer, ModuleKind::YubiKey, "the management key has 48 hexadecimal digits"),
        ] {
            let left = tries_left(tries, user, kind);
            assert!(left.starts_with(said), "{tries:?} {user:?} {kind:?}: {left}");
        }
    }
}
