//! Everything that is printed: words to stderr, data to stdout. No `pin-value` passes through here unhidden.

pub(crate) mod device_watch;
mod held;
mod quoting;
mod stderr;
mod stdout;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::{AnsiColor, Style};
use clap::error::{ContextKind, ErrorKind};
use countersign::error::{Error, Exit};
use countersign::platform;
use countersign::printable::{escaped_json, printable};
use countersign::save::NotKept;
use countersign::uri::redact;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::{Color, Global, NotRun, compatible};
use crate::lifecycle::{Ending, LIFECYCLE};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HELP: Style = AnsiColor::Green.on_default().bold();

/// How talkative to be.
pub(crate) struct Terminal {
    quiet: bool,
    verbose: bool,
    debug: bool,
    json: bool,
    has_document: Cell<bool>,
    /// Shared with the thread that reports a premature end.
    stdout_is_used: Arc<AtomicBool>,
    warned: RefCell<BTreeSet<String>>,
    is_hushed: Cell<bool>,
}

/// Where the user is told that a device waits.
pub(crate) enum Notices {
    Stderr,
    Terminal(platform::Terminal),
}

impl Terminal {
    pub(crate) fn new(global: &Global, debug: bool) -> Self {
        match global.color {
            Color::Auto => {}
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
        let is_verbose = global.verbose || debug;
        if !is_verbose {
            stderr::take_from_modules();
        }
        stdout::take_from_modules(is_verbose);
        let stdout_is_used = Arc::new(AtomicBool::new(false));
        let (json, is_used) = (global.json, Arc::clone(&stdout_is_used));
        LIFECYCLE.at_an_early_end(move |ending, consequences| {
            // Not if the other thread is writing, or has written: it may be waiting for a reader forever, and
            // one document is enough.
            let with_document = json && !is_used.load(Ordering::Relaxed);
            match ending {
                Ending::Stopped => {}
                Ending::Interrupted => interrupted(consequences, with_document),
                Ending::Failed(error) => {
                    let error = consequences.iter().cloned().fold(error, Error::with_consequence);
                    show(&error, with_document);
                }
            }
            stderr::finish();
        });
        Terminal {
            quiet: global.quiet,
            verbose: is_verbose,
            debug,
            json: global.json,
            has_document: Cell::new(false),
            stdout_is_used,
            warned: RefCell::default(),
            is_hushed: Cell::new(false),
        }
    }

    /// Whether `--json` was given.
    pub(crate) fn wants_json(&self) -> bool {
        self.json
    }

    /// A line for the user.
    pub(crate) fn say(&self, line: &str) {
        LIFECYCLE.wait_if_ending();
        if !self.quiet && !self.json && !self.is_hushed.get() {
            to_stderr("", line);
        }
    }

    /// Whether `-v` was given.
    pub(crate) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// A line for `--verbose`.
    pub(crate) fn detail(&self, line: &str) {
        if self.verbose {
            to_stderr("", line);
        }
    }

    /// A line of a service's log.
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "only AWS commands run as services"))]
    pub(crate) fn log(&self, line: &str) {
        to_stderr("", line);
    }

    /// A line for `--debug`.
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "only AWS commands know --debug"))]
    pub(crate) fn debug(&self, line: &str) {
        if self.debug {
            to_stderr("", line);
        }
    }

    /// Something that should not stay unread.
    pub(crate) fn warn(&self, line: &str) {
        // A waiting command retries often, and reports once.
        if self.is_hushed.get() || !self.warned.borrow_mut().insert(line.to_owned()) {
            return;
        }
        to_stderr(&format!("{WARNING}warning:{WARNING:#} "), line);
    }

    /// That a file which was replaced lost something.
    pub(crate) fn warn_of(&self, not_kept: &NotKept) {
        if !not_kept.is_nothing() {
            self.warn(&not_kept.to_string());
        }
    }

    /// A line of a report on stdout; nothing with `--json`, where [`Terminal::document`] says it all.
    pub(crate) fn report(&self, line: &str) -> Result<(), Error> {
        if self.json {
            return Ok(());
        }
        self.stdout_is_used.store(true, Ordering::Relaxed);
        match stdout::write(format!("{}\n", printable(line)).as_bytes()) {
            // The reader has read enough, as `head` does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result.map_err(|source| StdoutError { source }.into()),
        }
    }

    /// The JSON document, with `--json`.
    pub(crate) fn document(&self, document: &impl Serialize) -> Result<(), Error> {
        self.has_document.set(true);
        if !self.json {
            return Ok(());
        }
        let document = serde_json::to_value(document).map_err(|source| NoDocument { source })?;
        self.data(json_text(&redacted(&document)).as_bytes())
    }

    /// Bytes to stdout, as they are. A reader that is gone is an error: what was signed did not arrive.
    pub(crate) fn data(&self, bytes: &[u8]) -> Result<(), Error> {
        LIFECYCLE.wait_if_ending();
        self.stdout_is_used.store(true, Ordering::Relaxed);
        stdout::write(bytes).map_err(|source| StdoutError { source }.into())
    }

    /// What is wrong, the detail, what to do, and what it means for the files.
    pub(crate) fn error(&self, error: &Error) {
        // A command that has printed its document has said everything but this.
        show(error, self.json && !self.has_document.get());
    }

    /// Waits until a terminal has taken all words; nothing is done after that.
    pub(crate) fn finish(&self) {
        stderr::finish();
    }

    /// What clap has to say: an error, or a help page that was asked for.
    pub(crate) fn command_line_error(NotRun { error, text }: &NotRun) -> ExitCode {
        let shown = text.ansi().to_string();
        if !error.use_stderr() {
            let printed = anstream::stdout().write_all(redact(&shown).as_bytes());
            return if printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(Exit::Other as u8) };
        }
        let _ = writeln!(stderr::stream(), "{}", without_secrets(shown.trim_end()));
        stderr::finish();
        let unknown = error.get(ContextKind::InvalidArg).map(ToString::to_string);
        let instead = match error.kind() {
            ErrorKind::UnknownArgument => {
                unknown.as_deref().and_then(compatible::instead_of).map(str::to_owned)
            }
            _ => None,
        };
        if let Some(advice) = instead.or_else(Self::quoting_advice) {
            to_stderr(&format!("{HELP}help:{HELP:#} "), &advice);
        }
        // The arguments are not parsed, so the raw ones are examined.
        if std::env::args_os().any(|argument| argument == "--json") {
            let text = without_secrets(error.render().to_string().trim_end());
            let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
            let rest: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
            let document = error_document(Exit::Usage, message, &rest, None, &[]);
            let _ = stdout::write(json_text(&document).as_bytes());
        }
        ExitCode::from(Exit::Usage as u8)
    }

    /// What is wrong with the quotes of the command line, if they look so.
    pub(crate) fn quoting_advice() -> Option<String> {
        let arguments: Vec<String> =
            std::env::args_os().skip(1).filter_map(|given| given.into_string().ok()).collect();
        quoting::advice(&arguments)
    }

    /// Where the user is told that a device waits: on stderr, or at the terminal itself if a program that
    /// started this one captures stderr, as most of AWS's SDKs do.
    pub(crate) fn notices(&self) -> Option<Notices> {
        match (self.quiet, stderr::is_terminal()) {
            (true, _) => None,
            (false, true) => Some(Notices::Stderr),
            (false, false) => platform::Terminal::open().ok().map(Notices::Terminal),
        }
    }

    /// From now on only errors are printed if stdout and stderr are one pipe: the program that reads it would
    /// find words where it expects data. With `-v`, all words are printed.
    #[cfg_attr(
        not(feature = "aws"),
        expect(dead_code, reason = "only AWS commands print data for programs alone")
    )]
    pub(crate) fn keep_words_from_data(&self) {
        self.is_hushed.set(!self.verbose && stderr::shares_pipe_with_stdout());
    }
}

/// A line of a service's log, from any thread.
#[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "only AWS commands run as services"))]
pub(crate) fn log(line: &str) {
    to_stderr("", line);
}

fn interrupted(consequences: &[String], with_document: bool) {
    to_stderr("\n", "interrupted");
    for line in consequences {
        to_stderr("", line);
    }
    if with_document {
        let document = error_document(Exit::Interrupted, "interrupted", &[], None, consequences);
        let _ = stdout::write(json_text(&document).as_bytes());
    }
}

fn show(error: &Error, with_document: bool) {
    let detail = error.detail();
    let hint = error.hint();
    to_stderr(&format!("{ERROR}error:{ERROR:#} "), &error.to_string());
    for line in &detail {
        to_stderr("  ", line);
    }
    if let Some(hint) = &hint {
        to_stderr(&format!("{HELP}help:{HELP:#} "), hint);
    }
    for line in error.consequences() {
        to_stderr("", line);
    }
    if with_document {
        let document =
            error_document(error.exit(), &error.to_string(), &detail, hint.as_deref(), error.consequences());
        // There is nowhere left to report that stdout is gone.
        let _ = stdout::write(json_text(&redacted(&document)).as_bytes());
    }
}

fn to_stderr(styled: &str, line: &str) {
    // If stderr is gone, nobody can be told.
    let _ = writeln!(stderr::stream(), "{styled}{}", printable(line));
}

fn json_text(document: &Value) -> String {
    escaped_json(&format!("{document:#}\n"))
}

/// clap's message, which repeats arguments as they were typed: nothing of a line from a `pin-value` on.
fn without_secrets(text: &str) -> String {
    let hide = |line: &str| match line.to_ascii_lowercase().find("pin-value") {
        Some(start) => format!("{}pin-value=…", &line[..start]),
        None => redact(line),
    };
    text.lines().map(hide).collect::<Vec<_>>().join("\n")
}

fn redacted(document: &Value) -> Value {
    match document {
        Value::String(text) => redact(text).into(),
        Value::Array(values) => values.iter().map(redacted).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), redacted(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

fn error_document(
    exit: Exit,
    message: &str,
    detail: &[String],
    help: Option<&str>,
    consequences: &[String],
) -> Value {
    json!({ "error": {
        "message": message,
        "detail": detail,
        "help": help,
        "consequences": consequences,
        "exit": exit as u8,
    }})
}

/// Facts of a kind that JSON does not know.
#[derive(Debug, thiserror::Error)]
#[error("the JSON document cannot be written: {source}")]
struct NoDocument {
    source: serde_json::Error,
}

impl countersign::error::Explain for NoDocument {
    fn exit(&self) -> Exit {
        Exit::Other
    }
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
