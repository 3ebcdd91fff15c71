//! Which modules are used: the one that was named, or those that p11-kit is configured with.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::call::{CallError, reason_of};
use super::cause::{Absence, Cause, ModuleState, Situation, State};
use super::error::ModuleError;
use super::ffi::{self, LoadError, P11KitModule};
use super::kind::ModuleKind;
use super::load_failure::LoadFailure;
use super::module::Module;
use super::present::{self, Device};
use super::spec::{ModuleSpec, module_path};
use super::trial::Trial;
use super::watch;
use crate::platform::library;
use crate::uri::Uri;

/// What the command line says about modules.
#[derive(Clone, Debug, Default)]
pub struct ModuleChoice {
    /// `--module`: only this module. `p11-kit-proxy` or `libp11-kit.so.0` selects the proxy.
    pub path: Option<PathBuf>,
    /// Tries each of p11-kit's modules before it is loaded.
    pub trial: Option<Trial>,
}

/// The loaded modules, and those that could not be loaded.
#[derive(Debug)]
pub struct Modules {
    pub(super) loaded: Vec<Rc<Module>>,
    pub(super) failed: Vec<FailedModule>,
    /// Whether `--module` was given: the `module-*` attributes of URIs then do not count.
    pub(super) named: bool,
}

/// What the modules show at one moment.
pub(super) struct Sight {
    /// The devices in all modules, in the modules' order, p11-kit's own last. A device that two modules show
    /// is listed twice.
    pub(super) devices: Vec<Device>,
    /// The uninitialized ones, which are used only if they are named.
    pub(super) uninitialised: Vec<Device>,
    /// What may hide more devices.
    pub(super) unreadable: Vec<Unreadable>,
    /// The answers of modules that do not report their slots, each with the module's position among the
    /// loaded ones.
    unlisted: Vec<(usize, CallError)>,
}

/// An unreadable slot or module, which may have a device.
#[derive(Clone, Debug)]
pub(super) struct Unreadable {
    /// The module's name, for messages.
    pub(super) module: String,
    /// Its file, if it is loaded.
    pub(super) path: Option<PathBuf>,
    /// The slot, if it is known.
    pub(super) slot: Option<u64>,
    /// The module's answer, or the call that has not returned.
    pub(super) error: CallError,
}

impl Unreadable {
    /// Its name for people.
    pub(super) fn describe(&self) -> String {
        match self.slot {
            Some(slot) => format!("in slot {slot} of {}", self.module),
            None => format!("in a slot of {}", self.module),
        }
    }
}

/// The modules that are where their vendors put them, for a computer without p11-kit.
fn installed(reason: &str) -> Result<Vec<P11KitModule>, ModuleError> {
    let places = library::places_of_modules();
    if places.is_empty() {
        return Err(ModuleError::NoP11Kit { reason: reason.to_owned() });
    }
    let modules = places.iter().filter(|place| place.is_file()).map(|place| P11KitModule {
        name: ModuleSpec::at(place).display_name(),
        path: Some(place.clone()),
        remote: None,
        trust_policy: false,
        init_reserved: None,
    });
    let modules: Vec<_> = modules.collect();
    if modules.is_empty() { Err(ModuleError::NoneInstalled { places }) } else { Ok(modules) }
}

/// A module that was skipped.
#[derive(Clone, Debug)]
pub(super) struct FailedModule {
    pub(super) name: String,
    pub(super) path: Option<PathBuf>,
    pub(super) reason: String,
    /// The obstacle.
    pub(super) cause: Option<Box<Cause>>,
    /// The call that was abandoned, if that is the reason.
    pub(super) hang: Option<CallError>,
}

impl FailedModule {
    /// A module about which only `reason` is known.
    fn new(name: String, path: Option<PathBuf>, reason: String) -> Self {
        FailedModule { name, path, reason, cause: None, hang: None }
    }

    /// p11-kit's last message: the module that it could not load, in this program's words, or whatever else
    /// it says.
    fn by_p11_kit(message: String) -> Self {
        let told = message.strip_prefix("couldn't load module: ").and_then(|told| told.split_once(": "));
        let Some((path, words)) = told else {
            return FailedModule::new("p11-kit".into(), None, message);
        };
        let path = PathBuf::from(path);
        let LoadFailure { reason, hint } = LoadFailure::of(&path, LoadError::Loader(words.to_owned()));
        let name = ModuleSpec::at(&path).display_name();
        FailedModule::new(name, Some(path), with_hint(reason, hint))
    }
}

impl Modules {
    /// Loads what `choice` names, otherwise what the URIs name, otherwise what p11-kit is configured with. If
    /// one of p11-kit's modules fails, it is skipped and the reason kept; a module that was named must work.
    ///
    /// # Errors
    /// [`ModuleError`] if none can be used.
    pub fn load(choice: &ModuleChoice, uris: &[Uri]) -> Result<Self, ModuleError> {
        let mut modules = Modules { loaded: Vec::new(), failed: Vec::new(), named: choice.path.is_some() };
        if let Some(path) = &choice.path {
            modules.add_named(ModuleSpec::at(path))?;
            return Ok(modules);
        }
        // With several URIs, it is enough if the module of one of them works.
        let mut failure = None;
        for path in uris.iter().filter_map(module_path) {
            if let Err(error) = modules.add_named(ModuleSpec::at(&path)) {
                modules.skip(&path, &error);
                failure.get_or_insert(error);
            }
        }
        // A URI without a module-path requires p11-kit's modules, one by name or all; so does the absence of
        // any URI.
        let searching: Vec<&Uri> = uris.iter().filter(|uri| module_path(uri).is_none()).collect();
        if (!searching.is_empty() || uris.is_empty())
            && let Err(error) = modules.add_configured(&searching, choice.trial.as_ref())
        {
            modules.skip(library::p11_kit(), &error);
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
    ///
    /// # Errors
    /// [`ModuleError::Unlisted`] if there is no device, and a module that was named does not report its
    /// slots.
    pub(super) fn look(&self) -> Result<Sight, ModuleError> {
        let mut sight = Sight {
            devices: Vec::new(),
            uninitialised: Vec::new(),
            unreadable: Vec::new(),
            unlisted: Vec::new(),
        };
        let mut proxied = Vec::new();
        for (index, module) in self.loaded.iter().enumerate() {
            let present::InSlots { devices, uninitialised, unreadable, unlisted } = present::in_slots(module);
            let (name, path) = (module.spec().display_name(), &module.spec().path);
            sight.unreadable.extend(unreadable.into_iter().map(|(slot, error)| Unreadable {
                module: name.clone(),
                path: Some(path.clone()),
                slot: Some(slot),
                error,
            }));
            match unlisted {
                Some(error) if error.is_hang() => {
                    let path = Some(path.clone());
                    sight.unreadable.push(Unreadable { module: name, path, slot: None, error });
                }
                other => sight.unlisted.extend(other.map(|error| (index, error))),
            }
            sight.uninitialised.extend(uninitialised);
            if module.spec().shows_others() {
                // The proxy also shows p11-kit's trust store, which contains no key.
                proxied.extend(devices.into_iter().filter(|device| !device.is_trust_store()));
            } else {
                sight.devices.extend(devices);
            }
        }
        sight.devices.extend(proxied);
        let hanging = self.failed.iter().filter_map(|failed| {
            let error = failed.hang.clone()?;
            Some(Unreadable { module: failed.name.clone(), path: None, slot: None, error })
        });
        sight.unreadable.extend(hanging);
        let of_named = sight.unlisted.iter().find(|(index, _)| self.loaded[*index].spec().is_named);
        if let Some((index, error)) =
            of_named.filter(|_| sight.devices.is_empty() && sight.unreadable.is_empty())
        {
            let (path, error) = (self.loaded[*index].spec().path.clone(), error.clone());
            return Err(ModuleError::Unlisted { path, error, absence: Box::new(self.absence(&sight, &[])) });
        }
        Ok(sight)
    }

    /// Why no device matches any of the URIs, or why there is no device at all.
    ///
    /// # Errors
    /// As when such a device is looked for.
    pub fn why_no_device(&self, uris: &[Uri]) -> Result<Absence, ModuleError> {
        Ok(self.absence(&self.look()?, uris))
    }

    /// The same for a sight that was taken already.
    pub(super) fn absence(&self, sight: &Sight, uris: &[Uri]) -> Absence {
        let started = self.loaded.iter().enumerate().map(|(index, module)| {
            let is_of_module = |device: &&Device| Rc::ptr_eq(&device.module, module);
            let hangs = |other: &Unreadable| other.path.as_ref() == Some(&module.spec().path);
            let unlisted = sight.unlisted.iter().any(|(other, _)| *other == index);
            let state = match sight.uninitialised.iter().find(is_of_module) {
                _ if sight.devices.iter().any(|device| is_of_module(&device)) => State::HasDevices,
                _ if sight.unreadable.iter().any(hangs) => State::Failed(None),
                // Such a module lacks pcscd.
                _ if unlisted && !module.spec().kind().needs_pcscd() => State::Failed(None),
                Some(device) => State::NotInitialised(device.slot_id(), device.label.clone()),
                None => State::Empty,
            };
            let spec = module.spec();
            ModuleState { name: spec.display_name(), path: spec.path.clone(), kind: spec.kind(), state }
        });
        let failed = self.failed.iter().map(|failed| {
            let path = failed.path.clone().unwrap_or_default();
            let (name, kind) = (failed.name.clone(), ModuleKind::at(&path));
            ModuleState { name, kind, path, state: State::Failed(failed.cause.clone()) }
        });
        let mut wanted: Vec<ModuleKind> = uris.iter().map(of_uri).collect();
        let named = self.loaded.iter().filter(|module| module.spec().is_named);
        wanted.extend(named.map(|module| module.spec().kind()));
        wanted.retain(|kind| self.named || *kind != ModuleKind::Other);
        let modules = started.chain(failed).collect();
        Absence::new(Situation { modules, wanted, has_devices: !sight.devices.is_empty() })
    }

    /// Modules that were skipped or do not answer: one line each, with the reason.
    pub fn failure_lines(&self) -> Vec<String> {
        let silent = self.loaded.iter().filter_map(|module| {
            let reason = module.slot_error()?.to_string();
            Some(FailedModule::new(module.spec().display_name(), Some(module.spec().path.clone()), reason))
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

    /// The modules that were searched, by path; those that p11-kit reaches, by its names for them.
    pub fn searched(&self) -> Vec<PathBuf> {
        self.loaded.iter().map(|module| PathBuf::from(module.spec().call_name())).collect()
    }

    fn add_named(&mut self, mut spec: ModuleSpec) -> Result<(), ModuleError> {
        spec.is_named = true;
        if self.has(&spec) {
            return Ok(());
        }
        let path = spec.path.clone();
        match Module::load(spec) {
            Ok(module) => self.loaded.push(Rc::new(module)),
            Err(failure) => {
                let hang = failure.hang.is_some();
                return Err(ModuleError::Failed {
                    path,
                    reason: failure.reason,
                    hint: failure.hint,
                    cause: failure.cause,
                    hang,
                });
            }
        }
        Ok(())
    }

    fn skip(&mut self, path: &Path, error: &ModuleError) {
        let name = ModuleSpec::at(path).display_name();
        self.failed.push(FailedModule::new(name, None, error.to_string()));
    }

    fn add_configured(&mut self, uris: &[&Uri], trial: Option<&Trial>) -> Result<(), ModuleError> {
        let p11_kit = Arc::from(library::p11_kit().to_string_lossy());
        let (configured, message) =
            watch::during("p11_kit_modules_load", &p11_kit, &p11_kit, ffi::p11_kit_modules)
                .map_err(CallError::from)?
                .or_else(|error| Ok::<_, ModuleError>((installed(&reason_of(&error))?, None)))?;
        if configured.is_empty() {
            return Err(ModuleError::NoneConfigured { message });
        }
        let wanted = |module: &P11KitModule| {
            let path = module.path.as_deref().unwrap_or(Path::new(""));
            let by_name =
                |uri: &&Uri| uri.names_module() && uri.matches_module_name(Some(&module.name), path);
            // A trust store contains hundreds of certificates and no key, so it is used only if it is named.
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
                is_named: false,
            };
            match (&module.remote, &module.path) {
                // Only p11-kit can start the program behind such a module.
                (Some(remote), _) => {
                    self.add_skippable(spec(library::p11_kit(), Some(remote.clone())), trial);
                }
                (None, Some(path)) => self.add_skippable(spec(path, None), trial),
                (None, None) => self.failed.push(FailedModule::new(
                    module.name.clone(),
                    None,
                    "p11-kit gives no file for it".into(),
                )),
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
            self.failed.push(FailedModule::new(name, Some(path), reason));
            return;
        }
        match Module::load(spec) {
            Ok(module) => self.loaded.push(Rc::new(module)),
            Err(failure) => {
                let cause = failure.cause;
                let hint = failure.hint.or_else(|| cause.as_ref().map(ToString::to_string));
                let reason = with_hint(failure.reason, hint);
                self.failed.push(FailedModule { name, path: Some(path), reason, cause, hang: failure.hang });
            }
        }
    }

    fn has(&self, spec: &ModuleSpec) -> bool {
        self.loaded.iter().any(|module| module.spec().is_same(spec))
    }
}

/// The kind of device that a URI names, as far as the URI tells.
fn of_uri(uri: &Uri) -> ModuleKind {
    let text = |attribute: &Option<Vec<u8>>| {
        String::from_utf8_lossy(attribute.as_deref().unwrap_or_default()).into_owned()
    };
    let module = module_path(uri).unwrap_or_else(|| PathBuf::from(text(&uri.module_name)));
    ModuleKind::of_device(&module, &text(&uri.manufacturer), &text(&uri.model), &text(&uri.token))
}

fn with_hint(reason: String, hint: Option<String>) -> String {
    match hint {
        Some(hint) => format!("{reason} ({hint})"),
        None => reason,
    }
}
