//! PKCS#11 devices: which modules there are, which devices are present, which key a URI names, and signing
//! with it.
//!
//! This is the only folder that knows cryptoki. Nothing above it sees a PKCS#11 handle.

mod abandoned;
mod access;
mod call;
mod cause;
mod choose;
mod error;
mod ffi;
#[cfg(fuzzing)]
pub mod fuzzing;
mod inventory;
mod key_facts;
mod kind;
mod load_failure;
mod login;
mod login_memory;
mod module;
mod modules;
mod objects;
mod open;
mod present;
mod provision;
mod record;
mod session;
mod signing_key;
mod spec;
mod token_info;
mod trial;
mod user_type;
mod vendor_code;
mod watch;

pub(crate) use abandoned::within;
pub use abandoned::{NotReturned, hanging_calls};
pub use access::{AccessEvent, DeviceAccess};
pub use call::CallError;
pub use cause::{
    Absence, Cause, Denied, ServiceCause, SmartCardCause, SmartCards, SoftHsmCause, YubiHsmCause,
};
pub use choose::{Chosen, KeyRequest, NamedCertificate, StoredCertificate, choose};
pub use error::{
    Candidate, DeviceError, KeyError, LoginError, ModuleError, ProvisionError, SignError, UniqueAttribute,
};
pub use inventory::{
    CertificateEntry, DeviceEntry, Inventory, KeyEntry, ModuleEntry, UnreadableSlot, inventory,
};
pub use key_facts::{Exportability, KeyFacts, Policy, UnfitReason};
pub use kind::ModuleKind;
pub use login::{LoginOptions, Notice};
pub use login_memory::LoginMemory;
pub use modules::{ModuleChoice, Modules};
pub use open::OpenDevice;
pub use present::Device;
pub use provision::{
    GeneratedKey, ImportOptions, ImportedCertificate, KeyKind, KeySpec, NotTaken, WritableDevice,
};
pub use record::{DeviceRecord, KeyRecord};
pub use session::{close_at_the_end, close_devices};
pub use signing_key::SigningKey;
pub use token_info::{PinState, PinTries};
pub use trial::Trial;
pub use user_type::UserType;
pub use watch::{PendingCall, WaitsFor, pending_calls, stop_calls};
