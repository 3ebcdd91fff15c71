//! Why no device is present. A module cannot say what keeps it from its device. Only this code finds that
//! out, for `doctor` and for every error about a missing device.

mod daemons;
mod pcscd;
mod rights;
mod smart_cards;
mod softhsm;
mod yubihsm;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub use daemons::ServiceCause;
pub use rights::Denied;
pub use smart_cards::{SmartCardCause, SmartCards};
pub use softhsm::SoftHsmCause;
pub use yubihsm::YubiHsmCause;

use super::kind::ModuleKind;
use crate::platform;
use crate::platform::socket::HAS_PCSCD;

/// Why a module does not start, or shows no device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The obstacle is between the module and a smart card.
    SmartCard(SmartCardCause),
    /// The obstacle is between the module and a YubiHSM 2.
    YubiHsm(YubiHsmCause),
    /// SoftHSM's configuration.
    SoftHsm(SoftHsmCause),
    /// A daemon, a TPM, a server.
    Service(ServiceCause),
    /// A slot has a device that is not initialized.
    NotInitialised {
        /// The module.
        module: PathBuf,
        /// Its kind.
        kind: ModuleKind,
        /// The slot.
        slot: u64,
        /// The label, if the device has one.
        label: String,
    },
    /// A module that shows nothing, and about whose kind nothing more is known.
    Silent {
        /// The module's name.
        module: String,
        /// Its kind.
        kind: ModuleKind,
    },
}

impl Cause {
    /// What a check of it is called.
    pub fn topic(&self) -> &'static str {
        match self {
            Cause::SmartCard(cause) => cause.topic(),
            Cause::YubiHsm(cause) => cause.topic(),
            Cause::SoftHsm(_) => "SoftHSM",
            Cause::Service(cause) => cause.topic(),
            Cause::NotInitialised { .. } => "device",
            Cause::Silent { .. } => "module",
        }
    }

    /// What to do, with the command to type where there is one.
    pub fn help(&self) -> String {
        match self {
            Cause::SmartCard(cause) => cause.help(),
            Cause::YubiHsm(cause) => cause.help(),
            Cause::SoftHsm(cause) => cause.help(),
            Cause::Service(cause) => cause.help(),
            Cause::NotInitialised { module, kind, slot, .. } => {
                let command = kind.initialising().replace("SLOT", &slot.to_string());
                format!("initialize it: {}", command.replace("MODULE", &module.display().to_string()))
            }
            Cause::Silent { kind, .. } => kind.when_silent().into(),
        }
    }

    /// Whether somebody has set it up, or plugged it in, and it is not merely absent.
    fn has_evidence(&self) -> bool {
        match self {
            Cause::SmartCard(cause) => cause.has_evidence(),
            Cause::YubiHsm(cause) => cause.has_evidence(),
            Cause::SoftHsm(cause) => cause.has_evidence(),
            Cause::Service(cause) => cause.has_evidence(),
            Cause::NotInitialised { .. } => true,
            Cause::Silent { .. } => false,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::SmartCard(cause) => cause.fmt(f),
            Cause::YubiHsm(cause) => cause.fmt(f),
            Cause::SoftHsm(cause) => cause.fmt(f),
            Cause::Service(cause) => cause.fmt(f),
            Cause::NotInitialised { module, slot, label, .. } => {
                write!(f, "the device in slot {slot} of {} is not initialized", module.display())?;
                if label.is_empty() { Ok(()) } else { write!(f, " (it calls itself {label:?})") }
            }
            Cause::Silent { module, .. } => write!(f, "{module} runs and shows no device"),
        }
    }
}

/// Why a module of this kind may have refused to start (C_Initialize).
pub(super) fn of_start(kind: ModuleKind, path: &Path) -> Option<Cause> {
    let service = |cause: Option<ServiceCause>| cause.map(Cause::Service);
    match kind {
        ModuleKind::YubiHsm => Some(Cause::YubiHsm(yubihsm::cause(false))),
        ModuleKind::SoftHsm => match softhsm::cause() {
            // All of it is right: it is something else.
            SoftHsmCause::Empty { .. } => None,
            cause => Some(Cause::SoftHsm(cause)),
        },
        ModuleKind::OpenCryptoki => service(daemons::opencryptoki()),
        ModuleKind::Tpm => service(Some(daemons::tpm())),
        ModuleKind::P11KitClient => service(Some(daemons::p11_kit_server())),
        ModuleKind::Nss => service(Some(ServiceCause::NssDatabase)),
        kind if kind.needs_pcscd() => {
            let module = (path.display().to_string(), kind);
            SmartCards::look().cause(&[module]).map(Cause::SmartCard)
        }
        _ => None,
    }
}

/// What is known about the modules when no matching device is present.
#[derive(Clone, Debug, Default)]
pub(super) struct Situation {
    pub(super) modules: Vec<ModuleState>,
    /// The kinds of device that are wanted: those of the module that was named, and of what the URIs say.
    pub(super) wanted: Vec<ModuleKind>,
    /// Whether other devices are there.
    pub(super) has_devices: bool,
}

/// A module, as it is when no device that fits is there.
#[derive(Clone, Debug)]
pub(super) struct ModuleState {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) kind: ModuleKind,
    pub(super) state: State,
}

/// What a module shows.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// It did not start, with the cause if there is one.
    Failed(Option<Box<Cause>>),
    /// It shows devices.
    HasDevices,
    /// None but one that is not initialized, in this slot, with this label.
    NotInitialised(u64, String),
    /// None at all.
    Empty,
}

/// Why no matching device is present. This is found out when somebody asks; while a device is waited for,
/// nobody does.
#[derive(Debug, Default)]
pub struct Absence {
    situation: Situation,
    causes: OnceLock<Vec<Cause>>,
}

impl Absence {
    pub(super) fn new(mut situation: Situation) -> Self {
        // Some modules for smart cards have names that are not known here.
        let is_unknown = |module: &&mut ModuleState| module.kind == ModuleKind::Other;
        if uses_pcsc_lite() {
            situation
                .modules
                .iter_mut()
                .filter(is_unknown)
                .for_each(|module| module.kind = ModuleKind::SmartCard);
            let named = situation.wanted.iter_mut().filter(|kind| **kind == ModuleKind::Other);
            named.for_each(|kind| *kind = ModuleKind::SmartCard);
        }
        Absence { situation, causes: OnceLock::new() }
    }

    /// The causes, the likeliest first. Where other devices are there, only those that somebody has set up.
    pub fn causes(&self) -> &[Cause] {
        self.causes.get_or_init(|| self.situation.causes())
    }

    /// The first cause, if it is one of what is wanted.
    pub(super) fn main_cause(&self) -> Option<&Cause> {
        let first = self.causes().first()?;
        (!self.situation.has_devices || self.situation.concerns(first)).then_some(first)
    }
}

impl Situation {
    fn causes(&self) -> Vec<Cause> {
        let mut causes: Vec<Cause> = self.modules.iter().filter_map(ModuleState::cause).collect();
        let readers = self.modules.iter().filter(|module| module.kind.needs_pcscd());
        let of_cards: Vec<(String, ModuleKind)> =
            readers.clone().map(|module| (module.name.clone(), module.kind)).collect();
        let is_named_otherwise =
            !self.wanted.is_empty() && !self.wanted.iter().any(|kind| kind.needs_pcscd());
        let shows_cards = readers.clone().any(|module| matches!(module.state, State::HasDevices));
        if !shows_cards && (!of_cards.is_empty() || !is_named_otherwise) {
            causes.extend(SmartCards::look().cause(&of_cards).map(Cause::SmartCard));
        }
        causes.dedup();
        // The order of modules decides if nothing else does.
        causes.sort_by_key(|cause| self.rank(cause));
        if self.has_devices {
            causes.retain(|cause| self.concerns(cause) || cause.has_evidence());
        }
        // A silent module is informative only if nothing else is.
        let says_more = |cause: &Cause| !matches!(cause, Cause::Silent { .. });
        if causes.iter().any(says_more) {
            causes.retain(says_more);
        } else {
            causes.truncate(1);
        }
        causes
    }

    fn concerns(&self, cause: &Cause) -> bool {
        let is_wanted = |kind: ModuleKind| self.wanted.contains(&kind);
        match cause {
            Cause::SmartCard(_) => self.wanted.iter().any(|kind| kind.needs_pcscd()),
            Cause::YubiHsm(_) => is_wanted(ModuleKind::YubiHsm),
            Cause::SoftHsm(_) => is_wanted(ModuleKind::SoftHsm),
            Cause::Service(cause) => match cause {
                ServiceCause::NoPkcsslotd | ServiceCause::OpenCryptokiGroup { .. } => {
                    is_wanted(ModuleKind::OpenCryptoki)
                }
                ServiceCause::NoTpm | ServiceCause::TpmDenied { .. } | ServiceCause::TpmFails => {
                    is_wanted(ModuleKind::Tpm)
                }
                ServiceCause::NoP11KitServer { .. } | ServiceCause::EmptyP11KitServer { .. } => {
                    is_wanted(ModuleKind::P11KitClient)
                }
                ServiceCause::NssDatabase => is_wanted(ModuleKind::Nss),
            },
            Cause::NotInitialised { kind, .. } | Cause::Silent { kind, .. } => is_wanted(*kind),
        }
    }

    fn rank(&self, cause: &Cause) -> u8 {
        match cause {
            cause if self.concerns(cause) => 0,
            cause if cause.has_evidence() => 1,
            // A device that is merely not plugged in is likelier than one of software that is merely installed.
            Cause::SmartCard(_) => 2,
            _ => 3,
        }
    }
}

impl ModuleState {
    /// Why this module shows no device, except for smart cards, whose modules have one cause together.
    fn cause(&self) -> Option<Cause> {
        let not_initialised = |slot: &u64, label: &String| Cause::NotInitialised {
            module: self.path.clone(),
            kind: self.kind,
            slot: *slot,
            label: label.clone(),
        };
        match (&self.state, self.kind) {
            (State::HasDevices, _) => None,
            (State::Failed(cause), _) => {
                cause.as_deref().filter(|cause| !matches!(cause, Cause::SmartCard(_))).cloned()
            }
            // It always has a free slot.
            (_, ModuleKind::SoftHsm) => Some(Cause::SoftHsm(softhsm::cause())),
            (State::NotInitialised(slot, label), _) => Some(not_initialised(slot, label)),
            (State::Empty, ModuleKind::YubiHsm) => Some(Cause::YubiHsm(yubihsm::cause(true))),
            (State::Empty, ModuleKind::P11KitClient) => Some(Cause::Service(daemons::p11_kit_server())),
            // `SmartCards` says it.
            (State::Empty, kind) if kind.needs_pcscd() && HAS_PCSCD => None,
            (State::Empty, kind) => Some(Cause::Silent { module: self.name.clone(), kind }),
        }
    }
}

/// Whether a module that is loaded talks to pcscd.
fn uses_pcsc_lite() -> bool {
    platform::has_loaded("/libpcsclite")
}
