//! Modules that print, exit, abort or crash: foreign code in this process.

use std::path::Path;

use crate::support::desk::Desk;
use crate::support::faults::{SIGN, calls, untouched, variables, with_faults};
use crate::support::openssl::openssl_accepts;
use crate::support::p11_kit::under_p11_kit;
use crate::support::parts::{fault_module, softhsm_module};
use crate::support::pinned::pinned;
use crate::support::run::Run;
use crate::support::token_files::UNSIGNED;

const CHATTY: &str = "C_Initialize=print:ACME module 1.2,C_Sign=print:signing,C_Finalize=print:bye";

#[test]
fn what_a_module_prints_is_not_in_the_data() {
    let desk = Desk::new();
    let arguments = [&SIGN[..3], &["-"]].concat();
    let signed = with_faults(&desk, &arguments, CHATTY).stdin(UNSIGNED).go().exits(0);
    desk.write("signed.json", signed.stdout_bytes());
    assert!(openssl_accepts(&desk, "signed.json", "device/signkey.pub.pem"));
    let listed = with_faults(&desk, &["list", "--json"], CHATTY).go().exits(0);
    assert!(listed.json()["modules"].is_array());
    // It is shown to people who look for a fault, beside the messages and not among the data.
    let arguments = [&["-v"], &arguments[..]].concat();
    let verbose =
        with_faults(&desk, &arguments, CHATTY).stdin(UNSIGNED).go().exits(0).says("ACME module 1.2");
    assert_eq!(verbose.stdout_bytes(), signed.stdout_bytes());
}

#[test]
fn a_module_that_ends_the_program_is_named_with_the_call_and_its_last_words() {
    let desk = Desk::new();
    for (how, said, exit) in [
        ("C_Initialize=abort", "aborted (SIGABRT) in C_Initialize", 3),
        ("C_GetSlotList=crash", "crashed (SIGSEGV) in C_GetSlotList", 3),
        ("C_Login=crash", "crashed (SIGSEGV) in C_Login", 3),
        ("C_Login=exit:0", "called exit in C_Login", 3),
        ("C_SignInit=abort", "aborted (SIGABRT) in C_Sign", 6),
        ("C_Sign:2=crash", "crashed (SIGSEGV) in C_Sign", 6),
        ("C_Sign=exit:0", "called exit in C_Sign", 6),
        ("C_Sign=exit:7", "called exit in C_Sign", 6),
    ] {
        let call = how.split(['=', ':']).next().unwrap();
        let faults = format!("{call}=warn:the licence has ended,{how}");
        let done = with_faults(&desk, &SIGN, &faults).go().exits(exit).says(said);
        let done = done.says("it wrote: the licence has ended").says("tokens.json was not changed.");
        assert!(done.stderr().contains("libfault_module.so"), "{}", done.stderr());
        assert!(calls(&desk, "C_Login") <= 1, "{how}");
        untouched(&desk);
        let document =
            with_faults(&desk, &[&["--json"], &SIGN[..]].concat(), &faults).go().exits(exit).json();
        assert_eq!(document["error"]["exit"], exit, "{document}");
        assert_eq!(document["error"]["detail"][0], "it wrote: the licence has ended", "{document}");
    }
}

#[test]
fn a_module_that_crashes_while_it_signs_is_reported() {
    let desk = Desk::new();
    let faults = "C_Sign=warn:libacme: assertion failed,C_Sign=crash";
    let done = with_faults(&desk, &SIGN, faults).go().exits(6);
    pinned("module_crashes", &desk, crate::support::faults::COMMAND, &done);
}

#[test]
fn a_module_that_ends_the_program_after_the_outcome_was_reported_changes_nothing() {
    let desk = Desk::new();
    for how in ["exit:9", "abort", "crash"] {
        for call in ["C_Logout", "C_CloseSession:2", "C_Finalize"] {
            with_faults(&desk, &SIGN, &format!("{call}={how}")).go().exits(0);
            assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"), "{call}={how}");
        }
    }
}

/// A run in which p11-kit has the fault module and SoftHSM.
fn beside_softhsm(desk: &Desk, arguments: &[&str], faults: &str) -> Run {
    let bad = format!("module: {}\n", fault_module().display());
    let good = format!("module: {}\n", copy_of_softhsm(desk).display());
    let modules = [("a-bad.module", &*bad), ("b-good.module", &*good)];
    let run = under_p11_kit(desk, &modules, arguments);
    variables(faults).into_iter().skip(1).fold(run, |run, (name, value)| run.env(name, value))
}

/// A copy: otherwise both would be one library, initialized twice.
fn copy_of_softhsm(desk: &Desk) -> std::path::PathBuf {
    let copy = desk.path("good.so");
    std::fs::copy(Path::new(softhsm_module()), &copy).unwrap();
    copy
}

#[test]
fn a_module_that_ends_its_process_hides_no_other_from_list_and_doctor() {
    let desk = Desk::new();
    for (faults, reason) in [
        ("C_Initialize=crash", "it crashed (SIGSEGV) in C_Initialize"),
        (
            "C_Initialize=warn:no licence,C_Initialize=exit:0",
            "it called exit in C_Initialize; it wrote: no licence",
        ),
        ("C_GetTokenInfo=abort", "it aborted (SIGABRT) in C_GetTokenInfo"),
        ("C_FindObjects=crash", "it crashed (SIGSEGV) in C_FindObjects"),
        ("C_Initialize=quit:0", "it crashed or exited when it was tried (exit status: 0)"),
    ] {
        let listed = beside_softhsm(&desk, &["list"], faults).go().exits(0).stdout();
        assert!(listed.contains(&format!("skipped: {reason}")), "{faults}: {listed}");
        assert!(listed.contains("pkcs11:token=officer;id=%01"), "{faults}: {listed}");
        let found = beside_softhsm(&desk, &["doctor", "--pin-source", "file:pin"], faults).go().stdout();
        assert!(found.contains(reason), "{faults}: {found}");
        assert!(found.contains("ok       device       officer"), "{faults}: {found}");
    }
}

#[test]
fn a_module_that_hangs_hides_no_other_from_list() {
    let desk = Desk::new();
    let listed =
        beside_softhsm(&desk, &["list", "--timeout", "1"], "C_Initialize=delay:60000").go().exits(0).stdout();
    assert!(listed.contains("has not answered for 1 second"), "{listed}");
    assert!(listed.contains("pkcs11:token=officer;id=%01"), "{listed}");
}
