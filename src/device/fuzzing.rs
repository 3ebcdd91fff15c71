//! The entry point of the fuzz target that answers as a module. It is built only for that target.

use std::path::PathBuf;
use std::rc::Rc;

use cryptoki_sys::CK_FUNCTION_LIST;

use super::ffi::Functions;
use super::module::Module;
use super::modules::Modules;
use super::spec::ModuleSpec;

/// The module with these functions, started; none if it does not start.
///
/// # Safety
/// The functions must have the standard's signatures, and write no more than there is room for.
#[allow(unsafe_code)]
pub unsafe fn module_of(list: &'static CK_FUNCTION_LIST) -> Option<Modules> {
    // SAFETY: the caller promises it.
    let functions = unsafe { Functions::new(list) };
    let spec = ModuleSpec {
        name: Some("random".into()),
        path: PathBuf::from("random.so"),
        init_reserved: None,
        remote: functions,
        is_named: false,
    };
    let module = Module::load(spec).ok()?;
    Some(Modules { loaded: vec![Rc::new(module)], failed: Vec::new(), named: true })
}
