//! The words that all systems share.

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Bytes on a disk.
    Regular,
    /// A folder.
    Folder,
    /// A symbolic link, or what else stands for another file.
    Link,
    /// A pipe or a socket.
    Pipe,
    /// A device.
    Other,
}

/// What an opened file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// To read it.
    Read,
    /// To read and write it.
    Write,
    /// To read it, and to write at its end, wherever that is then.
    Append,
}

/// Why a file cannot be replaced in a folder to which this user may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "each system has some of them")]
pub(crate) enum Obstacle {
    /// It is a mount of its own, like a file of a container's host: the system answers a rename over it with EBUSY.
    Mounted,
    /// In a sticky folder only owners may replace files.
    NotOwner,
    /// It is marked read-only, which on Windows keeps everybody from deleting it.
    ReadOnly,
    /// Neither its access list nor its folder's lets this user delete it.
    NotDeletable,
}

/// What foreign code did to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It called exit.
    Exited,
    /// It called abort.
    Aborted,
    /// It crashed, by the signal or exception of this name.
    Crashed(&'static str),
}

/// What somebody asks the process for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: the terminal is gone; a service looks at its configuration. Windows has nothing like it.
    HangUp,
    /// To end: SIGTERM; on Windows the window, the session or the computer ends.
    Terminate,
    /// A person interrupts: SIGINT or SIGQUIT; on Windows Ctrl-C or Ctrl-Break.
    Interrupt,
}
