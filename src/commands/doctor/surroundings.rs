//! The device's surroundings: the clock, core dumps, and who can read the PIN.

use std::path::Path;

use countersign::error::{Error, Exit};
use countersign::pin::PinSource;
use countersign::platform::advice::NO_DUMPS;
use countersign::platform::process;
use jiff::Timestamp;

use super::report::Report;

/// Any clock that shows a time before this program was written is wrong: 2026-01-01.
const EARLIEST: i64 = 1_767_225_600;

pub(super) fn clock(report: &mut Report<'_>) -> Result<(), Error> {
    let now = Timestamp::now();
    let text = now.strftime("%Y-%m-%dT%H:%M:%SZ");
    if now.as_second() < EARLIEST {
        return report.fault(
            "clock",
            Exit::Other,
            format!("it is {text} here, which is impossible"),
            "set the clock: certificates and AWS's signatures depend on it",
        );
    }
    let is_synchronized = Path::new("/run/systemd/timesync/synchronized").exists();
    let known =
        if is_synchronized { "synchronized" } else { "this program cannot tell whether it is synchronized" };
    report.ok("clock", format!("{text}, {known}"))
}

pub(super) fn core_dumps(report: &mut Report<'_>) -> Result<(), Error> {
    match process::keeps_memory_to_itself() {
        true => report.ok("core dumps", "this process leaves none, and lets no debugger in"),
        false => report.warning(
            "core dumps",
            "the system refused to switch them off for this process: a crash could write the PIN to a disk",
            Some(NO_DUMPS),
        ),
    }
}

/// Says something only if memory could be swapped out.
pub(super) fn swap(report: &mut Report<'_>) -> Result<(), Error> {
    if !process::has_swap() || process::is_memory_locked() {
        return Ok(());
    }
    report.warning(
        "swap",
        "this computer has swap space and limits locked memory: a PIN or a credential could be written to a disk",
        Some("ulimit -l unlimited (systemd: LimitMEMLOCK=infinity), or encrypt the swap space"),
    )
}

/// Where a PIN would come from, and who else can read it. It is not sent anywhere.
pub(super) fn pin_source(source: &PinSource, report: &mut Report<'_>) -> Result<(), Error> {
    let topic = "PIN source";
    if let Some(exposure) = source.exposure() {
        return report.warning(topic, exposure, None);
    }
    match source {
        PinSource::Prompt if countersign::pin::terminal::is_there() => {
            report.ok(topic, "a person at the terminal")
        }
        PinSource::Prompt => report.warning(
            topic,
            "the terminal, and there is none: a login here would fail",
            Some("for a server: --pin-source file:PATH"),
        ),
        // Read as a login would read it, then discarded.
        PinSource::File(path) => match source.read("") {
            Err(error) => report.error(topic, &error.into()),
            Ok(_) => report.ok(topic, format!("the file {path:?}, which no other user can read")),
        },
        PinSource::Environment { value: None, name } => report.fault(
            topic,
            Exit::Pin,
            format!("the environment variable {name} is not set"),
            "set it, or use --pin-source file:PATH",
        ),
        source => report.ok(topic, source.to_string()),
    }
}
