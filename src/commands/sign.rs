//! `countersign sign`: signs every unsigned token of the files, in place.

mod session;
mod words;

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use countersign::device::Policy;
use countersign::error::Error;
use countersign::save::{self, Output};
use countersign::signing::{
    AuditTrail, Deadline, Destination, EarlyEnd, Progress, Purpose, SigningRequest, read_all, refuse_old,
};

use super::context::Context;
use super::usage::UsageError;
use crate::cli::Sign;
use crate::lifecycle::{Ending, LIFECYCLE};
use crate::terminal::Terminal;
use session::Session;
use words::Consequences;

pub(crate) fn run(arguments: &Sign, context: &Context, terminal: &Terminal) -> Result<(), Error> {
    let request = request_of(arguments);
    Destination::refuse_collisions(&request)?;
    let progress = Arc::new(Progress::default());
    let trail = AuditTrail::open(&request, &progress)?;
    let consequences = Arc::new(OnceLock::<Consequences>::new());
    expect_an_early_end(&trail, &progress, &consequences);
    // From here on the audit log records every end.
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
    for (file, uid) in request.files.iter().filter_map(|file| Some((file, save::other_owner(file)?))) {
        terminal.warn(&format!("{file:?} belongs to another user ({uid}), who chooses what root signs"));
    }
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

/// A signal, or a device that does not answer, ends the run on another thread, which then reports it.
fn expect_an_early_end(
    trail: &AuditTrail,
    progress: &Arc<Progress>,
    consequences: &Arc<OnceLock<Consequences>>,
) {
    let (trail, progress, consequences) = (trail.clone(), Arc::clone(progress), Arc::clone(consequences));
    LIFECYCLE.before_an_early_end(move |ending| {
        trail.ended_early(match ending {
            Ending::Interrupted | Ending::Stopped => EarlyEnd::Interrupted,
            Ending::Failed(error) => EarlyEnd::Failed(error),
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

/// `--wait 60 FILE` parses 60 as a file name.
fn is_number(file: &Path) -> bool {
    !file.exists() && file.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit())
}
