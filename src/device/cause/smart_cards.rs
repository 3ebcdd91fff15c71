//! What keeps a module from its smart card: pcscd, polkit, GnuPG's scdaemon, the reader.

use std::fmt;
use std::path::{Path, PathBuf};

use super::pcscd::{self, Answer, Card, Reader};
use crate::device::kind::ModuleKind;
use crate::platform::{process_called, user};

/// Why no smart card is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SmartCardCause {
    /// Nobody listens at pcscd's socket.
    NoPcscd {
        /// The socket.
        socket: PathBuf,
        /// What connecting to it said.
        reason: String,
        /// Whether the program is installed.
        is_installed: bool,
        /// A smart card or reader on USB.
        usb: Option<String>,
    },
    /// The socket's rights keep this user out.
    SocketDenied {
        /// The socket.
        socket: PathBuf,
    },
    /// pcscd accepts connections and never answers.
    Silent {
        /// The socket.
        socket: PathBuf,
    },
    /// polkit does not let this user in.
    Refused {
        /// The last part of polkit's action: `access_pcsc` or `access_card`.
        action: &'static str,
        /// Who is refused.
        user: String,
    },
    /// pcscd says something that is not understood.
    Unclear {
        /// What.
        reason: String,
    },
    /// pcscd has no reader.
    NoReader {
        /// A smart card or reader on USB all the same.
        usb: Option<String>,
        /// The process of a scdaemon, which takes readers on USB for itself.
        scdaemon: Option<u32>,
    },
    /// A program holds the card exclusively.
    Held {
        /// The reader.
        reader: String,
        /// The process of a scdaemon.
        scdaemon: Option<u32>,
    },
    /// No reader has a card.
    NoCard {
        /// The readers.
        readers: Vec<String>,
    },
    /// The card does not say what it is.
    Mute {
        /// The reader.
        reader: String,
    },
    /// A card is there, and no module that looks for cards is used.
    NoModule {
        /// The reader.
        reader: String,
    },
    /// A card is there, and the module shows none.
    Unknown {
        /// The reader.
        reader: String,
        /// The module's name.
        module: String,
        /// Its kind.
        kind: ModuleKind,
    },
}

/// What pcscd and the system say of smart cards.
#[derive(Clone, Debug)]
pub struct SmartCards {
    socket: PathBuf,
    answer: Answer,
    usb: Option<String>,
    scdaemon: Option<u32>,
}

impl SmartCards {
    /// Asks pcscd, and looks at USB and the processes. Nothing is sent to a card.
    pub fn look() -> Self {
        let socket = pcscd::socket();
        SmartCards {
            answer: pcscd::ask(&socket),
            socket,
            usb: usb_reader(),
            scdaemon: process_called("scdaemon"),
        }
    }

    /// The process of a scdaemon.
    pub fn scdaemon(&self) -> Option<u32> {
        self.scdaemon
    }

    /// pcscd's socket and its readers, each with what is in it; None if it does not answer this user.
    pub fn readers(&self) -> Option<(&Path, Vec<String>)> {
        let Answer::Readers(readers) = &self.answer else { return None };
        let line = |reader: &Reader| {
            let card = match reader.card {
                Card::Absent => "no card",
                Card::Free => "a card",
                Card::Held => "a card that another program holds exclusively",
                Card::Mute => "a card that does not answer",
            };
            format!("{}: {card}", reader.name)
        };
        Some((&self.socket, readers.iter().map(line).collect()))
    }

    /// Why this user cannot use pcscd, whatever cards there are.
    pub fn pcscd_cause(&self) -> Option<SmartCardCause> {
        let socket = self.socket.clone();
        let refused = |action| SmartCardCause::Refused { action, user: user::login_name() };
        match &self.answer {
            Answer::Absent(reason) => Some(SmartCardCause::NoPcscd {
                socket,
                reason: reason.clone(),
                is_installed: ["/usr/sbin/pcscd", "/usr/bin/pcscd"]
                    .iter()
                    .any(|path| Path::new(path).exists()),
                usb: self.usb.clone(),
            }),
            Answer::Denied => Some(SmartCardCause::SocketDenied { socket }),
            Answer::Silent => Some(SmartCardCause::Silent { socket }),
            Answer::Refused => Some(refused("access_pcsc")),
            Answer::RefusedCard(_) => Some(refused("access_card")),
            Answer::Unclear(reason) => Some(SmartCardCause::Unclear { reason: reason.clone() }),
            Answer::Readers(_) | Answer::NotAsked => None,
        }
    }

    /// Why none of `modules`, those that look for smart cards, by name and kind, shows one.
    pub(super) fn cause(&self, modules: &[(String, ModuleKind)]) -> Option<SmartCardCause> {
        if modules.is_empty() && self.usb.is_none() && !self.has_card() {
            return None;
        }
        if let Some(cause) = self.pcscd_cause() {
            return Some(cause);
        }
        let Answer::Readers(readers) = &self.answer else { return None };
        let (usb, scdaemon) = (self.usb.clone(), self.scdaemon);
        let of_card =
            |card: Card| readers.iter().find(|reader| reader.card == card).map(|reader| reader.name.clone());
        Some(match (of_card(Card::Free), of_card(Card::Held), of_card(Card::Mute), modules.first()) {
            _ if readers.is_empty() => SmartCardCause::NoReader { usb, scdaemon },
            (Some(reader), .., None) => SmartCardCause::NoModule { reader },
            (Some(reader), .., Some((module, kind))) => {
                SmartCardCause::Unknown { reader, module: module.clone(), kind: *kind }
            }
            (_, Some(reader), ..) => SmartCardCause::Held { reader, scdaemon },
            (_, _, Some(reader), _) => SmartCardCause::Mute { reader },
            _ => {
                SmartCardCause::NoCard { readers: readers.iter().map(|reader| reader.name.clone()).collect() }
            }
        })
    }

    fn has_card(&self) -> bool {
        match &self.answer {
            Answer::Readers(readers) => readers.iter().any(|reader| reader.card != Card::Absent),
            Answer::RefusedCard(_) => true,
            _ => false,
        }
    }
}

impl SmartCardCause {
    /// Whether something is plugged in: it is not merely absent.
    pub(super) fn has_evidence(&self) -> bool {
        use SmartCardCause as Cause;
        match self {
            Cause::NoPcscd { usb, .. } | Cause::NoReader { usb, .. } => usb.is_some(),
            Cause::NoCard { .. } => false,
            _ => true,
        }
    }

    /// What a check of it is called.
    pub(super) fn topic(&self) -> &'static str {
        use SmartCardCause as Cause;
        match self {
            Cause::NoPcscd { .. }
            | Cause::SocketDenied { .. }
            | Cause::Silent { .. }
            | Cause::Refused { .. }
            | Cause::Unclear { .. } => "pcscd",
            Cause::NoReader { scdaemon: Some(_), usb: Some(_) } | Cause::Held { scdaemon: Some(_), .. } => {
                "scdaemon"
            }
            Cause::NoReader { .. } => "reader",
            _ => "card",
        }
    }

    /// What to do.
    pub(super) fn help(&self) -> String {
        use SmartCardCause as Cause;
        match self {
            Cause::NoPcscd { is_installed: false, .. } => {
                "apt install pcscd; then plug the device in and repeat the command".into()
            }
            Cause::NoPcscd { .. } => "systemctl enable --now pcscd.socket; then repeat the command".into(),
            Cause::SocketDenied { socket } => format!(
                "chmod a+rw {}, and see why it is not so (pcscd.socket has SocketMode=0666)",
                socket.display()
            ),
            Cause::Silent { .. } => "systemctl restart pcscd".into(),
            // polkitd, which is not root, must be able to read it, whatever root's umask is.
            Cause::Refused { user, .. } => format!(
                "let the user in by a rule, as root: echo '{}' | install -m 644 /dev/stdin /etc/polkit-1/rules.d/50-pcscd.rules",
                polkit_rule(user)
            ),
            Cause::Unclear { .. } => "journalctl -u pcscd says more; systemctl restart pcscd".into(),
            Cause::NoReader { scdaemon: Some(_), usb: Some(_) } | Cause::Held { scdaemon: Some(_), .. } => {
                "gpgconf --kill scdaemon; for good: disable-ccid and pcsc-shared in ~/.gnupg/scdaemon.conf".into()
            }
            Cause::NoReader { usb: Some(_), .. } => {
                "apt install libccid, the driver of most readers; systemctl restart pcscd; journalctl -u pcscd says more"
                    .into()
            }
            Cause::NoReader { .. } => "plug the device in; in a virtual machine, pass its USB device through".into(),
            Cause::Held { .. } => "end the program that uses the card, then repeat the command".into(),
            Cause::NoCard { .. } => "insert the card, then repeat the command".into(),
            Cause::Mute { .. } => "take the card out, wipe its contacts, and insert it with the chip to the front".into(),
            Cause::NoModule { .. } => {
                "name the card's module with --module PATH (a YubiKey: apt install ykcs11, --module libykcs11.so), or \
                 apt install opensc-pkcs11"
                    .into()
            }
            Cause::Unknown { kind, .. } => kind.when_card_unknown().into(),
        }
    }
}

/// A rule for polkit that lets one user use smart cards, or all members of a group that is still to be named.
fn polkit_rule(user: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    let user = if user.chars().all(is_plain) { user } else { "USER" };
    format!(
        "polkit.addRule(function(action, subject) {{ if (action.id.indexOf(\"org.debian.pcsc-lite.access_\") == 0 && \
         subject.user == \"{user}\") return polkit.Result.YES; }});"
    )
}

impl fmt::Display for SmartCardCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use SmartCardCause as Cause;
        let of_scdaemon =
            |scdaemon: &Option<u32>| scdaemon.map(|process| format!("GnuPG's scdaemon (process {process})"));
        match self {
            Cause::NoPcscd { socket, reason, usb, .. } => {
                write!(
                    f,
                    "pcscd, the service for smart cards, does not run ({}: {reason})",
                    socket.display()
                )?;
                usb.iter().try_for_each(|usb| write!(f, ", and there is a smart card or reader: {usb}"))
            }
            Cause::SocketDenied { socket } => {
                write!(
                    f,
                    "pcscd does not answer this user: the socket {} may not be opened",
                    socket.display()
                )
            }
            Cause::Silent { socket } => write!(
                f,
                "pcscd does not answer ({}: it accepts nobody); modules for smart cards wait for it",
                socket.display()
            ),
            Cause::Refused { action, user } => write!(
                f,
                "pcscd does not let {user} in: polkit's action org.debian.pcsc-lite.{action} is refused to anyone who is not \
                 at the console"
            ),
            Cause::Unclear { reason } => write!(f, "pcscd's answer is not understood: {reason}"),
            Cause::NoReader { usb: None, .. } => f.write_str("pcscd runs and has no smart card or reader"),
            Cause::NoReader { usb: Some(usb), scdaemon } => match of_scdaemon(scdaemon) {
                Some(scdaemon) => write!(f, "{scdaemon} keeps {usb} for itself: pcscd does not have it"),
                None => write!(f, "pcscd runs and does not have {usb}, which is on USB"),
            },
            Cause::Held { reader, scdaemon } => match of_scdaemon(scdaemon) {
                Some(scdaemon) => write!(f, "{scdaemon} holds the card in the reader {reader} exclusively"),
                None => write!(f, "a program holds the card in the reader {reader} exclusively"),
            },
            Cause::NoCard { readers } => match readers.as_slice() {
                [reader] => write!(f, "no card is in the reader {reader}"),
                readers => write!(f, "no card is in any of the readers {}", readers.join(", ")),
            },
            Cause::Mute { reader } => write!(f, "the card in the reader {reader} does not answer"),
            Cause::NoModule { reader } => {
                write!(f, "a card is in the reader {reader}, and none of the modules looks for smart cards")
            }
            Cause::Unknown { reader, module, .. } => {
                write!(f, "a card is in the reader {reader}, and {module} does not know it")
            }
        }
    }
}

/// A reader, or a key that is one, on USB: an interface of class CCID (0b).
fn usb_reader() -> Option<String> {
    let read = |path: PathBuf| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let interfaces = std::fs::read_dir("/sys/bus/usb/devices").ok()?.flatten();
    interfaces.map(|entry| entry.path()).find_map(|interface| {
        (read(interface.join("bInterfaceClass"))? == "0b").then_some(())?;
        // 1-2:1.0 is an interface of the device 1-2.
        let device = interface.file_name()?.to_str()?.split(':').next()?.to_owned();
        let product = read(Path::new("/sys/bus/usb/devices").join(&device).join("product"));
        Some(crate::printable::printable(&product.unwrap_or(device)))
    })
}
