//! No module can be used.

use std::path::PathBuf;

use crate::device::CallError;
use crate::device::cause::{Absence, Cause};
use crate::error::{Exit, Explain};
use crate::platform::advice::{HOW_TO_FIND, HOW_TO_INSTALL};

/// Why no module can be used.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// libp11-kit is not there.
    #[error(
        "no PKCS#11 module was named, and libp11-kit, which lists this system's modules, cannot be loaded"
    )]
    NoP11Kit {
        /// dlopen's own text.
        reason: String,
    },
    /// There is neither p11-kit nor a module where vendors put theirs.
    #[error("no PKCS#11 module was named, and none is where the vendors of devices put theirs")]
    NoneInstalled {
        /// Those places.
        places: Vec<PathBuf>,
    },
    /// p11-kit is there and knows no module.
    #[error("no PKCS#11 module was named, and p11-kit {}", if message.is_some() { "could not load its modules" } else { "is configured with none" })]
    NoneConfigured {
        /// p11-kit's last message.
        message: Option<String>,
    },
    /// p11-kit knows no module of that name.
    #[error("no module is named {name:?}")]
    NoSuchName {
        /// From the URI's `module-name`.
        name: String,
        /// The names that there are.
        configured: Vec<String>,
    },
    /// Every module failed.
    #[error("no PKCS#11 module could be used")]
    AllFailed {
        /// Each module and its reason.
        failures: Vec<String>,
        /// Whether a call of one of them was abandoned.
        hang: bool,
    },
    /// A call about all modules was abandoned.
    #[error("p11-kit cannot list the PKCS#11 modules: {0}")]
    Hang(#[from] CallError),
    /// The module that was named failed.
    #[error("the module {path:?} cannot be used: {reason}")]
    Failed {
        /// Its path.
        path: PathBuf,
        /// Why.
        reason: String,
        /// What may help.
        hint: Option<String>,
        /// What stands in between.
        cause: Option<Box<Cause>>,
        /// Whether a call was abandoned.
        hang: bool,
    },
    /// The module that was named does not say which devices it has.
    #[error("the module {path:?} shows no device: {error}")]
    Unlisted {
        /// Its path.
        path: PathBuf,
        /// What it said.
        error: CallError,
        /// Why.
        absence: Box<Absence>,
    },
}

impl Explain for ModuleError {
    fn topic(&self) -> Option<&'static str> {
        Some("module")
    }

    fn exit(&self) -> Exit {
        Exit::Device
    }

    fn detail(&self) -> Vec<String> {
        match self {
            ModuleError::NoP11Kit { reason } => vec![reason.clone()],
            ModuleError::NoneInstalled { places } => {
                places.iter().map(|place| format!("there is no {}", place.display())).collect()
            }
            ModuleError::NoneConfigured { message } => message.iter().cloned().collect(),
            ModuleError::NoSuchName { configured, .. } => {
                vec![format!("there are: {}", configured.join(", "))]
            }
            ModuleError::AllFailed { failures, .. } => failures.clone(),
            ModuleError::Failed { cause, .. } => cause.iter().map(ToString::to_string).collect(),
            ModuleError::Unlisted { absence, .. } => {
                absence.causes().iter().map(ToString::to_string).collect()
            }
            ModuleError::Hang(_) => Vec::new(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            ModuleError::NoP11Kit { .. } | ModuleError::NoneConfigured { .. } => Some(format!(
                "name the device's module with --module PATH ({HOW_TO_INSTALL}), or install p11-kit and a package that \
                 registers with it (opensc, softhsm2)"
            )),
            ModuleError::NoneInstalled { .. } => Some(format!(
                "install the software of the device, or name its module with --module PATH ({HOW_TO_INSTALL}): {HOW_TO_FIND}"
            )),
            ModuleError::NoSuchName { .. } => Some("correct module-name in the URI, or use --module PATH".into()),
            ModuleError::AllFailed { .. } => Some(
                "name the device's module with --module PATH to use it alone; countersign doctor tells more of each".into(),
            ),
            ModuleError::Failed { hint, cause, .. } => {
                let of_cause = cause.as_ref().map(|cause| cause.help());
                Some(hint.clone().or(of_cause).unwrap_or_else(|| NO_CAUSE.into()))
            }
            ModuleError::Unlisted { absence, .. } => {
                Some(absence.main_cause().map_or_else(|| NO_CAUSE.into(), Cause::help))
            }
            ModuleError::Hang(_) => {
                Some("end the program that keeps p11-kit's modules busy, or name the device's own with --module PATH".into())
            }
        }
    }

    fn may_pass(&self) -> bool {
        matches!(
            self,
            ModuleError::Hang(_)
                | ModuleError::Unlisted { .. }
                | ModuleError::Failed { hang: true, .. }
                | ModuleError::AllFailed { hang: true, .. }
        )
    }
}

/// Where nothing is known of a module that fails.
const NO_CAUSE: &str = "-v shows the module's own messages; its manual says what it needs";
