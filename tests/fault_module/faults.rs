//! What goes wrong: read from the environment once, and asked for at each call.

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use cryptoki_sys::*;

pub enum Fault {
    Code(CK_RV),
    Delay(Duration),
    Corrupt,
    Flags(CK_FLAGS),
    NoFlags(CK_FLAGS),
    Hide(CK_ATTRIBUTE_TYPE),
    Give(CK_ATTRIBUTE_TYPE, Vec<u8>),
    Tell(CK_ATTRIBUTE_TYPE),
    Unknown(CK_ATTRIBUTE_TYPE),
    Clock,
    Appears,
    OwnIds,
    ReadOnly(CK_RV),
    ReadWrite(CK_RV),
    OnlyUser(CK_USER_TYPE),
    Pad,
    HideMechanism(CK_MECHANISM_TYPE),
    Lost,
    Gone(CK_RV),
    NewLogin,
    Zeros,
    Label(Vec<u8>),
    Only(usize),
    NoSlots,
    Store,
    Drop(CK_ATTRIBUTE_TYPE),
    Refuse(CK_RV),
    Print(String),
    Warn(String),
    Exit(i32),
    Quit(i32),
    Abort,
    Crash,
    CannotLock,
    Few(CK_ULONG),
    Again,
    Length(CK_ATTRIBUTE_TYPE, CK_ULONG),
    Once,
    Room(CK_ULONG),
}

struct Rule {
    call: String,
    nth: Option<usize>,
    fault: Fault,
}

/// Set by [`Fault::Gone`]: what everything says from then on.
static GONE: Mutex<Option<CK_RV>> = Mutex::new(None);

/// The code of a device that has been pulled out, if it has.
pub fn gone() -> Option<CK_RV> {
    *GONE.lock().unwrap()
}

/// Pulls the device out.
pub fn pull_out(code: CK_RV) {
    *GONE.lock().unwrap() = Some(code);
}

/// Counts and logs the call, and returns the faults for it. `detail` is logged behind the name.
pub fn faults_of(call: &'static str, detail: &str) -> Vec<&'static Fault> {
    static COUNTS: Mutex<Option<HashMap<&'static str, usize>>> = Mutex::new(None);
    let mut counts = COUNTS.lock().unwrap();
    let count = counts.get_or_insert_default().entry(call).or_default();
    *count += 1;
    let count = *count;
    log(&format!("{call}{detail}"));
    rules()
        .iter()
        .filter(|rule| rule.call == call && rule.nth.is_none_or(|nth| nth == count))
        .map(|rule| &rule.fault)
        .collect()
}

/// The faults of a call that is not counted.
pub fn rules_of(call: &str) -> impl Iterator<Item = &'static Fault> {
    rules().iter().filter(move |rule| rule.call == call).map(|rule| &rule.fault)
}

/// Runs the call, and logs `CONCURRENT` if another one has not returned yet.
pub fn alone(next: impl FnOnce() -> CK_RV) -> CK_RV {
    static BUSY: AtomicBool = AtomicBool::new(false);
    if BUSY.swap(true, Ordering::SeqCst) {
        log("CONCURRENT");
        return CKR_FUNCTION_FAILED;
    }
    let code = next();
    BUSY.store(false, Ordering::SeqCst);
    code
}

pub fn log(line: &str) {
    if let Ok(path) = std::env::var("FAULT_LOG") {
        let mut log = std::fs::File::options().append(true).create(true).open(path).expect("the log opens");
        writeln!(log, "{line}").expect("the log is written");
    }
}

fn rules() -> &'static [Rule] {
    static RULES: OnceLock<Vec<Rule>> = OnceLock::new();
    RULES.get_or_init(|| {
        let text = std::env::var("FAULTS").unwrap_or_default();
        text.split(',').filter(|rule| !rule.is_empty()).filter_map(of_this_copy).map(rule).collect()
    })
}

/// The rule without the name of the copy of this module that it is for, unless that is another one.
fn of_this_copy(rule: &str) -> Option<&str> {
    let Some((name, rule)) = rule.split_once('/') else { return Some(rule) };
    let maps = std::fs::read_to_string("/proc/self/maps").expect("the memory's map");
    let own = of_this_copy as *const () as usize;
    let has_own = |line: &&str| {
        let range = line.split_whitespace().next().and_then(|range| range.split_once('-'));
        range.is_some_and(|(start, end)| (number(start) as usize..number(end) as usize).contains(&own))
    };
    maps.lines().find(has_own).filter(|line| line.ends_with(&format!("/{name}"))).map(|_| rule)
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| number(&hex[at..at + 2]) as u8).collect()
}

fn rule(text: &str) -> Rule {
    let (call, what) = text.split_once('=').expect("CALL=WHAT");
    let (call, nth) = match call.split_once(':') {
        Some((call, nth)) => (call, Some(nth.parse().expect("a number"))),
        None => (call, None),
    };
    let fault = match what.split_once(':') {
        None => match what {
            "corrupt" => Fault::Corrupt,
            "clock" => Fault::Clock,
            "appears" => Fault::Appears,
            "own-ids" => Fault::OwnIds,
            "pad" => Fault::Pad,
            "lost" => Fault::Lost,
            "store" => Fault::Store,
            "zeros" => Fault::Zeros,
            "newlogin" => Fault::NewLogin,
            "abort" => Fault::Abort,
            "crash" => Fault::Crash,
            "cantlock" => Fault::CannotLock,
            "again" => Fault::Again,
            "none" => Fault::NoSlots,
            "once" => Fault::Once,
            code => Fault::Code(number(code)),
        },
        Some(("delay", milliseconds)) => {
            Fault::Delay(Duration::from_millis(milliseconds.parse().expect("a number")))
        }
        Some(("flags", flags)) => Fault::Flags(number(flags)),
        Some(("noflags", flags)) => Fault::NoFlags(number(flags)),
        Some(("hide", attribute)) => Fault::Hide(number(attribute)),
        Some(("tell", attribute)) => Fault::Tell(number(attribute)),
        Some(("give", attribute)) => {
            let (attribute, value) = attribute.split_once(':').expect("ATTRIBUTE:HEX");
            Fault::Give(number(attribute), bytes(value))
        }
        Some(("unknown", attribute)) => Fault::Unknown(number(attribute)),
        Some(("ro", code)) => Fault::ReadOnly(number(code)),
        Some(("rw", code)) => Fault::ReadWrite(number(code)),
        Some(("user", user)) => Fault::OnlyUser(number(user)),
        Some(("mechanism", mechanism)) => Fault::HideMechanism(number(mechanism)),
        Some(("label", label)) => Fault::Label(bytes(label)),
        Some(("only", index)) => Fault::Only(number(index) as usize),
        Some(("drop", attribute)) => Fault::Drop(number(attribute)),
        Some(("refuse", code)) => Fault::Refuse(number(code)),
        Some(("gone", code)) => Fault::Gone(number(code)),
        Some(("print", text)) => Fault::Print(text.to_owned()),
        Some(("warn", text)) => Fault::Warn(text.to_owned()),
        Some(("exit", code)) => Fault::Exit(code.parse().expect("a number")),
        Some(("quit", code)) => Fault::Quit(code.parse().expect("a number")),
        Some(("few", count)) => Fault::Few(number(count)),
        Some(("length", attribute)) => {
            let (attribute, length) = attribute.split_once(':').expect("ATTRIBUTE:LENGTH");
            Fault::Length(number(attribute), number(length))
        }
        Some(("room", length)) => Fault::Room(number(length)),
        Some(_) => panic!("unknown fault {what}"),
    };
    Rule { call: call.to_owned(), nth, fault }
}

fn number(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("a hexadecimal number")
}
