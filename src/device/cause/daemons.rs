//! What keeps other modules from their devices: openCryptoki's daemon and group, a TPM's file, the socket of p11-kit's
//! server, NSS's database.

use std::fmt;
use std::path::{Path, PathBuf};

use super::rights::{self, Access, Denied};
use crate::platform::socket::LocalStream;
use crate::platform::user;

/// Why one of these modules does not start or shows no device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceCause {
    /// openCryptoki's daemon does not run.
    NoPkcsslotd,
    /// openCryptoki serves the members of a group only.
    OpenCryptokiGroup {
        /// The group.
        group: String,
    },
    /// There is no TPM.
    NoTpm,
    /// This user may not use the TPM.
    TpmDenied {
        /// Who may.
        denied: Denied,
    },
    /// tpm2-pkcs11 does not start, and the TPM's file is there.
    TpmFails,
    /// No p11-kit server at its socket.
    NoP11KitServer {
        /// The socket, if one is named.
        socket: Option<PathBuf>,
        /// What connecting to it said.
        reason: String,
    },
    /// A p11-kit server that shows no device.
    EmptyP11KitServer {
        /// Its socket.
        socket: PathBuf,
    },
    /// NSS is not told its database.
    NssDatabase,
}

/// openCryptoki's group (its manual calls it so too).
const GROUP: &str = "pkcs11";
/// The daemon's socket: version 3.8; 3.23.
const PKCSSLOTD: [&str; 2] = ["/run/pkcsslotd.socket", "/run/opencryptoki/pkcsslotd.socket"];
const TPM: &str = "/dev/tpmrm0";
const SERVER: &str = "P11_KIT_SERVER_ADDRESS";

/// Why openCryptoki does not start.
pub(super) fn opencryptoki() -> Option<ServiceCause> {
    if !user::is_in_group(GROUP) {
        return Some(ServiceCause::OpenCryptokiGroup { group: GROUP.into() });
    }
    let is_there = PKCSSLOTD.iter().any(|socket| Path::new(socket).exists());
    (!is_there).then_some(ServiceCause::NoPkcsslotd)
}

/// Why tpm2-pkcs11 does not start.
pub(super) fn tpm() -> ServiceCause {
    // A TPM that is reached otherwise has no file.
    if ["TPM2_PKCS11_TCTI", "TPM2TOOLS_TCTI"].iter().any(|name| std::env::var_os(name).is_some()) {
        return ServiceCause::TpmFails;
    }
    match rights::to_read(Path::new(TPM)) {
        Access::Missing => ServiceCause::NoTpm,
        Access::Denied(denied) => ServiceCause::TpmDenied { denied },
        Access::Granted | Access::Failed(_) => ServiceCause::TpmFails,
    }
}

/// Why p11-kit's client shows no device.
pub(super) fn p11_kit_server() -> ServiceCause {
    let named = std::env::var(SERVER).ok();
    let usual =
        || std::env::var_os("XDG_RUNTIME_DIR").map(|folder| PathBuf::from(folder).join("p11-kit/pkcs11"));
    let socket = match &named {
        Some(address) => address.strip_prefix("unix:path=").map(PathBuf::from),
        None => usual(),
    };
    let Some(socket) = socket else {
        let reason = match named {
            Some(address) => format!("{SERVER} is {address:?}"),
            None => format!("{SERVER} is not set"),
        };
        return ServiceCause::NoP11KitServer { socket: None, reason };
    };
    match LocalStream::connect(&socket) {
        Ok(_) => ServiceCause::EmptyP11KitServer { socket },
        Err(error) => ServiceCause::NoP11KitServer { reason: rights::words_of(&error), socket: Some(socket) },
    }
}

impl ServiceCause {
    /// Whether somebody has set it up here.
    pub(super) fn has_evidence(&self) -> bool {
        match self {
            ServiceCause::NoTpm | ServiceCause::NssDatabase => false,
            ServiceCause::NoP11KitServer { .. } => std::env::var_os(SERVER).is_some(),
            _ => true,
        }
    }

    /// What a check of it is called.
    pub(super) fn topic(&self) -> &'static str {
        match self {
            ServiceCause::NoPkcsslotd => "pkcsslotd",
            ServiceCause::OpenCryptokiGroup { .. } => "openCryptoki",
            ServiceCause::NoTpm | ServiceCause::TpmDenied { .. } | ServiceCause::TpmFails => "TPM",
            ServiceCause::NoP11KitServer { .. } | ServiceCause::EmptyP11KitServer { .. } => "p11-kit",
            ServiceCause::NssDatabase => "NSS",
        }
    }

    /// What to do.
    pub(super) fn help(&self) -> String {
        match self {
            ServiceCause::NoPkcsslotd => "systemctl enable --now pkcsslotd; then repeat the command".into(),
            ServiceCause::OpenCryptokiGroup { group } => rights::joining(group),
            ServiceCause::NoTpm => {
                "switch the TPM on in the firmware's setup; one that is reached otherwise is named by TPM2_PKCS11_TCTI".into()
            }
            ServiceCause::TpmDenied { denied } => denied.help(),
            ServiceCause::TpmFails => {
                "countersign list -v shows what the module says; tpm2_getcap properties-fixed asks the TPM".into()
            }
            ServiceCause::NoP11KitServer { .. } => format!(
                "start p11-kit server where the device is, and set {SERVER}=unix:path=/path/of/the/socket"
            ),
            ServiceCause::EmptyP11KitServer { .. } => {
                "where the device is: plug it in, and see what p11-kit list-modules and the server's --provider name".into()
            }
            ServiceCause::NssDatabase => {
                "name its database in a module file of p11-kit: x-init-reserved: configdir='sql:FOLDER'".into()
            }
        }
    }
}

impl fmt::Display for ServiceCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceCause::NoPkcsslotd => f.write_str("openCryptoki's daemon pkcsslotd does not run"),
            ServiceCause::OpenCryptokiGroup { group } => write!(
                f,
                "openCryptoki serves only members of the group {group}, and {} is not one",
                user::login_name()
            ),
            ServiceCause::NoTpm => write!(f, "this machine has no TPM ({TPM} is not there)"),
            ServiceCause::TpmDenied { denied } => {
                write!(f, "the TPM ({}) may not be used by {}", denied.by.display(), user::login_name())
            }
            ServiceCause::TpmFails => f.write_str("tpm2-pkcs11 does not reach the TPM or its own store"),
            ServiceCause::NoP11KitServer { socket: Some(socket), reason } => {
                write!(f, "no p11-kit server answers at {} ({reason})", socket.display())
            }
            ServiceCause::NoP11KitServer { socket: None, reason } => {
                write!(f, "p11-kit's client does not know its server: {reason}")
            }
            ServiceCause::EmptyP11KitServer { socket } => {
                write!(f, "the p11-kit server at {} shows no device", socket.display())
            }
            ServiceCause::NssDatabase => f.write_str("NSS does not know its database"),
        }
    }
}
