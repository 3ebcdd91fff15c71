//! What is known about each kind of module and its devices: how they are recognized, their
//! quirks, and what to advise. All of it is in one table; everything else asks here.

mod table;

use std::path::Path;

use ModuleKind as Kind;
pub use table::ModuleKind;
pub(super) use table::SoSecret;
use table::{OTHER, Row, TABLE};

use super::user_type::UserType;
use super::vendor_code::VendorCode;

impl ModuleKind {
    /// The kind of the module at a path.
    pub fn at(path: &Path) -> Self {
        let file = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        of_row(TABLE.iter().find(|row| row.modules.iter().any(|name| file.contains(name))))
    }

    /// The kind of module that a device belongs to, judged by what it says about itself, whatever module
    /// shows it: OpenSC shows a YubiKey too. `module` is the path of that module, which counts if it is the
    /// first match in the table.
    pub(super) fn of_device(module: &Path, manufacturer: &str, model: &str, label: &str) -> Self {
        let shown_by = ModuleKind::at(module);
        let file = module.file_name().unwrap_or_default().to_string_lossy();
        let names = [manufacturer, model, label, &file].map(str::to_lowercase).join("\n");
        let is_it = |row: &&Row| row.kind == shown_by || row.devices.iter().any(|name| names.contains(name));
        of_row(TABLE.iter().find(is_it))
    }

    /// Whether the module looks for smart cards through pcscd.
    pub fn needs_pcscd(self) -> bool {
        self.row().needs_pcscd
    }

    /// Whether its devices belong to other modules.
    pub(super) fn shows_others(self) -> bool {
        self.row().shows_others
    }

    /// Whether the key of this CKA_ID is the device's own, which signs nothing for anyone.
    pub(super) fn is_own_key(self, id: Option<&[u8]>) -> bool {
        self.row().own_key.is_some_and(|own| id == Some(&[own]))
    }

    /// Where the module itself keeps keys, if that is not a device: what it says of them is its own claim.
    pub(super) fn software_store(self) -> Option<&'static str> {
        self.row().software_store
    }

    /// What to check if the module runs and shows no device, and no obstacle can be found.
    pub(super) fn when_silent(self) -> &'static str {
        self.row().when_silent
    }

    /// What to do where a smart card is in a reader, and the module does not know it.
    pub(super) fn when_card_unknown(self) -> &'static str {
        self.row().when_card_unknown
    }

    /// The command that initialises a device, with `MODULE` and `SLOT` in the places of those.
    pub(super) fn initialising(self) -> &'static str {
        self.row().initialising
    }

    /// Why a device that holds a private key may show none.
    pub(super) fn when_no_key(self) -> Option<&'static str> {
        self.row().when_no_key
    }

    /// Whether the module always shows one slot more, for a new device.
    pub(super) fn has_free_slot(self) -> bool {
        self.row().has_free_slot
    }

    /// How to make a key where this module makes none.
    pub(super) fn when_not_generated(self) -> Option<&'static str> {
        self.row().when_not_generated
    }

    /// How to store a certificate where this module stores none.
    pub(super) fn when_not_stored(self) -> Option<&'static str> {
        self.row().when_not_stored
    }

    /// Whether a person can pull its devices out and plug them in again.
    pub(super) fn is_pluggable(self) -> bool {
        self.row().is_pluggable
    }

    /// What helps where a device fails, and nothing is known of the cause.
    pub(super) fn recovering(self) -> &'static str {
        match self.row().recovering {
            None if self.is_pluggable() => "unplug the device, plug it in again, and repeat the command",
            None => "repeat the command; if it fails again, run countersign doctor",
            Some(recovering) => recovering,
        }
    }

    /// Whether wrong PINs are counted at all: each is a step towards the lock.
    pub(super) fn counts_wrong_pins(self) -> bool {
        self.row().counts_wrong_pins
    }

    /// After how many wrong PINs it locks, as far as that is known.
    pub(super) fn when_it_locks(self) -> &'static str {
        self.row().when_it_locks
    }

    /// What a device lacks if it rejects a request, and that is not a missed touch.
    pub(super) fn when_rejected(self) -> Option<&'static str> {
        self.row().when_rejected
    }

    /// Whether the module generates a wrapping key as soon as it is given CKA_UNWRAP, even if that is false.
    pub(super) fn misreads_unwrap(self) -> bool {
        self.row().misreads_unwrap
    }

    /// What to do about a device that says CKR_DEVICE_MEMORY.
    pub(super) fn when_full(self) -> &'static str {
        self.row().when_full
    }

    /// What `doctor` calls a PIN.
    pub(super) fn pin_topic(self) -> &'static str {
        self.row().pin_topic
    }

    /// Whether users and keys have capabilities, which say what they may do.
    pub(super) fn has_capabilities(self) -> bool {
        self.row().when_rejected.is_some()
    }

    /// What to do if the device knows no mechanism that generates such a key.
    pub(super) fn when_no_generation(self) -> &'static str {
        self.row().when_no_generation
    }

    /// What to do if a device offers none of the suitable mechanisms.
    pub(super) fn when_no_mechanism(self) -> &'static str {
        self.row().when_no_mechanism
    }

    /// What it means that a login says CKR_OBJECT_HANDLE_INVALID, where the PIN names whom to log in.
    pub(super) fn when_user_unknown(self) -> Option<&'static str> {
        self.row().when_user_unknown
    }

    /// The return codes that are its vendor's own.
    pub(super) fn vendor_codes(self) -> &'static [VendorCode] {
        self.row().vendor_codes
    }

    /// Whether sessions and login end with the connection, for which it returns CKR_DEVICE_ERROR.
    pub(super) fn loses_sessions(self) -> bool {
        self.row().loses_sessions
    }

    /// How to change a PIN that has expired or was set by somebody else.
    pub(super) fn changing_pin(self) -> &'static str {
        self.row().changing_pin
    }

    /// What to do if a key may not sign by any suitable mechanism (CKA_ALLOWED_MECHANISMS).
    pub(super) fn when_not_allowed(self) -> &'static str {
        self.row().when_not_allowed
    }

    /// Whether a certificate overwrites any other with the same CKA_ID.
    pub(super) fn has_one_certificate_an_id(self) -> bool {
        self.row().has_one_certificate_an_id
    }

    /// How to generate a key that requires its PIN for each signature, if the module refuses such a request.
    pub(super) fn requiring_pin_each_time(self) -> &'static str {
        self.row().requiring_pin_each_time
    }

    /// How a locked PIN is unblocked.
    pub(super) fn unblocking(self) -> &'static str {
        self.row().unblocking
    }

    /// The form of PIN that the device expects, where it is an unusual one.
    pub(super) fn pin_form(self) -> Option<&'static str> {
        self.row().pin_form
    }

    /// How long the user's PIN is, where the module does not say so.
    pub(super) fn pin_length(self) -> Option<&'static str> {
        self.row().pin_length
    }

    /// What the security officer logs in with, where it is not a PIN.
    pub(super) fn so_secret(self) -> Option<&'static SoSecret> {
        self.row().so_secret.as_ref()
    }

    /// What the secret of a user is called.
    pub(super) fn name_of_secret(self, user: UserType) -> &'static str {
        match self.so_secret() {
            Some(secret) if user == UserType::SecurityOfficer => secret.name,
            _ => "PIN",
        }
    }

    fn row(self) -> &'static Row {
        TABLE.iter().find(|row| row.kind == self).unwrap_or(&OTHER)
    }
}

fn of_row(row: Option<&Row>) -> ModuleKind {
    row.map_or(Kind::Other, |row| row.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_known_by_the_name_of_its_file() {
        for (path, kind) in [
            ("/usr/lib/x86_64-linux-gnu/libykcs11.so.2", Kind::YubiKey),
            ("yubihsm_pkcs11.so", Kind::YubiHsm),
            ("/opt/cloudhsm/lib/libcloudhsm_pkcs11.so", Kind::CloudHsm),
            ("/usr/safenet/lunaclient/lib/libCryptoki2_64.so", Kind::Luna),
            ("/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so.1", Kind::Tpm),
            ("/usr/lib/opencryptoki/libopencryptoki.so.0", Kind::OpenCryptoki),
            ("/usr/lib/softhsm/libsofthsm2.so", Kind::SoftHsm),
            ("/usr/lib/x86_64-linux-gnu/onepin-opensc-pkcs11.so", Kind::OpenSc),
            ("/usr/lib/x86_64-linux-gnu/libsoftokn3.so", Kind::Nss),
            ("/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so", Kind::P11KitClient),
            ("p11-kit-proxy.so", Kind::P11KitProxy),
            ("libp11-kit.so.0", Kind::P11KitProxy),
            ("/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-trust.so", Kind::Other),
            ("/home/softhsm/libacme.so", Kind::Other),
            ("/opt/homebrew/lib/libykcs11.dylib", Kind::YubiKey),
            ("/opt/homebrew/lib/libp11-kit.0.dylib", Kind::P11KitProxy),
            ("/Program Files/SafeNet/LunaClient/cryptoki.dll", Kind::Luna),
            ("/Program Files/Amazon/CloudHSM/lib/cloudhsm_pkcs11.dll", Kind::CloudHsm),
            ("/Program Files/OpenSC Project/OpenSC/pkcs11/opensc-pkcs11.dll", Kind::OpenSc),
            ("/", Kind::Other),
        ] {
            assert_eq!(ModuleKind::at(Path::new(path)), kind, "{path}");
        }
    }

    #[test]
    fn a_device_is_known_by_its_names_before_those_of_the_module_that_shows_it() {
        for (module, manufacturer, model, label, kind) in [
            ("libykcs11.so.2", "Yubico (www.yubico.com)", "YubiKey YK5", "YubiKey PIV #1234", Kind::YubiKey),
            ("opensc-pkcs11.so", "piv_II", "PKCS#15 emulated", "PIV_II", Kind::OpenSc),
            ("opensc-pkcs11.so", "piv_II", "PKCS#15 emulated", "YubiKey 1234", Kind::YubiKey),
            ("yubihsm_pkcs11.so", "Yubico (www.yubico.com)", "YubiHSM", "YubiHSM 07550054", Kind::YubiHsm),
            ("yubihsm_pkcs11.so", "Yubico (www.yubico.com)", "", "", Kind::YubiHsm),
            ("libcloudhsm_pkcs11.so", "Marvell Semiconductors, Inc.", "LS2", "hsm1", Kind::CloudHsm),
            ("libCryptoki2_64.so", "SafeNet, Inc.", "LunaSA 7.4.0", "par1", Kind::Luna),
            ("libtpm2_pkcs11.so.1", "IBM", "SW TPM", "officer", Kind::Tpm),
            ("libopencryptoki.so.0", "IBM", "Soft", "officer", Kind::OpenCryptoki),
            ("libsofthsm2.so", "SoftHSM project", "SoftHSM v2", "officer", Kind::SoftHsm),
            ("p11-kit-client.so", "SoftHSM project", "SoftHSM v2", "officer", Kind::SoftHsm),
            ("gnome-keyring-pkcs11.so", "Gnome Keyring", "1.0", "SSH Keys", Kind::GnomeKeyring),
            ("p11-kit-client.so", "Gnome Keyring", "1.0", "User Key Storage", Kind::GnomeKeyring),
            ("libkryoptic_pkcs11.so", "Kryoptic", "v1", "officer", Kind::Kryoptic),
            ("libacme.so", "ACME", "One", "officer", Kind::Other),
        ] {
            let found = ModuleKind::of_device(Path::new(module), manufacturer, model, label);
            assert_eq!(found, kind, "{module}, {manufacturer}");
        }
    }

    #[test]
    fn each_kind_has_one_row_and_lower_case_names() {
        for row in &TABLE {
            assert_eq!(TABLE.iter().filter(|other| other.kind == row.kind).count(), 1, "{:?}", row.kind);
            assert!(!row.modules.is_empty(), "{:?}", row.kind);
            for name in row.modules.iter().chain(row.devices) {
                assert_eq!(name.to_lowercase(), **name);
            }
        }
    }

    #[test]
    fn what_keeps_keys_in_files_is_known() {
        let in_files: Vec<_> = TABLE.iter().filter(|row| row.software_store.is_some()).collect();
        let kinds: Vec<ModuleKind> = in_files.iter().map(|row| row.kind).collect();
        assert_eq!(kinds, [Kind::SoftHsm, Kind::Nss, Kind::GnomeKeyring, Kind::Kryoptic]);
    }

    #[test]
    fn a_yubikeys_own_key_is_the_one_of_slot_f9() {
        assert!(Kind::YubiKey.is_own_key(Some(&[0x19])));
        for other in [None, Some(&[][..]), Some(&[1]), Some(&[0x19, 0x19])] {
            assert!(!Kind::YubiKey.is_own_key(other), "{other:?}");
        }
        assert!(!Kind::OpenSc.is_own_key(Some(&[0x19])));
    }

    #[test]
    fn only_what_looks_for_cards_needs_pcscd_and_only_p11_kits_own_modules_show_others() {
        let of = |fits: fn(&Row) -> bool| -> Vec<ModuleKind> {
            TABLE.iter().filter(|row| fits(row)).map(|row| row.kind).collect()
        };
        assert_eq!(of(|row| row.needs_pcscd), [Kind::YubiKey, Kind::OpenSc, Kind::SmartCard]);
        assert_eq!(of(|row| row.shows_others), [Kind::P11KitClient, Kind::P11KitProxy]);
    }
}
