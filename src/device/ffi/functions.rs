//! A module's function list, and the calls that need no session.

use std::ffi::{CString, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cryptoki::error::RvError;
use cryptoki::mechanism::MechanismType;
use cryptoki::slot::Slot;
use cryptoki_sys::{
    CK_C_INITIALIZE_ARGS, CK_FLAGS, CK_FUNCTION_LIST, CK_INFO, CK_MECHANISM_INFO, CK_MECHANISM_TYPE, CK_RV,
    CK_SLOT_ID, CK_SLOT_INFO, CK_TOKEN_INFO, CK_TRUE, CK_ULONG, CKF_OS_LOCKING_OK, CKR_OK,
};

use crate::device::call::CallError;
use crate::device::vendor_code::VendorCode;

/// How often a list may grow while it is read.
const LIST_TRIES: usize = 10;
/// Longer than any module's list of slots or mechanisms.
const LONGEST_LIST: CK_ULONG = 65_536;

/// The function list of a loaded module, valid for the life of the process.
#[derive(Clone)]
pub(in crate::device) struct Functions {
    list: &'static CK_FUNCTION_LIST,
    turn: Arc<Turn>,
    /// The return codes that are its vendor's own.
    vendor_codes: &'static [VendorCode],
}

/// The answer of C_GetInfo.
pub(in crate::device) struct LibraryInfo {
    pub(in crate::device) manufacturer: Vec<u8>,
    pub(in crate::device) description: Vec<u8>,
    pub(in crate::device) version: (u8, u8),
}

/// The answer of C_GetSlotInfo.
pub(in crate::device) struct SlotInfo {
    pub(in crate::device) manufacturer: Vec<u8>,
    pub(in crate::device) description: Vec<u8>,
}

impl Functions {
    /// # Safety
    /// `list` must be a function list of PKCS#11 v2.40 or later, whose functions have the standard's
    /// signatures, and neither it nor its library may ever be freed.
    pub(in crate::device) unsafe fn new(list: *const CK_FUNCTION_LIST) -> Option<Self> {
        // SAFETY: the caller promises that it is never freed.
        let list = unsafe { list.as_ref() }?;
        Some(Functions { list, turn: Arc::default(), vendor_codes: &[] })
    }

    /// With the return codes that are the vendor's own.
    pub(in crate::device) fn saying(self, vendor_codes: &'static [VendorCode]) -> Self {
        Functions { vendor_codes, ..self }
    }

    /// C_Initialize, with the string that some modules expect in pReserved (p11-kit's option
    /// `x-init-reserved`). A module that cannot lock is started without locks, and called from one thread at
    /// a time.
    pub(in crate::device) fn initialize(&self, reserved: Option<&str>) -> Result<(), CallError> {
        let reserved = match reserved {
            None => ptr::null_mut(),
            Some(text) => {
                let text = CString::new(text)
                    .map_err(|_| CallError::unusable("C_Initialize", "x-init-reserved holds a NUL".into()))?;
                // Modules may keep the pointer: the string lives as long as the process.
                text.into_raw().cast::<c_void>()
            }
        };
        let initialize = |flags: CK_FLAGS| {
            let mut arguments = CK_C_INITIALIZE_ARGS {
                CreateMutex: None,
                DestroyMutex: None,
                LockMutex: None,
                UnlockMutex: None,
                flags,
                pReserved: reserved,
            };
            // SAFETY: `arguments` is valid for the call; pReserved is null, or a string that is never freed.
            self.call("C_Initialize", self.list.C_Initialize, |call| unsafe {
                call(ptr::from_mut(&mut arguments).cast())
            })
        };
        match initialize(CKF_OS_LOCKING_OK) {
            Err(error) if error.is(RvError::CantLock) => {
                self.turn.is_needed.store(true, Ordering::SeqCst);
                initialize(0)
            }
            result => result,
        }
    }

    /// C_Finalize.
    pub(in crate::device) fn finalize(&self) -> Result<(), CallError> {
        // SAFETY: the argument is reserved, and null.
        self.call("C_Finalize", self.list.C_Finalize, |call| unsafe { call(ptr::null_mut()) })
    }

    /// C_GetInfo.
    pub(in crate::device) fn info(&self) -> Result<LibraryInfo, CallError> {
        let mut info = CK_INFO::default();
        // SAFETY: `info` is valid for the call.
        self.call("C_GetInfo", self.list.C_GetInfo, |call| unsafe { call(&mut info) })?;
        Ok(LibraryInfo {
            manufacturer: info.manufacturerID.to_vec(),
            description: info.libraryDescription.to_vec(),
            version: (info.libraryVersion.major, info.libraryVersion.minor),
        })
    }

    /// The slots that have a device.
    pub(in crate::device) fn slots_with_token(&self) -> Result<Vec<Slot>, CallError> {
        let slots =
            self.list_of("C_GetSlotList", self.list.C_GetSlotList, |call, slots: *mut CK_SLOT_ID, count| {
                // SAFETY: `list_of` passes a list with room for `count` entries, or null, which asks for the
                // number.
                unsafe { call(CK_TRUE, slots, count) }
            })?;
        Ok(slots.into_iter().filter_map(|slot| Slot::try_from(slot).ok()).collect())
    }

    /// C_GetSlotInfo.
    pub(in crate::device) fn slot_info(&self, slot: Slot) -> Result<SlotInfo, CallError> {
        let mut info = CK_SLOT_INFO::default();
        // SAFETY: `info` is valid for the call.
        self.call("C_GetSlotInfo", self.list.C_GetSlotInfo, |call| unsafe { call(slot.into(), &mut info) })?;
        Ok(SlotInfo {
            manufacturer: info.manufacturerID.to_vec(),
            description: info.slotDescription.to_vec(),
        })
    }

    /// C_GetTokenInfo.
    pub(in crate::device) fn token_info(&self, slot: Slot) -> Result<CK_TOKEN_INFO, CallError> {
        let mut info = CK_TOKEN_INFO::default();
        // SAFETY: `info` is valid for the call.
        self.call("C_GetTokenInfo", self.list.C_GetTokenInfo, |call| unsafe {
            call(slot.into(), &mut info)
        })?;
        Ok(info)
    }

    /// C_GetMechanismList, without the mechanisms that cryptoki does not know.
    pub(in crate::device) fn mechanisms(&self, slot: Slot) -> Result<Vec<MechanismType>, CallError> {
        let list = self.list.C_GetMechanismList;
        let mechanisms =
            self.list_of("C_GetMechanismList", list, |call, mechanisms: *mut CK_MECHANISM_TYPE, count| {
                // SAFETY: as in `slots_with_token`.
                unsafe { call(slot.into(), mechanisms, count) }
            })?;
        Ok(mechanisms.into_iter().filter_map(|mechanism| MechanismType::try_from(mechanism).ok()).collect())
    }

    /// C_GetMechanismInfo: how many bits a key has at least and at most.
    #[allow(clippy::unnecessary_cast, reason = "a CK_ULONG has 32 bits on Windows")]
    pub(in crate::device) fn key_sizes(
        &self,
        slot: Slot,
        mechanism: MechanismType,
    ) -> Result<(u64, u64), CallError> {
        let mut info = CK_MECHANISM_INFO::default();
        // SAFETY: `info` is valid for the call.
        self.call("C_GetMechanismInfo", self.list.C_GetMechanismInfo, |call| unsafe {
            call(slot.into(), mechanism.into(), &mut info)
        })?;
        Ok((info.ulMinKeySize as u64, info.ulMaxKeySize as u64))
    }

    /// Makes a call when it is its turn. `function` is its name, for errors.
    pub(super) fn call<F>(
        &self,
        function: &'static str,
        entry: Option<F>,
        call: impl FnOnce(F) -> CK_RV,
    ) -> Result<(), CallError> {
        let Some(entry) = entry else {
            return Err(CallError::unusable(function, "the module does not have this function".into()));
        };
        let turn = self.turn.take();
        let code = call(entry);
        drop(turn);
        if code == CKR_OK { Ok(()) } else { Err(CallError::of_vendor(function, code, self.vendor_codes)) }
    }

    pub(super) fn list(&self) -> &'static CK_FUNCTION_LIST {
        self.list
    }

    /// Asks for the length of a list and then for the list, which may have grown in between.
    fn list_of<F: Copy, T: Clone + Default>(
        &self,
        function: &'static str,
        entry: Option<F>,
        call: impl Fn(F, *mut T, &mut CK_ULONG) -> CK_RV,
    ) -> Result<Vec<T>, CallError> {
        let unusable =
            |count: CK_ULONG| CallError::unusable(function, format!("the module counts {count} entries"));
        let mut last = None;
        for _ in 0..LIST_TRIES {
            let mut count: CK_ULONG = 0;
            self.call(function, entry, |entry| call(entry, ptr::null_mut(), &mut count))?;
            if count == 0 {
                return Ok(Vec::new());
            }
            if count > LONGEST_LIST {
                return Err(unusable(count));
            }
            let room = count;
            let mut list = vec![T::default(); room as usize];
            match self.call(function, entry, |entry| call(entry, list.as_mut_ptr(), &mut count)) {
                Ok(()) if count > room => return Err(unusable(count)),
                Ok(()) => {
                    list.truncate(count as usize);
                    return Ok(list);
                }
                Err(error) if error.is(RvError::BufferTooSmall) => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| unusable(0)))
    }
}

/// Whose turn it is, in a module that cannot lock.
#[derive(Default)]
struct Turn {
    is_needed: AtomicBool,
    taken: Mutex<()>,
}

impl Turn {
    fn take(&self) -> Option<MutexGuard<'_, ()>> {
        let is_needed = self.is_needed.load(Ordering::SeqCst);
        is_needed.then(|| self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
