//! What is known about each kind of module and its devices: how they are recognized, their
//! quirks, and what to advise. All of it is in one table; everything else asks here.

use std::path::Path;

use ModuleKind as Kind;

use super::vendor_code::{LUNA, VendorCode};

/// A kind of module that has its own ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleKind {
    /// A YubiHSM 2.
    YubiHsm,
    /// ykcs11: a YubiKey's PIV application.
    YubiKey,
    /// AWS CloudHSM's own.
    CloudHsm,
    /// A partition of a Thales Luna.
    Luna,
    /// tpm2-pkcs11: a TPM.
    Tpm,
    /// openCryptoki.
    OpenCryptoki,
    /// SoftHSM.
    SoftHsm,
    /// OpenSC: a smart card.
    OpenSc,
    /// Another one for smart cards.
    SmartCard,
    /// NSS's softokn.
    Nss,
    /// gnome-keyring: among others the SSH keys in files of ~/.ssh.
    GnomeKeyring,
    /// Kryoptic.
    Kryoptic,
    /// p11-kit's client, which shows the devices of a p11-kit server.
    P11KitClient,
    /// p11-kit's proxy, which shows the devices of all modules.
    P11KitProxy,
    /// Any other.
    Other,
}

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

    /// What it means that a login says CKR_OBJECT_HANDLE_INVALID, where the PIN names whom to log in.
    pub(super) fn when_user_unknown(self) -> Option<&'static str> {
        self.row().when_user_unknown
    }

    /// The return codes that are its vendor's own.
    pub(super) fn vendor_codes(self) -> &'static [VendorCode] {
        self.row().vendor_codes
    }

    /// Whether its sessions, and the login, end with the connection, which it calls CKR_DEVICE_ERROR.
    pub(super) fn loses_sessions(self) -> bool {
        self.row().loses_sessions
    }

    /// How a PIN is changed that is too old, or was set by somebody else.
    pub(super) fn changing_pin(self) -> &'static str {
        self.row().changing_pin
    }

    /// What it means that a key may not sign by any mechanism that would do (CKA_ALLOWED_MECHANISMS).
    pub(super) fn when_not_allowed(self) -> &'static str {
        self.row().when_not_allowed
    }

    /// Whether a certificate takes the place of any other one of the same CKA_ID.
    pub(super) fn has_one_certificate_an_id(self) -> bool {
        self.row().has_one_certificate_an_id
    }

    /// How a key is made that requires its PIN for each signature, where the module takes no such request.
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

    fn row(self) -> &'static Row {
        TABLE.iter().find(|row| row.kind == self).unwrap_or(&OTHER)
    }
}

/// What takes the place of the security officer's PIN.
pub(super) struct SoSecret {
    /// What it is called.
    pub(super) name: &'static str,
    /// How a person is asked for it.
    pub(super) prompt: &'static str,
    /// What to say of a wrong one.
    pub(super) when_wrong: &'static str,
    /// Why one may be refused that is right.
    pub(super) when_refused: &'static str,
    /// Up to how many characters the module sends as the user's PIN, which costs an attempt if it is wrong.
    pub(super) longest_pin: usize,
    /// What to say where it is needed.
    pub(super) when_needed: &'static str,
}

/// What is known of a kind.
struct Row {
    kind: ModuleKind,
    /// What the module's file name contains, in lower case.
    modules: &'static [&'static str],
    /// What the manufacturer, model or label of its devices contains, in lower case.
    devices: &'static [&'static str],
    shows_others: bool,
    needs_pcscd: bool,
    own_key: Option<u8>,
    software_store: Option<&'static str>,
    has_free_slot: bool,
    when_silent: &'static str,
    when_card_unknown: &'static str,
    initialising: &'static str,
    when_no_key: Option<&'static str>,
    when_not_generated: Option<&'static str>,
    when_not_stored: Option<&'static str>,
    is_pluggable: bool,
    recovering: Option<&'static str>,
    counts_wrong_pins: bool,
    when_it_locks: &'static str,
    misreads_unwrap: bool,
    when_rejected: Option<&'static str>,
    when_full: &'static str,
    when_user_unknown: Option<&'static str>,
    vendor_codes: &'static [VendorCode],
    loses_sessions: bool,
    changing_pin: &'static str,
    when_not_allowed: &'static str,
    has_one_certificate_an_id: bool,
    requiring_pin_each_time: &'static str,
    unblocking: &'static str,
    pin_form: Option<&'static str>,
    pin_length: Option<&'static str>,
    so_secret: Option<SoSecret>,
}

const OTHER: Row = Row {
    kind: Kind::Other,
    modules: &[],
    devices: &[],
    shows_others: false,
    needs_pcscd: false,
    own_key: None,
    software_store: None,
    has_free_slot: false,
    when_silent: "plug the device in, or name its module with --module PATH; countersign list shows what is there",
    when_card_unknown: "name the module of the card's maker with --module PATH (a YubiKey's is libykcs11.so)",
    initialising: "pkcs11-tool --module MODULE --slot SLOT --init-token --label NAME, or the device's own tool",
    when_no_key: None,
    when_not_generated: None,
    when_not_stored: None,
    is_pluggable: false,
    recovering: None,
    counts_wrong_pins: true,
    when_it_locks: "most lock after three",
    misreads_unwrap: false,
    when_rejected: None,
    when_full: "the device is full: countersign list --login shows what can go; remove it with the device's own tool",
    when_user_unknown: None,
    vendor_codes: &[],
    loses_sessions: false,
    changing_pin: "change it with the device's own tool, or pkcs11-tool --change-pin",
    when_not_allowed: "name another key with --key, or generate one without CKA_ALLOWED_MECHANISMS",
    has_one_certificate_an_id: false,
    requiring_pin_each_time: "the module may not know --always-authenticate: leave it out, or generate the key with the device's own tool",
    unblocking: "set a new one with the SO PIN, by the device's own tool or \
                 pkcs11-tool --module MODULE --login --login-type so --init-pin",
    pin_form: None,
    pin_length: None,
    so_secret: None,
};

/// The first row that fits counts: a YubiHSM's maker is Yubico too.
static TABLE: [Row; 14] = [
    Row {
        kind: Kind::YubiHsm,
        modules: &["yubihsm"],
        devices: &["yubihsm"],
        is_pluggable: true,
        recovering: Some(
            "systemctl restart yubihsm-connector, or unplug the YubiHSM and plug it in again; then repeat the command",
        ),
        counts_wrong_pins: false,
        when_it_locks: "a YubiHSM locks nothing",
        // yubihsm_pkcs11 2.6: an RSA wrap key, which signs nothing.
        misreads_unwrap: true,
        when_rejected: Some(
            "a capability is missing: the authentication key whose number begins the PIN must have it and, to make an \
             object, be able to give it; so must the key that signs (yubihsm-shell: get objectinfo)",
        ),
        when_full: "if audit is forced, its log is full: read it (yubihsm-shell --action get-logs), then free it (--action \
                    set-log-index); if not, objects must go: countersign list --login shows them",
        when_user_unknown: Some(
            "the device has no authentication key with the number that the PIN begins with",
        ),
        when_not_allowed: "the key lacks the capability for it, sign-pkcs of an RSA key or sign-ecdsa of an EC key, which cannot \
                           be added (yubihsm-shell: get objectinfo): name another key with --key, or generate one with \
                           countersign keygen",
        unblocking: "an authentication key of a YubiHSM is not locked by wrong passwords; close other sessions, or restart \
                     its connector",
        pin_form: Some(
            "the PIN of a YubiHSM is the number of the authentication key as 4 hexadecimal digits and then its \
             password: 0001password",
        ),
        ..OTHER
    },
    Row {
        kind: Kind::YubiKey,
        modules: &["ykcs11"],
        devices: &["ykcs11", "yubikey", "yubico"],
        needs_pcscd: true,
        is_pluggable: true,
        when_it_locks: "a YubiKey locks after three, if that was not changed",
        // The attestation key in PIV slot F9, by the number that ykcs11 gives it.
        own_key: Some(0x19),
        when_card_unknown: "libykcs11.so knows YubiKeys whose PIV application is on (ykman config usb --enable PIV); another card: \
                            --module opensc-pkcs11.so, or the module of its maker",
        has_one_certificate_an_id: true,
        // ykcs11 2.2 refuses CKA_ALWAYS_AUTHENTICATE.
        requiring_pin_each_time: "this ykcs11 does not take --always-authenticate: generate the key with ykman piv keys generate \
                                  --pin-policy ALWAYS",
        unblocking: "unblock it with the PUK: ykman piv access unblock-pin. If the PUK is locked too, only ykman piv reset \
                     is left, which destroys all keys",
        // ykcs11 (2.2) says 6 to 48, which is for the management key too.
        pin_length: Some("6 to 8 characters"),
        so_secret: Some(SoSecret {
            name: "management key",
            prompt: "Management key, 48 hexadecimal digits,",
            when_wrong: "the management key has 48 hexadecimal digits; wrong ones lock nothing",
            when_refused: "if it is right, it may be one for AES, which ykcs11 knows from version 2.3 on; YubiKeys have such a key from \
                           firmware 5.7 on. Use ykman (ykman piv keys generate, ykman piv certificates import), or make \
                           it one for Triple DES: ykman piv access change-management-key --algorithm TDES",
            longest_pin: 8,
            when_needed: "a YubiKey requires its management key for this: --so-pin-source prompt, and give the key as 48 \
                          hexadecimal digits",
        }),
        ..OTHER
    },
    Row {
        kind: Kind::CloudHsm,
        modules: &["cloudhsm", "cavium", "marvell"],
        devices: &["cloudhsm", "cavium", "marvell"],
        recovering: Some(
            "repeat the command; if it fails again, see whether cloudhsm-cli reaches the cluster, and the log in \
             /opt/cloudhsm/run",
        ),
        when_silent: "its client is configured by /opt/cloudhsm/bin/configure-pkcs11; its log is in /opt/cloudhsm/run",
        unblocking: "ask an administrator of the cluster: cloudhsm-cli user change-password unlocks the user",
        pin_form: Some("the PIN of a CloudHSM is USER:PASSWORD, of a crypto user of the cluster"),
        ..OTHER
    },
    Row {
        kind: Kind::Luna,
        modules: &["cryptoki2", "luna"],
        devices: &["luna", "cryptoki2"],
        recovering: Some("repeat the command; if it fails again, see whether lunacm reaches the partition"),
        // A client that no appliance knows sees no slot at all.
        when_silent: "vtl verify lists the partitions of this host. If there are none, the appliance does not know its client \
                      certificate (lunash: client register, client assignPartition), or Chrystoki.conf names no appliance",
        when_it_locks: "a Luna locks the role after ten, or as partition policy 20 says",
        vendor_codes: LUNA,
        // https://github.com/Pkcs11Interop/Pkcs11Interop/issues/188
        loses_sessions: true,
        changing_pin: "each role changes the password that another one set: lunacm, role login -name co (or cu), then role \
                       changepw",
        unblocking: "ask the partition's security officer: lunacm, role resetpw -name co (or cu) unlocks the role",
        pin_form: Some(
            "the PIN is that of the Crypto Officer; to log in as the Crypto User add --user-type crypto-user",
        ),
        ..OTHER
    },
    Row {
        kind: Kind::Tpm,
        modules: &["tpm2"],
        devices: &["tpm2"],
        has_free_slot: true,
        recovering: Some("end other programs that use the TPM, then repeat the command"),
        when_it_locks: "a TPM locks as a whole (tpm2_getcap properties-variable says after how many)",
        initialising: "tpm2_ptool init; tpm2_ptool addtoken --pid 1 --label NAME --sopin SOPIN --userpin PIN",
        unblocking: "the whole TPM is in dictionary attack lockout: wait until it ends (tpm2_getcap properties-variable \
                     says when), or tpm2_dictionarylockout --clear-lockout",
        ..OTHER
    },
    Row {
        kind: Kind::OpenCryptoki,
        modules: &["opencryptoki"],
        devices: &["opencryptoki"],
        recovering: Some("systemctl restart pkcsslotd, then repeat the command"),
        initialising: "pkcsconf -I -c SLOT; then pkcsconf -P -c SLOT and pkcsconf -u -c SLOT",
        unblocking: "set a new one with the SO PIN: pkcsconf -u -c SLOT",
        ..OTHER
    },
    Row {
        kind: Kind::SoftHsm,
        modules: &["softhsm"],
        devices: &["softhsm"],
        software_store: Some("SoftHSM keeps keys in files: it is for tests"),
        has_free_slot: true,
        recovering: Some(
            "make sure that this user may write to the folder of SoftHSM's tokens, then repeat the command",
        ),
        counts_wrong_pins: false,
        when_it_locks: "SoftHSM locks nothing",
        initialising: "softhsm2-util --init-token --slot SLOT --label NAME",
        ..OTHER
    },
    Row {
        kind: Kind::OpenSc,
        modules: &["opensc"],
        devices: &["opensc", "piv", "pkcs#15"],
        is_pluggable: true,
        needs_pcscd: true,
        when_no_key: Some(
            "OpenSC shows a PIV card's key only together with its certificate: put one on the card, or use the card \
             maker's own module (a YubiKey's is libykcs11.so)",
        ),
        when_not_generated: Some(
            "OpenSC generates no keys on PIV cards: use ykman piv keys generate 9a, or --module libykcs11.so with \
             --so-pin-source for a YubiKey; or the card maker's own tool",
        ),
        when_not_stored: Some(
            "OpenSC stores nothing on PIV cards: use ykman piv certificates import, or --module libykcs11.so with \
             --so-pin-source for a YubiKey; or the card maker's own tool",
        ),
        unblocking: "unblock it with the PUK: pkcs15-tool --unblock-pin, or the card issuer's own tool. If the PUK is locked \
                     too, only a reset by that tool is left, which destroys all keys (a YubiKey: ykman piv reset)",
        ..OTHER
    },
    Row {
        kind: Kind::SmartCard,
        modules: &["pcsc", "ccid", "cackey", "coolkey"],
        needs_pcscd: true,
        is_pluggable: true,
        ..OTHER
    },
    Row { kind: Kind::Nss, modules: &["softokn"], software_store: Some("NSS keeps keys in files"), ..OTHER },
    Row {
        kind: Kind::GnomeKeyring,
        modules: &["gnome-keyring"],
        devices: &["gnome keyring", "gnome-keyring"],
        software_store: Some("gnome-keyring keeps keys in files"),
        ..OTHER
    },
    Row {
        kind: Kind::Kryoptic,
        modules: &["kryoptic"],
        devices: &["kryoptic"],
        software_store: Some("Kryoptic keeps keys in files"),
        ..OTHER
    },
    Row { kind: Kind::P11KitClient, modules: &["p11-kit-client"], shows_others: true, ..OTHER },
    Row {
        kind: Kind::P11KitProxy,
        modules: &["p11-kit-proxy", "libp11-kit.so"],
        shows_others: true,
        ..OTHER
    },
];

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
