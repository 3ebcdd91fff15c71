//! The report: one line for each check, what to do about each fault, and the exit code.

use countersign::error::{Error, Exit, Explain};
use serde_json::{Value, json};

use crate::terminal::Terminal;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    Warning,
    Fault(Exit),
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Fault(_) => "FAULT",
        }
    }
}

/// The checks so far. Each is printed as soon as it is done, so that a check that hangs shows by what was
/// printed last.
pub(super) struct Report<'a> {
    terminal: &'a Terminal,
    checks: Vec<Value>,
    warnings: usize,
    faults: Vec<Exit>,
}

impl<'a> Report<'a> {
    pub(super) fn new(terminal: &'a Terminal) -> Self {
        Report { terminal, checks: Vec::new(), warnings: 0, faults: Vec::new() }
    }

    pub(super) fn ok(&mut self, topic: &str, found: impl AsRef<str>) -> Result<(), Error> {
        self.add(Status::Ok, topic, found.as_ref(), &[], None)
    }

    pub(super) fn warning(
        &mut self,
        topic: &str,
        found: impl AsRef<str>,
        advice: Option<&str>,
    ) -> Result<(), Error> {
        self.add(Status::Warning, topic, found.as_ref(), &[], advice)
    }

    pub(super) fn fault(
        &mut self,
        topic: &str,
        exit: Exit,
        found: impl AsRef<str>,
        advice: &str,
    ) -> Result<(), Error> {
        self.add(Status::Fault(exit), topic, found.as_ref(), &[], Some(advice))
    }

    /// A fault that an error describes.
    pub(super) fn error(&mut self, topic: &str, error: &Error) -> Result<(), Error> {
        let hint = error
            .hint()
            .unwrap_or_else(|| "repeat the command with -v: it shows the module's own messages".into());
        self.add(Status::Fault(error.exit()), topic, &error.to_string(), &error.detail(), Some(&hint))
    }

    /// The document, and an error with the first fault's exit code if there was one.
    pub(super) fn finish(self) -> Result<(), Error> {
        let (faults, warnings) = (self.faults.len(), self.warnings);
        self.terminal.document(&json!({ "checks": self.checks, "faults": faults, "warnings": warnings }))?;
        match self.faults.first() {
            None => {
                self.terminal.say(&match warnings {
                    0 => "Nothing is wrong.".to_owned(),
                    1 => "No fault was found; 1 warning.".to_owned(),
                    many => format!("No fault was found; {many} warnings."),
                });
                Ok(())
            }
            Some(&exit) => Err(Found { faults, exit }.into()),
        }
    }

    fn add(
        &mut self,
        status: Status,
        topic: &str,
        found: &str,
        detail: &[String],
        advice: Option<&str>,
    ) -> Result<(), Error> {
        match status {
            Status::Ok => {}
            Status::Warning => self.warnings += 1,
            Status::Fault(exit) => self.faults.push(exit),
        }
        self.terminal.report(&format!("{:<8} {topic:<12} {found}", status.name()))?;
        for line in detail {
            self.terminal.report(&format!("{:21} {line}", ""))?;
        }
        if let Some(advice) = advice {
            self.terminal.report(&format!("{:21} help: {advice}", ""))?;
        }
        self.checks.push(json!({
            "check": topic,
            "status": status.name().to_lowercase(),
            "found": found,
            "detail": detail,
            "help": advice,
        }));
        Ok(())
    }
}

/// Something is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{}", if *faults == 1 { "1 fault was found".to_owned() } else { format!("{faults} faults were found") })]
struct Found {
    faults: usize,
    exit: Exit,
}

impl Explain for Found {
    fn exit(&self) -> Exit {
        self.exit
    }

    fn hint(&self) -> Option<String> {
        Some("fix the first one, and run countersign doctor again: the others may follow from it".into())
    }
}
