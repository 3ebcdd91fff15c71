//! Who owns a file and who may use it: security descriptors and access lists ("Access Control Model" in Microsoft's
//! documentation).
//!
//! One of the files with unsafe code: access lists have no safe function.
#![allow(unsafe_code)]

use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::sync::OnceLock;

use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, ConvertStringSidToSidW,
    SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{
    ACCESS_ALLOWED_ACE, ACE_HEADER, ACL, CheckTokenMembership, DACL_SECURITY_INFORMATION, GetAce,
    GetKernelObjectSecurity, GetSecurityDescriptorDacl, GetSecurityDescriptorLength,
    GetSecurityDescriptorOwner, GetTokenInformation, INHERIT_ONLY_ACE, OWNER_SECURITY_INFORMATION, PSID,
    SECURITY_ATTRIBUTES, SetKernelObjectSecurity, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::System::SystemServices::ACCESS_ALLOWED_ACE_TYPE;
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

/// Those who may do everything anyhow: the system, its administrators, and the service that installs Windows itself.
const TRUSTED: [&str; 3] =
    [SYSTEM, ADMINISTRATORS, "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"];
const SYSTEM: &str = "S-1-5-18";
const ADMINISTRATORS: &str = "S-1-5-32-544";
/// "OWNER RIGHTS": the file's owner.
const OWNER_RIGHTS: &str = "S-1-3-4";

/// To whom a file belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The user of this process.
    User,
    /// The system or its administrators.
    Administrators,
    /// Somebody else, or it is not known.
    Other,
}

/// Owner and access list of a file or process, in Windows' own form.
#[derive(Clone, Debug)]
pub(super) struct Descriptor(Vec<u64>);

impl Descriptor {
    /// That of an open file. Its handle needs the right `READ_CONTROL`, which reading includes.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn of(handle: BorrowedHandle<'_>) -> io::Result<Self> {
        let what = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
        let mut bytes = 0;
        // SAFETY: without a buffer it says how much it needs.
        unsafe { GetKernelObjectSecurity(handle.as_raw_handle(), what, ptr::null_mut(), 0, &mut bytes) };
        let mut descriptor = Descriptor(vec![0; (bytes as usize).div_ceil(8).max(1)]);
        let room = u32::try_from(descriptor.0.len() * 8).unwrap_or(u32::MAX);
        // SAFETY: the buffer has that many bytes, and is aligned.
        let read = unsafe {
            GetKernelObjectSecurity(handle.as_raw_handle(), what, descriptor.pointer(), room, &mut bytes)
        };
        if read == 0 { Err(io::Error::last_os_error()) } else { Ok(descriptor) }
    }

    /// One that this text describes (SDDL).
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn from_text(text: &str) -> io::Result<Self> {
        let (text, mut made) = (super::text::of(text), ptr::null_mut());
        // SAFETY: the text ends with a zero; what is made is copied and freed below.
        let is_made = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &mut made,
                ptr::null_mut(),
            )
        };
        if is_made == 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was made in the form that is one block of this length.
        let descriptor = unsafe {
            let bytes = GetSecurityDescriptorLength(made) as usize;
            let mut copy = Descriptor(vec![0; bytes.div_ceil(8)]);
            ptr::copy_nonoverlapping(made.cast::<u8>(), copy.pointer().cast(), bytes);
            LocalFree(made);
            copy
        };
        Ok(descriptor)
    }

    /// For a file that is its owner's alone. The list inherits nothing from the folder.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn of_private_file() -> io::Result<Self> {
        Self::from_text(&format!("D:P(A;;FA;;;OW)(A;;FA;;;{})", own_sid()?))
    }

    /// The same for a folder, and everything that is made in it.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn of_private_folder() -> io::Result<Self> {
        Self::from_text(&format!("D:P(A;OICI;FA;;;OW)(A;OICI;FA;;;{})", own_sid()?))
    }

    /// To whom it belongs.
    pub(super) fn owner(&self) -> Owner {
        let (mut owner, mut is_default) = (ptr::null_mut(), 0);
        // SAFETY: the descriptor is whole; the owner's address is in it.
        let found = unsafe {
            GetSecurityDescriptorOwner(self.0.as_ptr().cast_mut().cast(), &mut owner, &mut is_default)
        };
        let owner = if found == 0 { None } else { sid(owner) };
        match owner {
            Some(owner) if own_sid().is_ok_and(|own| own == owner) => Owner::User,
            Some(owner) if TRUSTED.contains(&owner.as_str()) => Owner::Administrators,
            _ => Owner::Other,
        }
    }

    /// The rights of all who are neither its owner nor administrators, as one mask. Without an access list everybody has
    /// all of them.
    pub(super) fn rights_of_others(&self) -> u32 {
        let (mut list, mut is_there, mut is_default) = (ptr::null_mut::<ACL>(), 0, 0);
        // SAFETY: the descriptor is whole; the list's address is in it.
        let found = unsafe {
            GetSecurityDescriptorDacl(
                self.0.as_ptr().cast_mut().cast(),
                &mut is_there,
                &mut list,
                &mut is_default,
            )
        };
        if found == 0 || is_there == 0 || list.is_null() {
            return u32::MAX;
        }
        // SAFETY: the list is in the descriptor, which lives.
        let entries = unsafe { (*list).AceCount };
        (0..u32::from(entries)).filter_map(|number| entry(list, number)).fold(0, |all, rights| all | rights)
    }

    /// Gives its access list to an open file or a process. The handle needs the right `WRITE_DAC`.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn give_to(&self, handle: BorrowedHandle<'_>) -> io::Result<()> {
        // SAFETY: the descriptor is whole.
        let is_set = unsafe {
            SetKernelObjectSecurity(
                handle.as_raw_handle(),
                DACL_SECURITY_INFORMATION,
                self.0.as_ptr().cast_mut().cast(),
            )
        };
        if is_set == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// For functions that make something with it from the beginning.
    pub(super) fn attributes(&mut self) -> SECURITY_ATTRIBUTES {
        SECURITY_ATTRIBUTES {
            nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
            lpSecurityDescriptor: self.pointer(),
            bInheritHandle: 0,
        }
    }

    fn pointer(&mut self) -> *mut std::ffi::c_void {
        self.0.as_mut_ptr().cast()
    }
}

/// The rights that an entry of a list gives somebody else; none if it gives none.
fn entry(list: *const ACL, number: u32) -> Option<u32> {
    let mut entry = ptr::null_mut();
    // SAFETY: the list is whole, and has an entry of this number.
    let header = unsafe {
        if GetAce(list, number, &mut entry) == 0 {
            return None;
        }
        entry.cast::<ACE_HEADER>().read_unaligned()
    };
    if u32::from(header.AceFlags) & INHERIT_ONLY_ACE != 0 {
        return None;
    }
    if u32::from(header.AceType) != ACCESS_ALLOWED_ACE_TYPE {
        // A refusal gives nothing. Conditional entries, which are rare, are taken as if they gave everything.
        let is_refusal = [1, 6, 10, 12].contains(&header.AceType);
        return (!is_refusal).then_some(u32::MAX);
    }
    // SAFETY: this type of entry has a mask and then the one who gets it.
    let (mask, who) = unsafe {
        let entry = entry.cast::<ACCESS_ALLOWED_ACE>();
        ((*entry).Mask, sid((&raw mut (*entry).SidStart).cast()))
    };
    let is_trusted = who.is_some_and(|who| {
        who == OWNER_RIGHTS || TRUSTED.contains(&who.as_str()) || own_sid().is_ok_and(|own| own == who)
    });
    (!is_trusted).then_some(mask)
}

/// The security identifier of the user of this process, as text.
///
/// # Errors
/// What the system said.
pub(super) fn own_sid() -> io::Result<&'static str> {
    static OWN: OnceLock<Option<String>> = OnceLock::new();
    let own = OWN.get_or_init(|| {
        let facts = token_facts(TokenUser)?;
        // SAFETY: the buffer begins with this structure, and holds what it points to.
        sid(unsafe { (*facts.as_ptr().cast::<TOKEN_USER>()).User.Sid })
    });
    own.as_deref().ok_or_else(|| io::ErrorKind::Unsupported.into())
}

/// Whether this process has the rights of the system or its administrators now, and not only after they are asked for.
pub(super) fn is_administrator() -> bool {
    static IS_ADMINISTRATOR: OnceLock<bool> = OnceLock::new();
    *IS_ADMINISTRATOR.get_or_init(|| own_sid().is_ok_and(|own| own == SYSTEM) || is_member(ADMINISTRATORS))
}

fn is_member(group: &str) -> bool {
    let (group, mut sid, mut is_member) = (super::text::of(group), ptr::null_mut(), 0);
    // SAFETY: the text ends with a zero; what is made of it is freed below.
    unsafe {
        if ConvertStringSidToSidW(group.as_ptr(), &mut sid) == 0 {
            return false;
        }
        let is_known = CheckTokenMembership(ptr::null_mut(), sid, &mut is_member) != 0;
        LocalFree(sid);
        is_known && is_member != 0
    }
}

/// What the system says about the user of this process.
fn token_facts(what: i32) -> Option<Vec<u64>> {
    let mut token = ptr::null_mut();
    // SAFETY: the process's own handle is always valid; the token is closed with its owner.
    let token = unsafe {
        if OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &mut token) == 0 {
            return None;
        }
        OwnedHandle::from_raw_handle(token)
    };
    let mut facts = vec![0_u64; 64];
    let (room, mut bytes) = (u32::try_from(facts.len() * 8).ok()?, 0);
    // SAFETY: the buffer has that many bytes, and is aligned. No identifier is longer than 68 bytes.
    let read = unsafe {
        GetTokenInformation(token.as_raw_handle(), what, facts.as_mut_ptr().cast(), room, &mut bytes)
    };
    (read != 0).then_some(facts)
}

/// A security identifier as text: `S-1-5-18`.
fn sid(sid: PSID) -> Option<String> {
    let mut text = ptr::null_mut();
    // SAFETY: the identifier is part of a structure of the system's; the text is read to its zero and freed.
    unsafe {
        if sid.is_null() || ConvertSidToStringSidW(sid, &mut text) == 0 {
            return None;
        }
        let length = (0..).take_while(|at| *text.add(*at) != 0).count();
        let read = String::from_utf16_lossy(std::slice::from_raw_parts(text, length));
        LocalFree(text.cast());
        Some(read)
    }
}
