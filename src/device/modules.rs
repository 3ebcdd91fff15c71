//! Which modules are used: the one that was named, or those that p11-kit is configured with.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::call::{CallError, reason_of};
use super::ffi::{self, LIBP11_KIT, LoadError, P11KitModule};
use super::load_failure::LoadFailure;
use super::module::Module;
use super::present::{self, Device};
use super::spec::{ModuleSpec, module_path};
use super::trial::Trial;
use super::watch;
use crate::error::{Exit, Explain};
use crate::uri::Uri;

/// Why no module can be used.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// libp11-kit is not there.
    #[error(
        "no PKCS#11 module was named, and libp11-kit, which knows the modules of this system, cannot be loaded"
    )]
    NoP11Kit {
        /// dlopen's own text.
        reason: String,
    },
    /// p11-kit is there and knows no module.
    #[error("no PKCS#11 module was named, and p11-kit {}", if message.is_some() { "could not load its modules" } else { "is configured with none" })]
    NoneConfigured {
        /// p11-kit's last message.
        message: Option<String>,
    },
    /// p11-kit knows no module of that name.
    #[error("no module is named {name:?}")]
    NoSuchName {
        /// From the URI's `module-name`.
        name: String,
        /// The names that there are.
        configured: Vec<String>,
    },
    /// Every module failed.
    #[error("no PKCS#11 module could be used")]
    AllFailed {
        /// Each module and its reason.
        failures: Vec<String>,
        /// Whether a call of one of them was abandoned.
        hang: bool,
    },
    /// A call about all modules was abandoned.
    #[error("p11-kit cannot say which PKCS#11 modules there are: {0}")]
    Hang(#[from] CallError),
    /// The module that was named failed.
    #[error("the module {path:?} cannot be used: {reason}")]
    Failed {
        /// Its path.
        path: PathBuf,
        /// Why.
        reason: String,
        /// What may help.
        hint: Option<String>,
        /// Whether a call was abandoned.
        hang: bool,
    },
}

impl Explain for ModuleError {
    fn exit(&self) -> Exit {
        Exit::Device
    }

    fn detail(&self) -> Vec<String> {
        match self {
            ModuleError::NoP11Kit { reason } => vec![reason.clone()],
            ModuleError::NoneConfigured { message } => message.iter().cloned().collect(),
            ModuleError::NoSuchName { configured, .. } => {
                vec![format!("there are: {}", configured.join(", "))]
            }
            ModuleError::AllFailed { failures, .. } => failures.clone(),
            ModuleError::Failed { .. } | ModuleError::Hang(_) => Vec::new(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            ModuleError::NoP11Kit { .. } | ModuleError::NoneConfigured { .. } => Some(
                "name the device's module with --module PATH (a YubiKey on Debian: apt install ykcs11, then --module \
                 libykcs11.so), or install p11-kit and a package that registers with it (opensc, softhsm2)"
                    .into(),
            ),
            ModuleError::NoSuchName { .. } => Some("correct module-name in the URI, or use --module PATH".into()),
            ModuleError::AllFailed { .. } => Some("name the device's module with --module PATH to use it alone".into()),
            ModuleError::Failed { hint, .. } => hint.clone(),
            ModuleError::Hang(_) => None,
        }
    }

    fn may_pass(&self) -> bool {
        matches!(
            self,
            ModuleError::Hang(_)
                | ModuleError::Failed { hang: true, .. }
                | ModuleError::AllFailed { hang: true, .. }
        )
    }
}

/// What the command line says about modules.
#[derive(Clone, Debug, Default)]
pub struct ModuleChoice {
    /// `--module`: this module alone. `p11-kit-proxy` or `libp11-kit.so.0` asks for the proxy.
    pub path: Option<PathBuf>,
    /// Tries each of p11-kit's modules before it is loaded.
    pub trial: Option<Trial>,
}

/// The modules that are loaded, and those that could not be.
#[derive(Debug)]
pub struct Modules {
    pub(super) loaded: Vec<Rc<Module>>,
    pub(super) failed: Vec<FailedModule>,
    /// Whether `--module` was given: the URIs' own `module-*` attributes then do not count.
    pub(super) named: bool,
}

/// What the modules show at one moment.
pub(super) struct Sight {
    /// The devices in all modules, in the modules' order, those of p11-kit's own last. One that two modules show is there twice.
    pub(super) devices: Vec<Device>,
    /// The modules that may have more devices, by name, each with what it said, or what it has not returned from.
    pub(super) unreadable: Vec<(String, CallError)>,
}

/// A module that was skipped.
#[derive(Clone, Debug)]
pub(super) struct FailedModule {
    pub(super) name: String,
    pub(super) path: Option<PathBuf>,
    pub(super) reason: String,
    /// The call that was abandoned, if that is why.
    pub(super) hang: Option<CallError>,
}

impl FailedModule {
    /// p11-kit's last message: the module that it could not load, in the words of this program, or whatever else it says.
    fn by_p11_kit(message: String) -> Self {
        let told = message.strip_prefix("couldn't load module: ").and_then(|told| told.split_once(": "));
        let Some((path, words)) = told else {
            return FailedModule { name: "p11-kit".into(), path: None, reason: message, hang: None };
        };
        let path = PathBuf::from(path);
        let LoadFailure { reason, hint } = LoadFailure::of(&path, LoadError::Loader(words.to_owned()));
        let name = ModuleSpec::at(&path).display_name();
        FailedModule { name, path: Some(path), reason: with_hint(reason, hint), hang: None }
    }
}

impl Modules {
    /// Loads what `choice` names, else what the URIs name, else what p11-kit is configured with. Of p11-kit's modules
    /// one that fails is skipped and its reason kept; a module that was named must work.
    ///
    /// # Errors
    /// [`ModuleError`] when none can be used.
    pub fn load(choice: &ModuleChoice, uris: &[Uri]) -> Result<Self, ModuleError> {
        let mut modules = Modules { loaded: Vec::new(), failed: Vec::new(), named: choice.path.is_some() };
        if let Some(path) = &choice.path {
            modules.add_named(ModuleSpec::at(path))?;
            return Ok(modules);
        }
        // With several URIs it is enough that the module of one of them works.
        let mut failure = None;
        for path in uris.iter().filter_map(module_path) {
            if let Err(error) = modules.add_named(ModuleSpec::at(&path)) {
                modules.skip(&path, &error);
                failure.get_or_insert(error);
            }
        }
        // A URI without a module-path wants p11-kit's modules, of one name or all; no URI at all wants them too.
        let searching: Vec<&Uri> = uris.iter().filter(|uri| module_path(uri).is_none()).collect();
        if (!searching.is_empty() || uris.is_empty())
            && let Err(error) = modules.add_configured(&searching, choice.trial.as_ref())
        {
            modules.skip(Path::new(LIBP11_KIT), &error);
            failure.get_or_insert(error);
        }
        if let Some(failure) = failure.filter(|_| modules.loaded.is_empty()) {
            return Err(failure);
        }
        if modules.loaded.is_empty() {
            let failures = modules.failure_lines();
            let hang = modules.failed.iter().any(|failed| failed.hang.is_some());
            return Err(ModuleError::AllFailed { failures, hang });
        }
        Ok(modules)
    }

    /// What the modules show now.
    pub(super) fn look(&self) -> Sight {
        let mut sight = Sight { devices: Vec::new(), unreadable: Vec::new() };
        let mut proxied = Vec::new();
        for module in &self.loaded {
            let present::InSlots { devices, unreadable } = present::in_slots(module);
            sight.unreadable.extend(unreadable.map(|error| (module.spec().display_name(), error)));
            if module.spec().shows_others() {
                // The proxy also shows p11-kit's trust store, which holds no key.
                proxied.extend(devices.into_iter().filter(|device| !device.is_trust_store()));
            } else {
                sight.devices.extend(devices);
            }
        }
        sight.devices.extend(proxied);
        let hanging =
            self.failed.iter().filter_map(|failed| Some((failed.name.clone(), failed.hang.clone()?)));
        sight.unreadable.extend(hanging);
        sight
    }

    /// Modules that were skipped or do not answer: one line each, with the reason.
    pub fn failure_lines(&self) -> Vec<String> {
        let silent = self.loaded.iter().filter_map(|module| {
            let reason = module.slot_error()?.to_string();
            Some(FailedModule {
                name: module.spec().display_name(),
                path: Some(module.spec().path.clone()),
                reason,
                hang: None,
            })
        });
        self.failed
            .iter()
            .cloned()
            .chain(silent)
            .map(|failed| match &failed.path {
                Some(path) => format!("{} ({}): {}", failed.name, path.display(), failed.reason),
                None => format!("{}: {}", failed.name, failed.reason),
            })
            .collect()
    }

    /// The modules that were searched, by path; those that p11-kit reaches by its names for them.
    pub fn searched(&self) -> Vec<PathBuf> {
        self.loaded.iter().map(|module| PathBuf::from(module.spec().call_name())).collect()
    }

    fn add_named(&mut self, spec: ModuleSpec) -> Result<(), ModuleError> {
        if self.has(&spec) {
            return Ok(());
        }
        let path = spec.path.clone();
        match Module::load(spec) {
            Ok(module) => self.loaded.push(Rc::new(module)),
            Err(failure) => {
                let hang = failure.hang.is_some();
                return Err(ModuleError::Failed { path, reason: failure.reason, hint: failure.hint, hang });
            }
        }
        Ok(())
    }

    fn skip(&mut self, path: &Path, error: &ModuleError) {
        let name = ModuleSpec::at(path).display_name();
        self.failed.push(FailedModule { name, path: None, reason: error.to_string(), hang: None });
    }

    fn add_configured(&mut self, uris: &[&Uri], trial: Option<&Trial>) -> Result<(), ModuleError> {
        let p11_kit = Arc::from(LIBP11_KIT);
        let (configured, message) =
            watch::during("p11_kit_modules_load", &p11_kit, &p11_kit, ffi::p11_kit_modules)
                .map_err(CallError::from)?
                .map_err(|error| ModuleError::NoP11Kit { reason: reason_of(&error) })?;
        if configured.is_empty() {
            return Err(ModuleError::NoneConfigured { message });
        }
        let wanted = |module: &P11KitModule| {
            let path = module.path.as_deref().unwrap_or(Path::new(""));
            let by_name =
                |uri: &&Uri| uri.names_module() && uri.matches_module_name(Some(&module.name), path);
            // A trust store holds hundreds of certificates and no key: only when it is named.
            uris.iter().any(by_name)
                || (!module.trust_policy && (uris.is_empty() || uris.iter().any(|uri| !uri.names_module())))
        };
        let chosen: Vec<&P11KitModule> = configured.iter().filter(|module| wanted(module)).collect();
        if chosen.is_empty()
            && let Some(name) = uris.iter().find_map(|uri| uri.module_name.as_ref())
        {
            return Err(ModuleError::NoSuchName {
                name: String::from_utf8_lossy(name).into_owned(),
                configured: configured.iter().map(|module| module.name.clone()).collect(),
            });
        }
        for module in &chosen {
            let spec = |path: &Path, remote| ModuleSpec {
                name: Some(module.name.clone()),
                path: path.to_owned(),
                init_reserved: module.init_reserved.clone(),
                remote,
            };
            match (&module.remote, &module.path) {
                // Only p11-kit itself can start what such a module runs.
                (Some(remote), _) => {
                    self.add_skippable(spec(Path::new(LIBP11_KIT), Some(remote.clone())), trial);
                }
                (None, Some(path)) => self.add_skippable(spec(path, None), trial),
                (None, None) => self.failed.push(FailedModule {
                    name: module.name.clone(),
                    path: None,
                    reason: "p11-kit gives no file for it".into(),
                    hang: None,
                }),
            }
        }
        self.failed.extend(message.map(FailedModule::by_p11_kit));
        Ok(())
    }

    fn add_skippable(&mut self, spec: ModuleSpec, trial: Option<&Trial>) {
        if self.has(&spec) {
            return;
        }
        let name = spec.display_name();
        let path = spec.path.clone();
        if let Some(Err(reason)) = trial.map(|trial| trial.of(&name, Path::new(&spec.call_name()))) {
            self.failed.push(FailedModule { name, path: Some(path), reason, hang: None });
            return;
        }
        match Module::load(spec) {
            Ok(module) => self.loaded.push(Rc::new(module)),
            Err(failure) => {
                let reason = with_hint(failure.reason, failure.hint);
                self.failed.push(FailedModule { name, path: Some(path), reason, hang: failure.hang });
            }
        }
    }

    fn has(&self, spec: &ModuleSpec) -> bool {
        self.loaded.iter().any(|module| module.spec().is_same(spec))
    }
}

fn with_hint(reason: String, hint: Option<String>) -> String {
    match hint {
        Some(hint) => format!("{reason} ({hint})"),
        None => reason,
    }
}
