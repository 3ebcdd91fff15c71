//! The minimum that signs N digests on a device: the PKCS#11 calls that countersign cannot do without, one
//! after the other, and nothing else. Nothing is chosen, checked or verified. scripts/bench compares
//! countersign's time and memory with it.
//!
//! `bench_raw MODULE DEVICE-LABEL KEY-ID PIN-FILE DIGESTS [SIGNATURES [URL CA]]`
//!
//! KEY-ID is a number, DIGESTS a file with 32 bytes for each token. SIGNATURES is written if it is named.
//! With a URL, the signatures are sent there in one POST request over TLS, to a server whose certificate CA
//! issued, and the answer is read.

use std::error::Error;
use std::sync::Arc;
use std::{env, fs, ptr};

use cryptoki_sys::*;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// The DER before the digest in a DigestInfo of SHA-256 (RFC 8017 section 9.2, note 1).
const SHA256_PREFIX: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];

/// Calls a function of the module; anything but CKR_OK ends the program.
macro_rules! call {
    ($module:ident.$function:ident($($argument:expr),*)) => {{
        let function = $module.$function.ok_or(concat!("the module has no ", stringify!($function)))?;
        // SAFETY: every pointer is to a local that outlives the call, every length is that of its buffer.
        match unsafe { function($($argument),*) } {
            CKR_OK => {}
            code => return Err(format!("{}: {code:#x}", stringify!($function)).into()),
        }
    }};
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [path, label, id, pin_file, digests, to @ ..] = &arguments[..] else {
        return Err(
            "usage: bench_raw MODULE DEVICE-LABEL KEY-ID PIN-FILE DIGESTS [SIGNATURES [URL CA]]".into()
        );
    };
    let mut id = [id.parse::<u8>()?];
    let mut pin = fs::read_to_string(pin_file)?.trim_end().to_owned().into_bytes();
    let digests = fs::read(digests)?;

    // SAFETY: loading runs the module's constructors; it is the module that the caller named.
    let library = unsafe { libloading::Library::new(path)? };
    let mut list: *mut CK_FUNCTION_LIST = ptr::null_mut();
    // SAFETY: the standard's signature (PKCS#11 v2.40 section 5.4); the list lives as long as the library.
    let module = unsafe {
        let get = library
            .get::<unsafe extern "C" fn(*mut *mut CK_FUNCTION_LIST) -> CK_RV>(b"C_GetFunctionList\0")?;
        get(&mut list);
        list.as_ref().ok_or("C_GetFunctionList gave nothing")?
    };
    call!(module.C_Initialize(ptr::null_mut()));

    let mut slots = [0; 64];
    let mut count = slots.len() as CK_ULONG;
    call!(module.C_GetSlotList(CK_TRUE, slots.as_mut_ptr(), &mut count));
    let mut slot = None;
    for &candidate in &slots[..count as usize] {
        let mut info = CK_TOKEN_INFO::default();
        call!(module.C_GetTokenInfo(candidate, &mut info));
        if info.label.trim_ascii_end() == label.as_bytes() {
            slot = Some(candidate);
        }
    }
    let slot = slot.ok_or("no slot has a device with this label")?;

    let mut session = 0;
    call!(module.C_OpenSession(slot, CKF_SERIAL_SESSION, ptr::null_mut(), None, &mut session));
    call!(module.C_Login(session, CKU_USER, pin.as_mut_ptr(), pin.len() as CK_ULONG));

    let mut class = CKO_PRIVATE_KEY;
    let mut template = [
        CK_ATTRIBUTE {
            type_: CKA_CLASS,
            pValue: (&raw mut class).cast(),
            ulValueLen: size_of_val(&class) as CK_ULONG,
        },
        CK_ATTRIBUTE { type_: CKA_ID, pValue: id.as_mut_ptr().cast(), ulValueLen: id.len() as CK_ULONG },
    ];
    let (mut key, mut found) = (0, 0);
    call!(module.C_FindObjectsInit(session, template.as_mut_ptr(), template.len() as CK_ULONG));
    call!(module.C_FindObjects(session, &mut key, 1, &mut found));
    call!(module.C_FindObjectsFinal(session));
    if found != 1 {
        return Err("no private key has this id".into());
    }

    let mut signatures = Vec::with_capacity(digests.len() / 32 * 256);
    let mut mechanism =
        CK_MECHANISM { mechanism: CKM_RSA_PKCS, pParameter: ptr::null_mut(), ulParameterLen: 0 };
    let mut info = [0; 51];
    info[..19].copy_from_slice(&SHA256_PREFIX);
    for digest in digests.chunks_exact(32) {
        info[19..].copy_from_slice(digest);
        let mut signature = [0; 256];
        let mut length = signature.len() as CK_ULONG;
        call!(module.C_SignInit(session, &mut mechanism, key));
        call!(module.C_Sign(
            session,
            info.as_mut_ptr(),
            info.len() as CK_ULONG,
            signature.as_mut_ptr(),
            &mut length
        ));
        signatures.extend_from_slice(&signature[..length as usize]);
    }

    call!(module.C_Finalize(ptr::null_mut()));
    if let [path, ..] = to {
        fs::write(path, &signatures)?;
    }
    if let [_, url, ca] = to {
        post(url, &fs::read(ca)?, &signatures)?;
    }
    Ok(())
}

/// Sends one request. The server refuses it, because nobody signed it, but that does not matter here.
fn post(url: &str, ca: &[u8], body: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut roots = Vec::new();
    for item in parse_pem(ca) {
        if let PemItem::Certificate(certificate) = item? {
            roots.push(certificate);
        }
    }
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    let agent = ureq::Agent::config_builder().tls_config(tls.build()).http_status_as_error(false);
    agent.build().new_agent().post(url).send(body)?.body_mut().read_to_vec()?;
    Ok(())
}
