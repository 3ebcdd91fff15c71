//! The messages of a run.

use std::path::Path;
use std::time::Duration;

use countersign::duration::in_words;
use countersign::printable::one_line;
use countersign::save;
use countersign::signature::MechanismChoice;
use countersign::signing::{Destination, InTheWay, Input, Plan, Progress, SigningRequest};
use countersign::tokenfile::{Format, ROLES, TokenFile};

use crate::commands::quorum;
use crate::terminal::Terminal;

/// Describes the file and, for a quorum token, what it says about itself, before anyone types a PIN.
pub(super) fn introduce(plan: &Plan<'_>, terminal: &Terminal) {
    let input = plan.input();
    let signed = match plan.kept().len() {
        0 => String::new(),
        count => format!(", {count} signed already"),
    };
    let format = input.tokens.as_ref().map_or_else(
        || format!("a file of {} bytes, signed whole", input.bytes().len()),
        |file| file.format().to_string(),
    );
    let count = plan.signatures_to_make();
    terminal.say(&format!("{}: {format}, {count} to sign{signed}", input.name()));
    if let Some(file) = &input.tokens {
        for line in quorum::describe(file) {
            terminal.say(&format!("  {line}"));
        }
        for warning in quorum::warnings(file) {
            terminal.warn(&warning);
        }
    }
    if let Some((approver, role)) = plan.approver().filter(|_| count > 0) {
        let role = role.map(|role| format!(" in the role {}", one_line(role))).unwrap_or_default();
        terminal.say(&format!("approving as {}{role}", one_line(&approver.username)));
        if let Some(role) = approver.unknown_role() {
            terminal.warn(&format!(
                "the role {:?} is none of CloudHSM's, which are {}",
                one_line(role),
                ROLES.join(" and ")
            ));
        }
    }
    if plan.leaves_other_name() {
        terminal.warn(&format!(
            "{} has a second name (a hard link), which will keep the unsigned file",
            input.name()
        ));
    }
}

/// Says what is waited for.
pub(super) fn waits(terminal: &Terminal) -> impl Fn(Duration, &InTheWay) {
    |limit, in_the_way| terminal.say(&format!("waiting, at most {}: {in_the_way}", in_words(limit)))
}

/// A file that may not be the one expected.
pub(super) fn stale(input: &Input, age: Duration) -> String {
    format!(
        "{} was written {} ago: make sure that it is the one that CloudHSM CLI waits for",
        input.name(),
        in_words(age)
    )
}

/// What a person is told at the end, when this many bytes were written.
pub(super) fn outcome(plan: &Plan<'_>, choice: MechanismChoice, waited: bool, bytes: usize) -> String {
    let name = plan.input().name();
    let place = match plan.destination() {
        Destination::InPlace => name.clone(),
        Destination::Stdout => "stdout".into(),
        Destination::File(output) => output.path().display().to_string(),
    };
    if !plan.has_work() {
        let mut kept = plan.kept();
        let what = match (kept.len(), kept.next()) {
            (1, Some(what)) => format!("{what} is there"),
            (count, _) => format!("all {count} tokens are signed"),
        };
        let next = match plan.destination() {
            Destination::File(_) if !plan.is_detached() => format!("{place} is a copy."),
            Destination::Stdout => "The file is on stdout as it was.".into(),
            _ => "Nothing was changed.".into(),
        };
        return format!("{name}: {what} already, and verified under this key. {next}");
    }
    let what = match plan.signatures_to_make() {
        0 => "PublicKey is filled.".to_owned(),
        count => format!("{count} signed and verified with the device's public key."),
    };
    let format = plan.input().tokens.as_ref().map(TokenFile::format);
    let next = match (plan.destination(), format) {
        _ if plan.hashes_twice(choice) => "They are hashed twice, and not for CloudHSM.".into(),
        (_, None) => format!("The signature is in {place}, {bytes} bytes."),
        (Destination::Stdout, _) => "The file is on stdout.".into(),
        (_, Some(Format::QuorumApproval)) => match plan.approvals_afterwards() {
            1 => format!("{place} now has 1 approval."),
            count => format!("{place} now has {count} approvals."),
        },
        (Destination::InPlace, Some(Format::Authdata)) => {
            format!("{place} is ready: continue in the CloudHSM management utility.")
        }
        (Destination::InPlace, _) if waited => {
            format!("{place} is ready: press Enter in CloudHSM CLI now.")
        }
        (Destination::InPlace, _) => format!("{place} is ready: press Enter in CloudHSM CLI."),
        (Destination::File(_), _) => format!("{place} is ready for CloudHSM CLI."),
    };
    format!("{what} {next}")
}

/// Says where the public key is, and answers the questions that CloudHSM CLI asks when a key is registered or
/// replaced.
pub(super) fn public_key_written(path: &Path, plans: &[Plan<'_>], terminal: &Terminal) {
    let key_path = path.display();
    terminal.say(&format!("The public key is in {key_path}."));
    let signed = match plans {
        [plan] if plan.is_for_cloudhsm_cli() => match plan.destination() {
            Destination::InPlace => "(press Enter)".to_owned(),
            Destination::File(output) => output.path().display().to_string(),
            Destination::Stdout => return,
        },
        _ => return,
    };
    terminal.say("Answer CloudHSM CLI:");
    terminal.say(&format!("  Enter signed token file path: {signed}"));
    terminal.say(&format!("  Enter public key PEM file path: {key_path}"));
}

/// What a premature end means for the files of a run.
#[derive(Clone, Default)]
pub(super) struct Consequences {
    /// For each file, what to say if it is not done and if it is.
    files: Vec<(Option<String>, Option<String>)>,
}

impl Consequences {
    pub(super) fn of(request: &SigningRequest, destinations: &[Destination]) -> Self {
        let of_file = |(file, destination): (&std::path::PathBuf, &Destination)| {
            let name = one_line(&file.display().to_string());
            match destination {
                Destination::InPlace if save::is_dash(file) => (None, None),
                Destination::InPlace if request.dry_run => (Some(format!("{name} was not changed.")), None),
                Destination::InPlace => {
                    (Some(format!("{name} was not changed.")), Some(format!("{name} is signed.")))
                }
                Destination::File(output) => {
                    (None, Some(format!("{} was written.", output.path().display())))
                }
                Destination::Stdout => (None, None),
            }
        };
        Consequences { files: request.files.iter().zip(destinations).map(of_file).collect() }
    }

    pub(super) fn lines(&self, progress: &Progress) -> Vec<String> {
        let mut lines = Vec::new();
        if progress.signatures() > 0 {
            lines.push(format!(
                "{} of {} signatures had been made; none of them was written.",
                progress.signatures(),
                progress.to_sign()
            ));
        }
        let said = self.files.iter().enumerate().filter_map(|(index, (unchanged, done))| {
            if index < progress.files_done() { done.clone() } else { unchanged.clone() }
        });
        lines.extend(said);
        lines
    }
}
