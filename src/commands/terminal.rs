//! Everything that is printed: words to stderr, data to stdout. No `pin-value` passes through here unhidden.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use countersign::error::{Error, Exit};
use countersign::uri::redact;
use serde_json::{Value, json};

use crate::cli::{Color, Global};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HELP: Style = AnsiColor::Green.on_default().bold();

/// A device that has not answered by then is waiting for a touch.
const TOUCH_AFTER: Duration = Duration::from_millis(500);

/// How talkative to be.
pub(crate) struct Terminal {
    quiet: bool,
    verbose: bool,
    json: bool,
}

impl Terminal {
    pub(crate) fn new(global: &Global) -> Self {
        match global.color {
            Color::Auto => {}
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
        Terminal { quiet: global.quiet, verbose: global.verbose, json: global.json }
    }

    /// Whether `--json` was given.
    pub(crate) fn wants_json(&self) -> bool {
        self.json
    }

    /// A line for whoever watches.
    pub(crate) fn say(&self, line: &str) {
        if !self.quiet && !self.json {
            to_stderr(line);
        }
    }

    /// A line for whoever wants to know more.
    pub(crate) fn detail(&self, line: &str) {
        if self.verbose {
            to_stderr(line);
        }
    }

    /// Something that should not stay unread.
    pub(crate) fn warn(&self, line: &str) {
        to_stderr(&format!("{WARNING}warning:{WARNING:#} {line}"));
    }

    /// A line of a report on stdout; nothing with `--json`, where [`Terminal::document`] says it all.
    pub(crate) fn report(&self, line: &str) -> Result<(), Error> {
        if self.json { Ok(()) } else { self.data(format!("{}\n", redact(line)).as_bytes()) }
    }

    /// The JSON document, with `--json`.
    pub(crate) fn document(&self, document: &Value) -> Result<(), Error> {
        if self.json { self.data(format!("{document:#}\n").as_bytes()) } else { Ok(()) }
    }

    /// Bytes to stdout.
    pub(crate) fn data(&self, bytes: &[u8]) -> Result<(), Error> {
        let mut stdout = anstream::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            // Whoever read has read enough, as `head` does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result.map_err(|source| Error::from(StdoutError { source })),
        }
    }

    /// What is wrong, the detail, what to do, and what it means for the files.
    pub(crate) fn error(&self, error: &Error) {
        let detail = error.detail();
        let hint = error.hint();
        to_stderr(&format!("{ERROR}error:{ERROR:#} {error}"));
        for line in &detail {
            to_stderr(&format!("  {line}"));
        }
        if let Some(hint) = &hint {
            to_stderr(&format!("{HELP}help:{HELP:#} {hint}"));
        }
        for line in error.consequences() {
            to_stderr(line);
        }
        let redacted = |lines: &[String]| lines.iter().map(|line| redact(line)).collect::<Vec<_>>();
        let document = json!({ "error": {
            "message": redact(&error.to_string()),
            "detail": redacted(&detail),
            "help": hint.as_deref().map(redact),
            "consequences": redacted(error.consequences()),
            "exit": error.exit() as u8,
        }});
        // There is nowhere left to report that stdout is gone.
        let _ = self.document(&document);
    }

    /// What clap has to say: an error, or a help page that was asked for.
    pub(crate) fn command_line_error(error: &clap::Error) -> ExitCode {
        let text = error.render().ansi().to_string();
        if error.use_stderr() {
            to_stderr(text.trim_end());
            ExitCode::from(Exit::Usage as u8)
        } else {
            let _ = anstream::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
    }

    /// Runs a call to the device. When it takes so long that the device must be waiting for a touch, says so to a
    /// person, and takes the words back afterwards.
    pub(crate) fn while_touching<T>(&self, what: &str, call: impl FnOnce() -> T) -> T {
        if self.quiet || !io::stderr().is_terminal() {
            return call();
        }
        let (done, waiting) = mpsc::channel::<()>();
        thread::scope(|scope| {
            scope.spawn(move || {
                if waiting.recv_timeout(TOUCH_AFTER) == Err(RecvTimeoutError::Timeout) {
                    let mut stderr = anstream::stderr();
                    let _ = write!(stderr, "The device is waiting: touch it if it blinks ({what})…")
                        .and_then(|()| stderr.flush());
                    // The channel closes when the call returns.
                    let _ = waiting.recv();
                    let _ = write!(stderr, "\r\x1b[K").and_then(|()| stderr.flush());
                }
            });
            let result = call();
            drop(done);
            result
        })
    }
}

/// Said when a signal ends the program.
pub(crate) fn interrupted() {
    to_stderr("\ninterrupted");
}

fn to_stderr(line: &str) {
    // When stderr is gone there is nobody to tell.
    let _ = writeln!(anstream::stderr(), "{}", redact(line));
}

#[derive(Debug, thiserror::Error)]
#[error("stdout cannot be written: {source}")]
struct StdoutError {
    source: io::Error,
}

impl countersign::error::Explain for StdoutError {
    fn exit(&self) -> Exit {
        Exit::Other
    }
}
