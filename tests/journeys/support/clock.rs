//! The clocks of the programs that a test runs. `COUNTERSIGN_TEST_CLOCK=+1500d` moves them all together: the
//! program's, those of openssl and anything else that makes certificates, and that of the AWS that judges
//! them. The test program's own clock stays.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use jiff::{SignedDuration, Timestamp};

use crate::support::run::Run;

/// How far all clocks are moved, in faketime's notation.
const VARIABLE: &str = "COUNTERSIGN_TEST_CLOCK";

/// The time according to the programs' clocks.
pub fn now() -> Timestamp {
    Timestamp::now() + moved()
}

/// Gives a command that is about to start the same clock as all others.
pub fn set(command: &mut Command) -> &mut Command {
    match moved() {
        SignedDuration::ZERO => command,
        moved => command.envs(variables(moved)),
    }
}

/// A run with the system's own clock. A process that changes to another user needs it: faketime's shared
/// memory still belongs to the first user, and it would wait for it forever.
pub fn of_system(run: Run) -> Run {
    run.without_env("LD_PRELOAD")
}

/// A run whose clock is off from all others by this much, in faketime's notation: `-15m`.
pub fn off_by(run: Run, offset: &str) -> Run {
    with(run, variables(moved() + duration(offset)))
}

/// A run that takes place at a time in UTC, in faketime's notation: `2020-01-01 00:00:00`.
pub fn at(run: Run, time: &str) -> Run {
    with(run, variables(SignedDuration::ZERO)).env("FAKETIME", format!("@{time}")).env("TZ", "UTC")
}

/// A clock that can be set while a program runs.
pub struct Settable(PathBuf);

impl Settable {
    /// With this offset at first.
    pub fn in_file(path: PathBuf, offset: &str) -> Self {
        let clock = Settable(path);
        clock.set(offset);
        clock
    }

    /// Sets it to this offset from all others.
    pub fn set(&self, offset: &str) {
        let new = self.0.with_extension("new");
        let seconds = (moved() + duration(offset)).as_secs();
        std::fs::write(&new, format!("{seconds:+}\n")).expect("a file is written");
        std::fs::rename(new, &self.0).expect("a file is moved");
    }

    /// A run with this clock.
    pub fn of(&self, run: Run) -> Run {
        let run = with(run, variables(SignedDuration::ZERO)).without_env("FAKETIME");
        run.env("FAKETIME_TIMESTAMP_FILE", &self.0).env("FAKETIME_NO_CACHE", "1")
    }
}

/// Dates a file as if written now, by the programs' clocks.
pub fn is_written_now(path: &Path) {
    if moved() != SignedDuration::ZERO {
        // Some are not plain files, or not writable.
        let _ = File::options().append(true).open(path).and_then(|file| file.set_modified(now().into()));
    }
}

fn with(run: Run, variables: [(&'static str, String); 4]) -> Run {
    variables.into_iter().fold(run, |run, (name, value)| run.env(name, value))
}

/// faketime itself would stay between a test and its program, so these are the variables that it would set.
fn variables(offset: SignedDuration) -> [(&'static str, String); 4] {
    [
        ("LD_PRELOAD", library().display().to_string()),
        ("FAKETIME", format!("{:+}", offset.as_secs())),
        // Waiting must take its usual time, and files must keep their age.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ("NO_FAKE_STAT", "1".into()),
    ]
}

fn moved() -> SignedDuration {
    static MOVED: OnceLock<SignedDuration> = OnceLock::new();
    *MOVED.get_or_init(|| std::env::var(VARIABLE).map_or(SignedDuration::ZERO, |offset| duration(&offset)))
}

fn duration(offset: &str) -> SignedDuration {
    let unit = offset.chars().next_back().expect("an offset");
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => panic!("{offset:?} ends in none of s, m, h, d"),
    };
    let count: i64 = offset.trim_end_matches(unit).parse().expect("an offset begins with a number");
    SignedDuration::from_secs(count * seconds)
}

/// For programs with several threads.
fn library() -> PathBuf {
    let triple = format!("{}-linux-gnu", std::env::consts::ARCH);
    let library = PathBuf::from(format!("/usr/lib/{triple}/faketime/libfaketimeMT.so.1"));
    assert!(library.exists(), "faketime is installed (apt install faketime)");
    library
}
