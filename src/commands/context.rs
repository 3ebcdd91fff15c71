//! From the options that every command has to modules, a device and a key.

use std::time::Duration;

use countersign::device::{
    AccessEvent, Chosen, DeviceAccess, Exportability, KeyRequest, LoginMemory, LoginOptions, ModuleChoice,
    Modules, Notice, OpenDevice, Policy, SigningKey, UserType, choose,
};
use countersign::environment;
use countersign::error::Error;
use countersign::pin::PinSource;
use countersign::signature::PublicKey;
use countersign::uri::Uri;

use super::trial::trial;
use super::usage::{BadUri, UsageError};
use crate::cli::{Global, Key};
use crate::terminal::Terminal;
use crate::terminal::device_watch::DeviceWatch;

/// AWS allows this many MFA devices for one user.
const MAX_KEYS: usize = 8;

/// The options that say where keys are and how to log in.
pub(crate) struct Context {
    access: DeviceAccess,
    so_pin_source: Option<PinSource>,
    watch: DeviceWatch,
}

impl Context {
    /// Also takes secrets out of the environment.
    pub(crate) fn new(global: &Global, so_pin_source: Option<&str>) -> Result<Self, Error> {
        let source =
            |text: &str| text.parse::<PinSource>().map(PinSource::capture).map_err(|_| UsageError::PinSource);
        let pin_source = global.pin_source.as_deref().map(source).transpose()?;
        let so_pin_source = so_pin_source.map(source).transpose()?;
        // It may hold a pin-value; clap has read it by now.
        environment::forget("COUNTERSIGN_KEY");
        Ok(Context {
            access: DeviceAccess {
                modules: ModuleChoice { path: global.module.clone(), trial: None },
                login: LoginOptions {
                    pin_source,
                    use_last_try: global.use_last_try,
                    user_type: global.user_type,
                    memory: LoginMemory::default(),
                },
            },
            so_pin_source,
            watch: DeviceWatch::new(Duration::from_secs(global.timeout)),
        })
    }

    /// Which modules to load and how to log in.
    pub(crate) fn access(&self) -> &DeviceAccess {
        &self.access
    }

    /// As the security officer if `--so-pin-source` was given, otherwise as the user.
    pub(crate) fn login_to_prepare(&self) -> LoginOptions {
        match &self.so_pin_source {
            None => self.access.login.clone(),
            Some(source) => LoginOptions {
                pin_source: Some(source.clone()),
                user_type: UserType::SecurityOfficer,
                ..self.access.login.clone()
            },
        }
    }

    /// Where the PIN for a device that the URI names would come from.
    pub(crate) fn pin_source(&self, uri: Option<&Uri>) -> Result<PinSource, Error> {
        Ok(self.access.login.source_for(uri.unwrap_or(&Uri::default()))?)
    }

    pub(crate) fn watch(&self) -> &DeviceWatch {
        &self.watch
    }

    /// Loads the modules that the URIs may refer to.
    pub(crate) fn load_modules(&self, uris: &[Uri], terminal: &Terminal) -> Result<Modules, Error> {
        self.access.load(uris, &|event| self.tell(&event, terminal))
    }

    /// The same for a command that looks at all modules: a module that ends its process hides no other.
    pub(crate) fn load_modules_that_survive(
        &self,
        uris: &[Uri],
        terminal: &Terminal,
    ) -> Result<Modules, Error> {
        let mut access = self.access.clone();
        access.modules.trial = Some(trial(self.watch.patience()));
        access.load(uris, &|event| self.tell(&event, terminal))
    }

    /// The selected device. Selecting it requires no PIN.
    pub(crate) fn choose(&self, key: &Key, policy: Policy, terminal: &Terminal) -> Result<Chosen, Error> {
        let uris = parse_key_uris(&key.uris)?;
        let modules = self.load_modules(&uris, terminal)?;
        let chosen = choose(&modules, &KeyRequest { uris, policy, certificate: None })?;
        for uri in &chosen.passed_over {
            terminal.say(&format!("not present: {}", uri.shown()));
        }
        terminal.say(&format!("{}, {}", chosen.device.describe(), chosen.device.module_path().display()));
        Ok(chosen)
    }

    pub(crate) fn log_in(&self, chosen: Chosen, terminal: &Terminal) -> Result<OpenDevice, Error> {
        self.access.log_in(chosen, &|event| self.tell(&event, terminal))
    }

    /// The selected public key, without a PIN if the device shows it to anyone.
    pub(crate) fn public_key(&self, key: &Key, terminal: &Terminal) -> Result<PublicKey, Error> {
        let chosen = self.choose(key, Policy::ANY_KEY, terminal)?;
        if let Some(shown) = chosen.public_key() {
            return Ok(shown.clone());
        }
        self.log_in(chosen, terminal)?.public_key(Policy::ANY_KEY)
    }

    /// Reports the steps towards a device, to a person or a log, and watches the device from the start.
    pub(crate) fn tell(&self, event: &AccessEvent<'_>, terminal: &Terminal) {
        match event {
            AccessEvent::UnknownAttribute(name) => terminal
                .warn(&format!("the URI's attribute {name:?} is not known, so the URI matches nothing")),
            AccessEvent::Loading => self.watch.start(terminal),
            // Only the modules know which of them do not answer, so they are asked only for `-v`.
            AccessEvent::Loaded(modules) if terminal.is_verbose() => {
                for path in modules.searched() {
                    terminal.detail(&format!("module {}", path.display()));
                }
                for line in modules.failure_lines() {
                    terminal.detail(&format!("skipped {line}"));
                }
            }
            AccessEvent::Loaded(_) => {}
            AccessEvent::Chosen(Chosen { device, .. }) => {
                terminal.detail(&format!("{}, {}", device.describe(), device.module_path().display()));
            }
            AccessEvent::Notice(notice) => tell(notice, terminal),
        }
    }
}

/// Tells a person, or a log, what a device needs.
pub(crate) fn tell(notice: &Notice, terminal: &Terminal) {
    match notice {
        Notice::PinExposed(text) => terminal.warn(text),
        Notice::EnterPinOnDevice { .. }
        | Notice::WrongPin { .. }
        | Notice::WrongForm { .. }
        | Notice::UnknownUser { .. }
        | Notice::OuterBlank { .. } => terminal.warn(&notice.to_string()),
    }
}

/// Says which key signs, and warns about any waived requirement.
pub(crate) fn introduce(key: &SigningKey, policy: Policy, terminal: &Terminal) {
    let facts = key.facts();
    let exportability = exportability(key);
    terminal.say(&format!("{}: {}{exportability}", key.uri(), facts.kind()));
    match facts.exportability() {
        Exportability::CanLeave => {
            terminal.warn(if policy.any_key {
                "this key can leave its device"
            } else {
                "this key can leave its device; it is used because of --allow-exportable"
            });
        }
        Exportability::Unknown => terminal.warn("the device does not say whether this key can leave it"),
        Exportability::CannotLeave => {}
    }
    if key.public_key().bits() > 2048 && policy.allow_key_size {
        terminal.warn("AWS asks for RSA-2048; this larger key is used because of --allow-key-size");
    }
}

/// Whether the key can leave the device, as the end of a sentence about it. A software token only claims it.
pub(crate) fn exportability(key: &SigningKey) -> String {
    match (key.facts().exportability(), key.device().software_store()) {
        (Exportability::CannotLeave, None) => ", cannot leave the device".into(),
        (Exportability::CannotLeave, Some(store)) => {
            format!("; the module claims that it cannot leave the device ({store})")
        }
        (Exportability::CanLeave, _) => ", CAN leave the device".into(),
        (Exportability::Unknown, _) => ", the device does not say whether it can leave".into(),
    }
}

pub(crate) fn parse_uri(text: &str, place: &'static str) -> Result<Uri, BadUri> {
    text.parse().map_err(|source| BadUri { place, source })
}

pub(crate) fn parse_key_uris(texts: &[String]) -> Result<Vec<Uri>, Error> {
    if texts.len() > MAX_KEYS {
        return Err(UsageError::TooManyKeys(texts.len()).into());
    }
    // In a script this is an unset variable; it must not mean "any key".
    if texts.iter().any(String::is_empty) {
        return Err(UsageError::EmptyKey.into());
    }
    texts.iter().map(|text| parse_uri(text, "--key or COUNTERSIGN_KEY").map_err(Error::from)).collect()
}
