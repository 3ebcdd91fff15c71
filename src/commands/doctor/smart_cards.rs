//! What keeps a module from its smart card: pcscd, and GnuPG's scdaemon, which claims a card for itself.

use countersign::device::{Absence, Cause, SmartCardCause, SmartCards};
use countersign::error::{Error, Exit};

use super::report::Report;

/// Runs before any module is loaded: those for smart cards hang when pcscd does, and what was found by then
/// is printed.
pub(super) fn check_that_pcscd_answers(cards: &SmartCards, report: &mut Report<'_>) -> Result<(), Error> {
    match cards.pcscd_cause() {
        Some(cause @ SmartCardCause::Silent { .. }) => {
            report.fault("pcscd", Exit::Device, cause.to_string(), &Cause::SmartCard(cause).help())
        }
        _ => Ok(()),
    }
}

/// `is_needed`: whether a module looks for cards. `absence`: why there is no device, if there is none.
pub(super) fn check(
    cards: &SmartCards,
    is_needed: bool,
    absence: Option<&Absence>,
    report: &mut Report<'_>,
) -> Result<(), Error> {
    let is_told =
        |topic| absence.is_some_and(|absence| absence.causes().iter().any(|cause| cause.topic() == topic));
    match (cards.readers(), cards.pcscd_cause()) {
        (Some((socket, readers)), _) => {
            let readers = if readers.is_empty() { "no reader".to_owned() } else { readers.join("; ") };
            report.ok("pcscd", format!("runs and lets this user in ({}); {readers}", socket.display()))?;
        }
        // Reported before the modules were loaded, or to be reported as the reason why there is no device.
        (None, Some(SmartCardCause::Silent { .. })) => {}
        (None, _) if is_told("pcscd") => {}
        (None, Some(SmartCardCause::NoPcscd { usb: None, .. })) if !is_needed => {
            report.ok("pcscd", "does not run; no smart card module and no reader needs it")?;
        }
        (None, Some(cause)) => {
            let has_reader = matches!(&cause, SmartCardCause::NoPcscd { usb: Some(_), .. });
            let (found, help) = (cause.to_string(), Cause::SmartCard(cause).help());
            match has_reader {
                true => report.fault("pcscd", Exit::Device, found, &help)?,
                false => report.warning("pcscd", found, Some(&help))?,
            }
        }
        (None, None) => {}
    }
    match cards.scdaemon() {
        _ if is_told("scdaemon") => Ok(()),
        Some(process) => report.warning(
            "scdaemon",
            format!("GnuPG's scdaemon runs (process {process}): it may hold a YubiKey exclusively"),
            Some("gpgconf --kill scdaemon; for good: disable-ccid and pcsc-shared in ~/.gnupg/scdaemon.conf"),
        ),
        None if cards.readers().is_none() && cards.pcscd_cause().is_none() => Ok(()),
        None => report.ok("scdaemon", "does not run"),
    }
}
