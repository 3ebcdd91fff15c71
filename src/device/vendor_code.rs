//! Return codes of vendors' own (CKR_VENDOR_DEFINED and above): their names, and what they mean here.

use cryptoki::error::RvError;
use cryptoki_sys::{CK_RV, CKR_VENDOR_DEFINED};

/// A code that only one vendor's modules return.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct VendorCode {
    /// Above CKR_VENDOR_DEFINED.
    number: CK_RV,
    pub(super) name: &'static str,
    /// The standard code with the same meaning.
    pub(super) like: Option<RvError>,
    /// What to do, if more is known than for the standard code.
    pub(super) cure: Option<&'static str>,
}

impl VendorCode {
    /// The one of `codes` that a module returned.
    pub(super) fn find(codes: &'static [Self], code: CK_RV) -> Option<&'static Self> {
        codes.iter().find(|known| CKR_VENDOR_DEFINED + known.number == code)
    }

    const fn new(number: CK_RV, name: &'static str) -> Self {
        VendorCode { number, name, like: None, cure: None }
    }

    const fn like(self, code: RvError) -> Self {
        VendorCode { like: Some(code), ..self }
    }

    const fn cure(self, cure: &'static str) -> Self {
        VendorCode { cure: Some(cure), ..self }
    }
}

const LUNA_STORAGE: &str =
    "the HSM or the partition is full: countersign list --login shows what can go; remove it with cmu delete";
const LUNA_CONNECTION: &str =
    "see whether lunacm reaches the partition, and whether Chrystoki.conf names the right appliance";
const LUNA_PED: &str = "make the PED reachable from the appliance (lunacm: ped show), or activate the partition once: role login, \
     with partition policies 22 and 23 on";
const LUNA_CHANNEL: &str =
    "the secure trusted channel of client and partition fails: lunacm, stc status; vtl verify";
const LUNA_AUDIT: &str =
    "the appliance's audit log cannot be written: its auditor frees it (lunash: audit log)";
const LUNA_KEY_AUTHORIZATION: &str = "the partition requires an authorization of each key (per-key authorization), which this program does not \
     give: use a key in a partition without it";
const LUNA_POLICY: &str = "a policy of the partition or the HSM forbids it: lunacm, partition showpolicies and hsm showpolicies; their \
     security officers can change it";

/// The codes of a Thales Luna that a client that signs may get. Names and numbers are those of Thales' own client in Python
/// (https://github.com/ThalesGroup/pycryptoki: defines.py, return_values.py).
pub(super) static LUNA: &[VendorCode] = &[
    VendorCode::new(0x04, "CKR_RC_ERROR"),
    VendorCode::new(0x05, "CKR_CONTAINER_HANDLE_INVALID").cure(LUNA_CONNECTION),
    VendorCode::new(0x07, "CKR_USER_LOCKED_OUT").like(RvError::PinLocked),
    // Also the answer in a session whose login ended with its connection (https://github.com/Pkcs11Interop/Pkcs11Interop/issues/188).
    VendorCode::new(0x1a, "CKR_USER_NOT_AUTHORIZED").like(RvError::UserNotLoggedIn).cure(
        "if --user-type is given: a Crypto User can only sign, so leave --user-type out to log in as the Crypto Officer. If it is \
         not: the login ended with its connection, so repeat the command; then see whether lunacm reaches the partition",
    ),
    VendorCode::new(0x1b, "CKR_MAX_OBJECT_COUNT_EXCEEDED").like(RvError::DeviceMemory).cure(LUNA_STORAGE),
    VendorCode::new(0x1c, "CKR_SO_LOGIN_FAILURE_THRESHOLD").like(RvError::PinLocked),
    VendorCode::new(0x1f, "CKR_UNABLE_TO_CONNECT").cure(LUNA_CONNECTION),
    VendorCode::new(0x20, "CKR_PARTITION_DISABLED")
        .cure("the partition is disabled: ask the security officer of the HSM"),
    VendorCode::new(0x21, "CKR_CALLBACK_ERROR"),
    VendorCode::new(0x23, "CKR_SP_TIMEOUT").cure(LUNA_PED),
    VendorCode::new(0x24, "CKR_TIMEOUT").cure(LUNA_CONNECTION),
    VendorCode::new(0x25, "CKR_ECC_UNKNOWN_CURVE").like(RvError::MechanismInvalid),
    VendorCode::new(0x26, "CKR_MTK_ZEROIZED")
        .cure("the HSM was tampered with: its security officer looks at hsm tampershow"),
    VendorCode::new(0x2a, "CKR_HSM_STORAGE_FULL").like(RvError::DeviceMemory).cure(LUNA_STORAGE),
    VendorCode::new(0x2b, "CKR_DEVICE_TIMEOUT").cure(LUNA_CONNECTION),
    VendorCode::new(0x2c, "CKR_CONTAINER_OBJECT_STORAGE_FULL").like(RvError::DeviceMemory).cure(LUNA_STORAGE),
    VendorCode::new(0x2d, "CKR_PED_CLIENT_NOT_RUNNING").cure(LUNA_PED),
    VendorCode::new(0x2e, "CKR_PED_UNPLUGGED").cure(LUNA_PED),
    VendorCode::new(0x30, "CKR_OPERATION_NOT_ALLOWED").cure(LUNA_POLICY),
    VendorCode::new(0x31, "CKR_LICENSE_CAPACITY_EXCEEDED").cure(LUNA_POLICY),
    VendorCode::new(0x32, "CKR_LOG_FILE_NOT_OPEN").cure(LUNA_AUDIT),
    VendorCode::new(0x33, "CKR_LOG_FILE_WRITE_ERROR").cure(LUNA_AUDIT),
    VendorCode::new(0x35, "CKR_LOG_FULL").cure(LUNA_AUDIT),
    VendorCode::new(0x39, "CKR_LOG_AUDIT_NOT_INITIALIZED").cure(LUNA_AUDIT),
    VendorCode::new(0x41, "CKR_AGAIN").cure("the HSM is busy: repeat the command"),
    VendorCode::new(0x46, "CKR_STC_CLIENT_IDENTITY_NOT_CONFIGURED").cure(LUNA_CHANNEL),
    VendorCode::new(0x47, "CKR_STC_PARTITION_IDENTITY_NOT_CONFIGURED").cure(LUNA_CHANNEL),
    VendorCode::new(0x51, "CKR_STC_NOT_ENABLED").cure(LUNA_CHANNEL),
    VendorCode::new(0x53, "CKR_STC_SESSION_INVALID").cure(LUNA_CHANNEL),
    VendorCode::new(0x56, "CKR_STC_NO_CHANNEL").cure(LUNA_CHANNEL),
    VendorCode::new(0x67, "CKR_CHALLENGE_INCORRECT").like(RvError::PinIncorrect),
    VendorCode::new(0x68, "CKR_ACCESS_ID_INVALID"),
    VendorCode::new(0x6b, "CKR_MECHANISM_INVALID_FOR_FP").like(RvError::MechanismInvalid),
    VendorCode::new(0x6d, "CKR_SESSION_HANDLE_INVALID_FOR_FP").like(RvError::SessionHandleInvalid),
    VendorCode::new(0x6e, "CKR_STM_CMD_NON_TRANSPORT").cure(
        "the HSM is in secure transport mode: its security officer ends that (lunacm: stm recover)",
    ),
    VendorCode::new(0x6f, "CKR_OBJECT_ALREADY_EXISTS"),
    VendorCode::new(0x76, "CKR_HSM_TAMPERED")
        .cure("the HSM was tampered with: its security officer looks at hsm tampershow"),
    VendorCode::new(0x8d, "CKR_HSM_RESTART_REQUIRED").cure("restart the HSM: its security officer runs hsm restart"),
    VendorCode::new(0x94, "CKR_OH_AUTH_DATA_NOT_PROVIDED").cure(LUNA_KEY_AUTHORIZATION),
    VendorCode::new(0x97, "CKR_KEY_NOT_AUTHORIZED").cure(LUNA_KEY_AUTHORIZATION),
    VendorCode::new(0x98, "CKR_AUTH_DATA_INCORRECT").cure(LUNA_KEY_AUTHORIZATION),
    VendorCode::new(0x9c, "CKR_AUTH_DATA_INCORRECT_AND_LIMIT_REACHED").cure(LUNA_KEY_AUTHORIZATION),
    VendorCode::new(0x114, "CKR_OBJECT_READ_ONLY"),
    VendorCode::new(0x136, "CKR_KEY_NOT_ACTIVE")
        .cure("the key is not valid yet or any more (CKA_START_DATE, CKA_END_DATE): name another with --key"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_there_once_and_has_the_name_of_a_return_code() {
        for (at, code) in LUNA.iter().enumerate() {
            assert!(code.name.starts_with("CKR_"), "{code:?}");
            let twice = |other: &VendorCode| other.number == code.number || other.name == code.name;
            assert_eq!(LUNA.iter().position(twice), Some(at), "{code:?}");
            assert_eq!(VendorCode::find(LUNA, 0x8000_0000 + code.number), Some(code));
        }
        // The standard's own codes have no entry.
        for code in [0x30, 0x7fff_ffff, 0x8000_0000, 0x9000_0004] {
            assert_eq!(VendorCode::find(LUNA, code), None, "{code:#x}");
        }
    }
}
