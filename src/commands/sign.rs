//! `countersign sign`: every unsigned token of the files, in place.

mod words;

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use countersign::certificate_file;
use countersign::device::{Chosen, DeviceRecord, KeyRecord, Policy};
use countersign::error::Error;
use countersign::save::{self, Output};
use countersign::signing::{
    Approver, AuditTrail, Deadline, Destination, EarlyEnd, Input, Observer, Plan, Progress, Purpose, Run,
    Signed, SigningRequest, read_all, refuse_old,
};
use countersign::tokenfile::TokenFile;

use super::attest;
use super::context::{Context, introduce};
use super::quorum;
use super::usage::UsageError;
use crate::cli::Sign;
use crate::lifecycle::{Ending, LIFECYCLE};
use crate::terminal::Terminal;
use words::Consequences;

pub(crate) fn run(arguments: &Sign, context: &Context, terminal: &Terminal) -> Result<(), Error> {
    let request = request_of(arguments);
    Destination::refuse_collisions(&request)?;
    let progress = Arc::new(Progress::default());
    let trail = AuditTrail::open(&request, &progress)?;
    let consequences = Arc::new(OnceLock::<Consequences>::new());
    expect_an_early_end(&trail, &progress, &consequences);
    // From here on the audit log tells of every end.
    let failed = |error| trail.failed(error);
    let destinations = destinations(&request, terminal).map_err(failed)?;
    let consequences = consequences.get_or_init(|| Consequences::of(&request, &destinations));
    let public_key_output = public_key_output(arguments).map_err(failed)?;
    let in_place = matches!(destinations[..], [Destination::InPlace, ..]) && !request.dry_run;
    let purpose = match () {
        () if request.detached => Purpose::Opaque,
        () if in_place => Purpose::Replace,
        () => Purpose::Look,
    };
    let deadline = Deadline::new(arguments.wait.map(Duration::from_secs), context.watch().patience());
    let read = || {
        let inputs = read_all(&request.files, purpose)?;
        if arguments.wait.is_some() {
            for (input, age) in refuse_old(&inputs, request.force)? {
                terminal.warn(&words::stale(input, age));
            }
        }
        Ok(inputs)
    };
    let inputs = deadline.until_done(words::waits(terminal), read).map_err(failed)?;
    progress.read(&inputs);
    let session = Session { arguments, request: &request, context, terminal, deadline, progress: &progress };
    session
        .sign(&inputs, &destinations, public_key_output.as_ref(), &trail)
        .map_err(failed)
        .map_err(|error| consequences.lines(&progress).into_iter().fold(error, Error::with_consequence))
}

fn request_of(arguments: &Sign) -> SigningRequest {
    SigningRequest {
        files: arguments.files.clone(),
        output: arguments.output.clone(),
        public_key_output: arguments.write_public_key.clone(),
        audit_log: arguments.audit_log.clone(),
        detached: arguments.detached,
        force: arguments.force,
        dry_run: arguments.dry_run,
        fills_public_key: !arguments.no_public_key,
        mechanism: arguments.mechanism.choice,
        policy: Policy {
            allow_exportable: arguments.allow_exportable,
            allow_key_size: arguments.allow_key_size,
            any_key: false,
        },
        username: arguments.username.clone(),
        role: arguments.role.clone(),
    }
}

/// A signal, or a device that does not answer, ends the run on another thread, which then says so.
fn expect_an_early_end(
    trail: &AuditTrail,
    progress: &Arc<Progress>,
    consequences: &Arc<OnceLock<Consequences>>,
) {
    let (trail, progress, consequences) = (trail.clone(), Arc::clone(progress), Arc::clone(consequences));
    LIFECYCLE.before_an_early_end(move |ending| {
        trail.ended_early(match ending {
            Ending::Interrupted | Ending::Stopped => EarlyEnd::Interrupted,
            Ending::GaveUp(error) => EarlyEnd::Failed(error),
        });
        consequences.get().map(|consequences| consequences.lines(&progress)).unwrap_or_default()
    });
}

fn destinations(request: &SigningRequest, terminal: &Terminal) -> Result<Vec<Destination>, Error> {
    let destinations = Destination::of_all(request)?;
    let to_stdout = destinations.iter().any(|destination| matches!(destination, Destination::Stdout));
    if terminal.wants_json() && to_stdout && !request.dry_run {
        return Err(UsageError::JsonAndStdout.into());
    }
    Ok(destinations)
}

fn public_key_output(arguments: &Sign) -> Result<Option<Output>, Error> {
    if let Some(file) = arguments.files.iter().find(|file| arguments.wait.is_some() && is_number(file)) {
        return Err(UsageError::WaitWithBlank(file.clone()).into());
    }
    match arguments.write_public_key.as_deref() {
        Some(path) if save::is_dash(path) => Err(UsageError::PublicKeyToStdout.into()),
        path => Ok(path.map(Output::at).transpose()?),
    }
}

/// `--wait 60 FILE` is taken as a file named 60.
fn is_number(file: &Path) -> bool {
    !file.exists() && file.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit())
}

/// What stays the same for all files of a run.
struct Session<'a> {
    arguments: &'a Sign,
    request: &'a SigningRequest,
    context: &'a Context,
    terminal: &'a Terminal,
    deadline: Deadline,
    progress: &'a Progress,
}

impl Session<'_> {
    fn sign(
        &self,
        inputs: &[Input],
        destinations: &[Destination],
        public_key_output: Option<&Output>,
        trail: &AuditTrail,
    ) -> Result<(), Error> {
        let Session { arguments, request, context, terminal, progress, .. } = self;
        let policy = request.policy;
        let roots = match &arguments.require_attested {
            Some(path) => Some(certificate_file::read(path)?),
            None => None,
        };
        let approver = Approver::of(request, inputs)?;
        let outcome = (trail, *progress);
        let run = Run::plan(request, inputs, destinations, approver.as_ref(), public_key_output, outcome)?;
        for plan in run.plans() {
            words::introduce(plan, terminal);
            plan.check_replaceable()?;
        }
        if run.hashes_twice() {
            terminal.warn(
                "CKM_SHA256_RSA_PKCS hashes the token, which is a SHA-256 digest already, as CloudHSM's published \
                 samples show: these signatures are hashed twice, and CloudHSM will refuse them",
            );
        }
        let choose = || context.choose(&arguments.key, policy, terminal);
        let chosen = self.deadline.until_done(words::waits(terminal), choose)?;
        progress.chose(DeviceRecord::of(&chosen.device));

        if request.dry_run {
            chosen.check_shown(policy)?;
        }
        if !self.is_done_without_pin(&run, &chosen)? {
            let mut key = context.log_in(chosen, terminal)?.signing_key(policy)?;
            introduce(&key, policy, terminal);
            progress.found(KeyRecord::of(&key));
            if let Some(roots) = &roots {
                let proof = attest::verify(&key, roots)?;
                terminal.say(&format!("attested by {}", proof.root));
            }
            run.sign(&mut key, self)?;
        }
        if let Some(output) = public_key_output.filter(|_| !request.dry_run) {
            words::public_key_written(output.path(), run.plans(), terminal);
        }
        if let Some(mechanism) = progress.mechanism() {
            terminal.detail(&format!("mechanism {mechanism}"));
        }
        terminal.document(&run.record())
    }

    /// A dry run, or files in which all is signed already and whose signatures can be checked under a public key that
    /// the device shows to anybody.
    fn is_done_without_pin(&self, run: &Run<'_>, chosen: &Chosen) -> Result<bool, Error> {
        let shown = chosen.public_key();
        if let Some(key) = shown {
            run.check_kept(key)?;
        }
        if self.request.dry_run {
            match shown {
                Some(key) => self.terminal.say(&format!("the key is {}", key.describe())),
                None => self.terminal.say("which key it is shows after login"),
            }
            self.terminal.say("Nothing was signed or changed (--dry-run).");
            return Ok(true);
        }
        let Some(key) = shown.filter(|_| run.is_signed_already()) else { return Ok(false) };
        run.pass_on(key, self)?;
        Ok(true)
    }
}

impl Observer for Session<'_> {
    fn signing(&self, number: usize, count: usize, work: &mut dyn FnMut() -> Signed) -> Signed {
        self.context.watch().signing(|| format!("token {number} of {count}"), work)
    }

    fn to_stdout(&self, bytes: &[u8]) -> Result<(), Error> {
        self.terminal.data(bytes)
    }

    fn file_done(&self, plan: &Plan<'_>, result: &[u8]) {
        let waited = self.arguments.wait.is_some();
        self.terminal.say(&words::outcome(plan, self.request.mechanism, waited, result.len()));
        // What this run added may be what is to be warned of.
        if let Ok(file) = TokenFile::parse(result) {
            quorum::warnings(&file).iter().for_each(|warning| self.terminal.warn(warning));
        }
    }
}
