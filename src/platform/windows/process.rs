//! This process: who may look into it, and how it is started; and other processes.
//!
//! One of the files with unsafe code: the system's functions for processes have no safe ones.
#![allow(unsafe_code)]

use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use windows_sys::Win32::System::Diagnostics::Debug::{
    SEM_FAILCRITICALERRORS, SEM_NOGPFAULTERRORBOX, SEM_NOOPENFILEERRORBOX, SetErrorMode,
};
use windows_sys::Win32::System::LibraryLoader::SetDllDirectoryW;
use windows_sys::Win32::System::SystemInformation::GetTickCount64;
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION, QueryFullProcessImageNameW,
};

use super::security::{Descriptor, own_sid};
use super::text;

static IS_CLOSED: AtomicBool = AtomicBool::new(false);

/// No crash dump, no window that waits for a click, and no other program of the same user that reads the memory or debugs it.
/// A system that refuses any of these does without. Called first.
pub fn harden() {
    // Not even what a module needs, and what that loads later, comes from the current folder, where anybody may have put it.
    // SAFETY: the text ends with a zero.
    unsafe { SetDllDirectoryW(text::of("").as_ptr()) };
    // SAFETY: these are flags of this process.
    unsafe { SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX | SEM_NOOPENFILEERRORBOX) };
    IS_CLOSED.store(close_to_others().is_ok(), Ordering::SeqCst);
}

/// The user may end the process, wait for it and see its name (0x101001), and as its owner nothing else.
fn close_to_others() -> io::Result<()> {
    let own = own_sid()?;
    let list = format!("D:P(A;;0x101001;;;{own})(A;;0x101001;;;OW)(A;;0x1fffff;;;SY)");
    // SAFETY: the process's own handle is always valid.
    let this = unsafe { BorrowedHandle::borrow_raw(GetCurrentProcess()) };
    Descriptor::from_text(&list)?.give_to(this)
}

/// Whether a crash leaves nothing of the memory on a disk, and no other program of this user can read it.
pub fn keeps_memory_to_itself() -> bool {
    IS_CLOSED.load(Ordering::SeqCst)
}

/// Whether no memory of the process can be written to the page file: no call keeps all of it from there.
pub fn is_memory_locked() -> bool {
    false
}

/// Whether something can be done about swap space here: only administrators can read the page file, and disks are encrypted as
/// a whole.
pub fn has_swap() -> bool {
    false
}

/// Whether no second thread could be reading the environment: Windows keeps threads from meeting there.
pub fn is_one_thread() -> bool {
    true
}

/// The program of this process.
///
/// # Errors
/// What the system said.
pub fn own_program() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// Milliseconds since this computer was started, including sleep. Nobody can set this clock.
pub fn since_start() -> i64 {
    // SAFETY: it takes nothing, and always succeeds.
    i64::try_from(unsafe { GetTickCount64() }).unwrap_or(i64::MAX)
}

/// The name of a process's program.
pub(crate) fn process_name(process: u32) -> Option<String> {
    // SAFETY: its owner closes the handle.
    let handle = unsafe {
        let handle = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, process);
        if handle.is_null() {
            return None;
        }
        OwnedHandle::from_raw_handle(handle)
    };
    let path = text::from_call(|buffer| {
        let mut length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        // SAFETY: the handle is open; the buffer has that many units.
        match unsafe {
            QueryFullProcessImageNameW(handle.as_raw_handle(), 0, buffer.as_mut_ptr(), &mut length)
        } {
            0 => 0,
            _ => length,
        }
    });
    Some(path.ok()?.file_name()?.to_string_lossy().into_owned())
}

/// The number of a process whose program has this name: nobody needs it there.
pub(crate) fn process_called(_name: &str) -> Option<u32> {
    None
}

/// Whether a library whose name contains this text is loaded into this process: nobody needs it there.
pub(crate) fn has_loaded(_name: &str) -> bool {
    false
}
