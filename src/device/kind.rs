//! What kind of device it is, by what it says of itself: only for advice. Nothing else depends on it.

/// A kind of device that has its own ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A YubiKey's PIV application.
    YubiKey,
    /// A YubiHSM 2.
    YubiHsm,
    /// AWS CloudHSM through its own PKCS#11 library.
    CloudHsm,
    /// A partition of a Thales Luna.
    Luna,
    /// A TPM through tpm2-pkcs11.
    Tpm,
    /// openCryptoki.
    OpenCryptoki,
    /// SoftHSM.
    SoftHsm,
    /// A smart card.
    SmartCard,
    /// Any other.
    Other,
}

impl DeviceKind {
    /// The maker's name counts before the module's: OpenSC shows a YubiKey too.
    pub(super) fn by_names(module: &str, manufacturer: &str, model: &str, label: &str) -> Self {
        const NAMES: [(&str, DeviceKind); 15] = [
            ("yubihsm", DeviceKind::YubiHsm),
            ("ykcs11", DeviceKind::YubiKey),
            ("yubikey", DeviceKind::YubiKey),
            ("yubico", DeviceKind::YubiKey),
            ("cloudhsm", DeviceKind::CloudHsm),
            ("cavium", DeviceKind::CloudHsm),
            ("marvell", DeviceKind::CloudHsm),
            ("luna", DeviceKind::Luna),
            ("cryptoki2", DeviceKind::Luna),
            ("tpm2", DeviceKind::Tpm),
            ("opencryptoki", DeviceKind::OpenCryptoki),
            ("softhsm", DeviceKind::SoftHsm),
            ("opensc", DeviceKind::SmartCard),
            ("piv", DeviceKind::SmartCard),
            ("pkcs#15", DeviceKind::SmartCard),
        ];
        let names = [manufacturer, model, label, module].map(str::to_lowercase).join("\n");
        let kind = NAMES.iter().find(|(name, _)| names.contains(name));
        kind.map_or(DeviceKind::Other, |(_, kind)| *kind)
    }

    /// How a locked PIN is unblocked.
    pub(super) fn unblocking(self) -> &'static str {
        match self {
            DeviceKind::YubiKey => {
                "unblock it with the PUK: ykman piv access unblock-pin. If the PUK is locked too, only ykman piv reset is \
                 left, which destroys all keys"
            }
            DeviceKind::YubiHsm => {
                "an authentication key of a YubiHSM is not locked by wrong passwords; close other sessions, or restart its \
                 connector"
            }
            DeviceKind::CloudHsm => {
                "ask an administrator of the cluster: cloudhsm-cli user change-password unlocks the user"
            }
            DeviceKind::Luna => {
                "ask the partition's security officer: lunacm, role resetpw -name co (or cu) unlocks the role"
            }
            DeviceKind::Tpm => {
                "the whole TPM is in dictionary attack lockout: wait until it ends (tpm2_getcap properties-variable says \
                 when), or tpm2_dictionarylockout --clear-lockout"
            }
            DeviceKind::OpenCryptoki => "set a new one with the SO PIN: pkcsconf -u -c SLOT",
            DeviceKind::SmartCard => {
                "unblock it with the PUK: pkcs15-tool --unblock-pin, or the card issuer's own tool"
            }
            DeviceKind::SoftHsm | DeviceKind::Other => {
                "set a new one with the SO PIN, by the device's own tool or \
                 pkcs11-tool --module MODULE --login --login-type so --init-pin"
            }
        }
    }

    /// The form of PIN that this kind wants, where it is an unusual one.
    pub(super) fn pin_form(self) -> Option<&'static str> {
        match self {
            DeviceKind::CloudHsm => {
                Some("the PIN of a CloudHSM is USER:PASSWORD, of a crypto user of the cluster")
            }
            DeviceKind::YubiHsm => Some(
                "the PIN of a YubiHSM is the number of the authentication key as 4 hexadecimal digits and then its \
                 password: 0001password",
            ),
            DeviceKind::Luna => Some(
                "the PIN is that of the Crypto Officer; to log in as the Crypto User add --user-type crypto-user",
            ),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_its_names() {
        for (module, manufacturer, model, label, kind) in [
            (
                "libykcs11.so.2",
                "Yubico (www.yubico.com)",
                "YubiKey YK5",
                "YubiKey PIV #1234",
                DeviceKind::YubiKey,
            ),
            ("opensc-pkcs11.so", "piv_II", "PKCS#15 emulated", "PIV_II", DeviceKind::SmartCard),
            (
                "yubihsm_pkcs11.so",
                "Yubico (www.yubico.com)",
                "YubiHSM",
                "YubiHSM 07550054",
                DeviceKind::YubiHsm,
            ),
            ("libcloudhsm_pkcs11.so", "Marvell Semiconductors, Inc.", "LS2", "hsm1", DeviceKind::CloudHsm),
            ("libCryptoki2_64.so", "SafeNet, Inc.", "LunaSA 7.4.0", "par1", DeviceKind::Luna),
            ("libtpm2_pkcs11.so.1", "IBM", "SW TPM", "officer", DeviceKind::Tpm),
            ("libopencryptoki.so.0", "IBM", "Soft", "officer", DeviceKind::OpenCryptoki),
            ("libsofthsm2.so", "SoftHSM project", "SoftHSM v2", "officer", DeviceKind::SoftHsm),
            ("libacme.so", "ACME", "One", "officer", DeviceKind::Other),
        ] {
            assert_eq!(DeviceKind::by_names(module, manufacturer, model, label), kind, "{module}");
        }
    }
}
