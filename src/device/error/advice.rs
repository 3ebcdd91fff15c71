//! What to do about a call that failed, by what the device said and by its kind.

use cryptoki::error::RvError;

use crate::device::{CallError, ModuleKind};

/// What helps if the cause is not known. Unplugging is advised only for devices that can be unplugged.
pub(super) fn after_failure(error: &CallError, kind: ModuleKind) -> &'static str {
    if let Some(cure) = error.cure() {
        return cure;
    }
    match error.code() {
        Some(RvError::SessionCount) => {
            "all sessions of the device are in use: end other programs that use it, then repeat the command"
        }
        // Its own word: whatever it is, it was plugged in.
        Some(RvError::DeviceRemoved | RvError::TokenNotPresent) => reappearing(kind),
        Some(RvError::DeviceMemory) => kind.when_full(),
        Some(RvError::HostMemory) => "free memory on this host, then repeat the command",
        _ => kind.recovering(),
    }
}

/// What helps if a device is no longer there. One behind a network was not unplugged.
pub(super) fn reappearing(kind: ModuleKind) -> &'static str {
    if kind.loses_sessions() {
        kind.recovering()
    } else {
        "plug the device in again, then repeat the command"
    }
}

#[cfg(test)]
mod tests {
    use cryptoki_sys::{CKR_DEVICE_ERROR, CKR_GENERAL_ERROR, CKR_SESSION_COUNT};

    use super::*;

    #[test]
    fn what_cannot_be_unplugged_is_not_to_be() {
        use ModuleKind::{
            CloudHsm, Luna, OpenCryptoki, OpenSc, Other, P11KitClient, SoftHsm, Tpm, YubiHsm, YubiKey,
        };
        for code in [CKR_DEVICE_ERROR, CKR_SESSION_COUNT, CKR_GENERAL_ERROR] {
            let error = CallError::of("C_OpenSession", code);
            for kind in [SoftHsm, Tpm, OpenCryptoki, CloudHsm, Luna, P11KitClient, Other] {
                let advice = after_failure(&error, kind);
                assert!(!advice.contains("plug"), "{code:#x} {kind:?}: {advice}");
            }
            for kind in [YubiKey, OpenSc, YubiHsm] {
                let advice = after_failure(&error, kind);
                assert_eq!(
                    advice.contains("plug"),
                    code != CKR_SESSION_COUNT,
                    "{code:#x} {kind:?}: {advice}"
                );
            }
        }
    }
}
