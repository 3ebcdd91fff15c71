//! The table of the kinds of module.

use ModuleKind as Kind;

use crate::device::vendor_code::{LUNA, VendorCode};

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

/// What takes the place of the security officer's PIN.
pub(in crate::device) struct SoSecret {
    /// What it is called.
    pub(in crate::device) name: &'static str,
    /// How a person is asked for it.
    pub(in crate::device) prompt: &'static str,
    /// What the device accepts.
    pub(in crate::device) form: &'static str,
    /// What to say of a wrong one.
    pub(in crate::device) when_wrong: &'static str,
    /// What to do where a shorter one is given.
    pub(in crate::device) when_short: &'static str,
    /// Why the right one may be refused.
    pub(in crate::device) when_refused: &'static str,
    /// The most characters that the module sends as the user's PIN, which costs an attempt if it is wrong.
    pub(in crate::device) longest_pin: usize,
    /// What to say where it is needed.
    pub(in crate::device) when_needed: &'static str,
}

/// What is known of a kind.
pub(super) struct Row {
    pub(super) kind: ModuleKind,
    /// What the module's file name contains, in lower case.
    pub(super) modules: &'static [&'static str],
    /// What the manufacturer, model or label of its devices contains, in lower case.
    pub(super) devices: &'static [&'static str],
    pub(super) shows_others: bool,
    pub(super) needs_pcscd: bool,
    pub(super) own_key: Option<u8>,
    pub(super) software_store: Option<&'static str>,
    pub(super) has_free_slot: bool,
    pub(super) when_silent: &'static str,
    pub(super) when_card_unknown: &'static str,
    pub(super) initialising: &'static str,
    pub(super) when_no_key: Option<&'static str>,
    pub(super) when_not_generated: Option<&'static str>,
    pub(super) when_not_stored: Option<&'static str>,
    pub(super) is_pluggable: bool,
    pub(super) recovering: Option<&'static str>,
    pub(super) counts_wrong_pins: bool,
    pub(super) when_it_locks: &'static str,
    pub(super) misreads_unwrap: bool,
    pub(super) when_rejected: Option<&'static str>,
    pub(super) when_full: &'static str,
    pub(super) when_user_unknown: Option<&'static str>,
    pub(super) pin_topic: &'static str,
    pub(super) when_no_mechanism: &'static str,
    pub(super) when_no_generation: &'static str,
    pub(super) vendor_codes: &'static [VendorCode],
    pub(super) loses_sessions: bool,
    pub(super) changing_pin: &'static str,
    pub(super) when_not_allowed: &'static str,
    pub(super) has_one_certificate_an_id: bool,
    pub(super) requiring_pin_each_time: &'static str,
    pub(super) unblocking: &'static str,
    pub(super) pin_form: Option<&'static str>,
    pub(super) pin_length: Option<&'static str>,
    pub(super) so_secret: Option<SoSecret>,
}

pub(super) const OTHER: Row = Row {
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
    pin_topic: "PIN",
    when_no_mechanism: "see the device's manual about signatures, or name another key with --key",
    when_no_generation: "the device generates no such key through PKCS#11: use another --type, or generate the key with the \
                         device's own tool",
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
pub(super) static TABLE: [Row; 14] = [
    Row {
        kind: Kind::YubiHsm,
        modules: &["yubihsm"],
        devices: &["yubihsm"],
        is_pluggable: true,
        recovering: Some(
            "restart yubihsm-connector (Linux: systemctl restart yubihsm-connector), or unplug the YubiHSM and plug it in again; then repeat the command",
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
        pin_topic: "authentication key",
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
            form: "48 hexadecimal digits",
            when_wrong: "the management key has 48 hexadecimal digits; wrong ones lock nothing",
            when_short: "give the management key itself: ykcs11 would send anything so short as the PIN, and a wrong one costs an \
                         attempt. If the YubiKey keeps its management key behind the PIN, give the PIN here, with --use-last-try",
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
        modules: &["cryptoki2", "cryptoki.dll", "luna"],
        devices: &["luna", "cryptoki2"],
        recovering: Some("repeat the command; if it fails again, see whether lunacm reaches the partition"),
        // A client that no appliance knows sees no slot at all.
        when_silent: "vtl verify lists the partitions of this host. If there are none, the appliance does not know its client \
                      certificate (lunash: client register, client assignPartition), or Chrystoki.conf names no appliance",
        when_it_locks: "a Luna locks the role after ten, or as partition policy 20 says",
        when_no_mechanism: "policies of the partition can forbid mechanisms (lunacm, partition showpolicies: RSA PKCS and raw RSA \
                            operations); or name another key with --key",
        // thalesdocs.com, Luna 7.2: "Mechanism Remap for FIPS Compliance". CKM_RSA_PKCS_KEY_PAIR_GEN is not approved.
        when_no_generation: "in FIPS mode a Luna generates RSA keys by newer mechanisms, to which Luna HSM Client 10.1 and later \
                             map this one; for an older client, set RSAKeyGenMechRemap = 1 in Chrystoki.conf, or use another \
                             --type",
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
    Row { kind: Kind::P11KitProxy, modules: &["p11-kit-proxy", "libp11-kit"], shows_others: true, ..OTHER },
];
