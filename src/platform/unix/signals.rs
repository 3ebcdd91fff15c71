//! Signals that ask the process for something.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use signal_hook::consts::{SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

pub use crate::platform::words::Signal;

/// From now on a thread calls `on` for each signal, also while other threads are blocked.
///
/// # Errors
/// The system gives no thread. Without one that waits for them, signals would be lost, so none is caught then.
pub fn listen(on: impl Fn(Signal) + Send + 'static) -> io::Result<()> {
    let (send, signals) = mpsc::channel::<Signals>();
    let (ready, is_ready) = mpsc::channel();
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let Ok(mut signals) = signals.recv() else { return };
        let _ = ready.send(());
        for signal in &mut signals {
            on(match signal {
                SIGHUP => Signal::HangUp,
                SIGTERM => Signal::Terminate,
                _ => Signal::Interrupt,
            });
        }
    })?;
    // Only now: a signal that is caught and not waited for is lost.
    let Ok(signals) = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT]) else { return Ok(()) };
    let _ = send.send(signals);
    // A thread that is just starting waits for the loader, which a module may keep busy forever.
    let _ = is_ready.recv();
    Ok(())
}

/// Ends the process with `exit` after `limit`, whatever its threads do, or at the next signal.
pub fn end_within(limit: Duration, exit: i32) {
    let now = Arc::new(AtomicBool::new(true));
    for signal in [SIGALRM, SIGINT, SIGTERM, SIGQUIT] {
        let _ = signal_hook::flag::register_conditional_shutdown(signal, exit, Arc::clone(&now));
    }
    let seconds = std::ffi::c_uint::try_from(limit.as_secs()).unwrap_or(std::ffi::c_uint::MAX);
    nix::unistd::alarm::set(seconds);
}

/// Ends the process without its exit handlers: a module may be in the middle of a call on another thread.
pub fn exit_now(exit: i32) -> ! {
    signal_hook::low_level::exit(exit)
}
