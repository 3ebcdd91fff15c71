//! What to do about a call that failed, by what the device said and by its kind.

use cryptoki::error::RvError;

use crate::device::{CallError, ModuleKind};

/// What helps where the cause is not known. Unplugging is advised for what can be unplugged only.
pub(super) fn after_failure(error: &CallError, kind: ModuleKind) -> &'static str {
    match error.code() {
        Some(RvError::SessionCount) => {
            "all sessions of the device are in use: end other programs that use it, then repeat the command"
        }
        // Its own word: whatever it is, it was plugged in.
        Some(RvError::DeviceRemoved | RvError::TokenNotPresent) => {
            "plug the device in again, then repeat the command"
        }
        Some(RvError::DeviceMemory) => {
            "the device is full: countersign list --login shows what can go; remove it with the device's own tool"
        }
        Some(RvError::HostMemory) => "free memory on this host, then repeat the command",
        _ => kind.recovering(),
    }
}

#[cfg(test)]
mod tests {
    use cryptoki::context::Function;
    use cryptoki::error::Error;

    use super::*;

    #[test]
    fn what_cannot_be_unplugged_is_not_to_be() {
        use ModuleKind::{
            CloudHsm, Luna, OpenCryptoki, OpenSc, Other, P11KitClient, SoftHsm, Tpm, YubiHsm, YubiKey,
        };
        for code in [RvError::DeviceError, RvError::SessionCount, RvError::GeneralError] {
            let error = CallError::from(Error::Pkcs11(code, Function::OpenSession));
            for kind in [SoftHsm, Tpm, OpenCryptoki, CloudHsm, Luna, P11KitClient, Other] {
                let advice = after_failure(&error, kind);
                assert!(!advice.contains("plug"), "{code:?} {kind:?}: {advice}");
            }
            for kind in [YubiKey, OpenSc, YubiHsm] {
                let advice = after_failure(&error, kind);
                assert_eq!(
                    advice.contains("plug"),
                    code != RvError::SessionCount,
                    "{code:?} {kind:?}: {advice}"
                );
            }
        }
    }
}
