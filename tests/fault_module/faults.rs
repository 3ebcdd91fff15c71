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
    ReadOnly(CK_RV),
    ReadWrite(CK_RV),
    OnlyUser(CK_USER_TYPE),
    Pad,
    HideMechanism(CK_MECHANISM_TYPE),
    Lost,
    Gone(CK_RV),
    NewLogin,
    Refuse(CK_RV),
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
        text.split(',').filter(|rule| !rule.is_empty()).map(rule).collect()
    })
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
            "pad" => Fault::Pad,
            "lost" => Fault::Lost,
            "newlogin" => Fault::NewLogin,
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
            let bytes = (0..value.len()).step_by(2);
            Fault::Give(number(attribute), bytes.map(|at| number(&value[at..at + 2]) as u8).collect())
        }
        Some(("unknown", attribute)) => Fault::Unknown(number(attribute)),
        Some(("ro", code)) => Fault::ReadOnly(number(code)),
        Some(("rw", code)) => Fault::ReadWrite(number(code)),
        Some(("user", user)) => Fault::OnlyUser(number(user)),
        Some(("mechanism", mechanism)) => Fault::HideMechanism(number(mechanism)),
        Some(("refuse", code)) => Fault::Refuse(number(code)),
        Some(("gone", code)) => Fault::Gone(number(code)),
        Some(_) => panic!("unknown fault {what}"),
    };
    Rule { call: call.to_owned(), nth, fault }
}

fn number(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("a hexadecimal number")
}
