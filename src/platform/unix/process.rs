//! This process: who may look into it, and how it is started.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub use super::own::{has_swap, is_memory_locked, is_one_thread, own_program, since_start};
use super::own::{is_closed_to_debuggers, lock_memory, refuse_debuggers, remember_descriptors};

/// No core dump, no debugger of the same user, and no swap if the limits allow it; and what is opened from now on is nobody
/// else's. A system that refuses any of these does without. Called first.
pub fn harden() {
    remember_descriptors();
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    refuse_debuggers();
    lock_memory();
}

/// Whether a crash leaves nothing of the memory on a disk, and no other program of this user can read it.
pub fn keeps_memory_to_itself() -> bool {
    getrlimit(Resource::Core).current == Some(0) && is_closed_to_debuggers()
}
