//! Which modules are used: the one named, or those that p11-kit is configured with.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::desk::{Desk, SIGNKEY};
use crate::support::faults::{calls, with_faults};
use crate::support::openssl::openssl_accepts;
use crate::support::p11_kit::under_p11_kit;
use crate::support::parts::softhsm_module;
use crate::support::pinned::pinned;
use crate::support::run::Done;
use crate::support::token_files::UNSIGNED;

fn with_p11_kit(desk: &Desk, modules: &[(&str, &str)], arguments: &[&str]) -> Done {
    under_p11_kit(desk, modules, arguments).with_pin().go()
}

fn softhsm() -> String {
    format!("module: {}\n", softhsm_module())
}

const SIGN: [&str; 4] = ["sign", "--key", SIGNKEY, "tokens.json"];

#[test]
fn without_a_named_module_p11_kits_are_used() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    with_p11_kit(&desk, &[("softhsm2.module", &softhsm())], &SIGN).exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
}

#[test]
fn a_module_that_fails_is_skipped_and_its_reason_kept() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    desk.write("broken.so", b"this is not a library");
    let broken = format!("module: {}\n", desk.path("broken.so").display());
    let libc = "module: libc.so.6\n";
    let modules = [("a-broken.module", &*broken), ("b-libc.module", libc), ("softhsm2.module", &softhsm())];
    with_p11_kit(&desk, &modules, &SIGN).exits(0);
    let listed = with_p11_kit(&desk, &modules, &["list"]).exits(0);
    assert!(listed.stdout().contains("broken.so"), "{}", listed.stdout());
    assert!(listed.stdout().contains("skipped"), "{}", listed.stdout());
}

#[test]
fn one_key_seen_through_two_modules_is_one_key() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    fs::copy(softhsm_module(), desk.path("copy.so")).unwrap();
    let copy = format!("module: {}\n", desk.path("copy.so").display());
    let modules = [("softhsm2.module", &*softhsm()), ("copy.module", &copy)];
    with_p11_kit(&desk, &modules, &SIGN).exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
    desk.write("tokens.json", UNSIGNED);
    with_p11_kit(&desk, &modules, &["sign", "tokens.json"]).exits(0);
}

#[test]
fn a_module_name_in_the_uri_chooses_among_them() {
    let desk = Desk::new();
    let modules = [("softhsm2.module", &*softhsm())];
    for name in ["softhsm2", "SoftHSM2"] {
        desk.write("tokens.json", UNSIGNED);
        let uri = format!("{SIGNKEY}?module-name={name}");
        with_p11_kit(&desk, &modules, &["sign", "--key", &uri, "tokens.json"]).exits(0);
    }
    let uri = format!("{SIGNKEY}?module-name=ykcs11");
    let done = with_p11_kit(&desk, &modules, &["sign", "--key", &uri, "tokens.json"]).exits(3);
    pinned(
        "sign_no_such_module_name",
        &desk,
        "countersign sign --key '…?module-name=ykcs11' tokens.json",
        &done,
    );
}

#[test]
fn a_module_path_in_the_uri_needs_no_p11_kit() {
    let desk = Desk::new();
    let folder = Path::new(softhsm_module()).parent().unwrap().display().to_string();
    for query in
        [format!("module-path={}", softhsm_module()), format!("module-path={folder}&module-name=softhsm2")]
    {
        desk.write("tokens.json", UNSIGNED);
        let uri = format!("{SIGNKEY}?{query}");
        with_p11_kit(&desk, &[], &["sign", "--key", &uri, "tokens.json"]).exits(0);
    }
}

#[test]
fn a_trust_store_is_not_searched_for_keys() {
    let desk = Desk::new();
    let trust = "module: p11-kit-trust.so\ntrust-policy: yes\n";
    let listed =
        with_p11_kit(&desk, &[("softhsm2.module", &*softhsm()), ("p11-kit-trust.module", trust)], &["list"]);
    assert!(!listed.exits(0).stdout().contains("trust"));
}

#[test]
fn a_remote_module_is_reached_through_p11_kit() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    let remote = format!("remote: |p11-kit remote {}\n", softhsm_module());
    with_p11_kit(&desk, &[("far.module", &remote)], &SIGN).exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
}

#[test]
fn the_proxy_is_used_when_asked_for() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    let arguments = [&["--module", "p11-kit-proxy"], &SIGN[..]].concat();
    with_p11_kit(&desk, &[("softhsm2.module", &softhsm())], &arguments).exits(0);
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
}

#[test]
fn a_p11_kit_without_modules_is_reported() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    pinned(
        "sign_no_module_configured",
        &desk,
        "countersign sign tokens.json",
        &with_p11_kit(&desk, &[], &SIGN).exits(3),
    );
}

#[test]
fn a_missing_libp11_kit_is_reported_with_the_loader_s_own_words() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    let library = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"]
        .map(|folder| Path::new(folder).join("libp11-kit.so.0"))
        .into_iter()
        .find_map(|path| path.canonicalize().ok())
        .expect("p11-kit is installed");
    // An empty file in its place is like no library.
    let script = format!("mount --bind /dev/null '{}' && exec \"$@\"", library.display());
    let done =
        desk.countersign_after_mounting(&script, &SIGN).without_env("COUNTERSIGN_MODULE").go().exits(3);
    assert!(done.stderr().contains("libp11-kit.so.0: "), "{}", done.stderr());
    assert!(done.stderr().contains("help: name the device's module with --module PATH"), "{}", done.stderr());
}

#[test]
fn a_module_that_is_not_there_is_reported() {
    refused("module_not_there", "nowhere.so", None);
}

#[test]
fn a_module_that_is_not_a_library_is_reported() {
    refused(
        "module_no_library",
        "text.so",
        Some(b"hello, this is a text of some length and no library at all"),
    );
}

/// A copy of SoftHSM's module with some bytes changed.
fn altered(desk: &Desk, from: &[u8], to: &[u8]) -> String {
    let mut bytes = fs::read(softhsm_module()).unwrap();
    let at = bytes.windows(from.len()).position(|window| window == from).expect("the bytes are there");
    bytes[at..at + to.len()].copy_from_slice(to);
    desk.write("altered.so", &bytes).display().to_string()
}

#[test]
fn why_a_module_cannot_be_loaded_is_said_for_each_cause() {
    let (machine, other) = if cfg!(target_arch = "x86_64") { (62, 183) } else { (183, 62) };
    let elf = |class: u8, machine: u8| {
        let mut start = fs::read(softhsm_module()).unwrap()[..20].to_vec();
        (start[4], start[18]) = (class, machine);
        start
    };
    let own = elf(2, machine);
    for (from, to, reason, help) in [
        (
            &b"\0libcrypto.so.3\0"[..],
            &b"\0libcrypt0.so.3\0"[..],
            "it needs the library libcrypt0.so.3",
            "ldd ",
        ),
        (b"\0EVP_sha256\0", b"\0EVP_sha2x6\0", "it needs the function EVP_sha2x6", "ldd -r "),
        (&own, &elf(1, 3), "it is a 32-bit library (x86)", "package of the module"),
        (&own, &elf(2, other), "it is built for ", "package of the module"),
        (&own, b"/* GNU ld script", "it is not a library but ", "a file that ends in .so"),
    ] {
        let desk = Desk::new();
        desk.write("tokens.json", UNSIGNED);
        let module = altered(&desk, from, to);
        let done = desk.countersign(&["--module", &module, "sign", "tokens.json"]).go().exits(3);
        let done = done.says(&format!("cannot be used: {reason}")).says("help: ").says(help);
        assert!(done.stderr().contains("altered.so"), "{}", done.stderr());
        assert_eq!(desk.read("tokens.json"), UNSIGNED);
    }
}

#[test]
fn a_module_that_may_not_be_read_or_run_is_reported() {
    let desk = Desk::new();
    let module = altered(&desk, b"SoftHSM", b"SoftHSM");
    let folder = desk.folder().display().to_string();
    let arguments = ["--module", &module, "list"];
    let script = format!(
        "mount --bind '{folder}' '{folder}' && mount -o remount,bind,noexec '{folder}' && exec \"$@\""
    );
    let done = desk.countersign_after_mounting(&script, &arguments).go().exits(3);
    done.says("the system does not run code from there").says("noexec");

    fs::set_permissions(&module, fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read everything, unless it gives that up.
    let not_all: &[&str] = match rustix::process::geteuid().is_root() {
        true => &["setpriv", "--bounding-set=-dac_override,-dac_read_search"],
        false => &["env"],
    };
    let done = desk.countersign_under(not_all, &arguments).go().exits(3);
    done.says("this user may not read it (permission denied)").says("namei -l ");
}

#[test]
fn a_module_name_means_the_devices_of_that_module_alone() {
    let near = Desk::new();
    near.write("tokens.json", UNSIGNED);
    let far_device = Desk::provisioned(&["--label", "far-officer"]);
    let conf = far_device.path("device/softhsm2.conf");
    let remote = |conf: Option<&Path>| {
        let variable = conf.map(|conf| format!("env SOFTHSM2_CONF={} ", conf.display())).unwrap_or_default();
        format!("remote: |{variable}p11-kit remote {}\n", softhsm_module())
    };
    let modules = [("far.module", &*remote(Some(&conf))), ("near.module", &*remote(None))];
    for (name, uri, exit) in [
        ("near", "pkcs11:token=officer;id=%01", 0),
        ("far", "pkcs11:token=officer;id=%01", 3),
        ("far", "pkcs11:token=far-officer;id=%01", 0),
        ("near", "pkcs11:token=far-officer;id=%01", 3),
    ] {
        let uri = format!("{uri}?module-name={name}");
        let done = with_p11_kit(&near, &modules, &["sign", "--force", "--key", &uri, "tokens.json"]);
        assert_eq!(done.code(), exit, "{uri}: {}", done.stderr());
    }
    let listed = with_p11_kit(&near, &modules, &["list", "--json"]).exits(0).json();
    for (index, name) in ["far", "near"].into_iter().enumerate() {
        let module = &listed["modules"][index];
        assert_eq!(
            (&module["name"], module["devices"].as_array().map(Vec::len)),
            (&name.into(), Some(1)),
            "{listed}"
        );
    }
}

#[test]
fn two_devices_alike_behind_two_remote_modules_have_uris_that_work_again() {
    let desk = Desk::new();
    let other = desk.path("other");
    // The same device again, as a copy of its files.
    let copied =
        std::process::Command::new("cp").arg("-r").arg(desk.path("device")).arg(&other).status().unwrap();
    assert!(copied.success());
    let conf = other.join("softhsm2.conf");
    let text = fs::read_to_string(&conf).unwrap().replace("/device/", "/other/");
    fs::write(&conf, text).unwrap();
    fs::remove_file(desk.path("calls")).ok();
    let remote =
        format!("remote: |env SOFTHSM2_CONF={} p11-kit remote {}\n", conf.display(), softhsm_module());
    let modules = [("far.module", &*remote), ("near.module", &*softhsm())];
    let listed = with_p11_kit(&desk, &modules, &["list", "--json"]).exits(0).json();
    for module in listed["modules"].as_array().unwrap() {
        for device in module["devices"].as_array().unwrap() {
            let uri = device["uri"].as_str().unwrap();
            let again = with_p11_kit(&desk, &modules, &["list", "--json", uri]).exits(0).json();
            let found = again["modules"].as_array().unwrap().iter();
            let count: usize = found.map(|module| module["devices"].as_array().map_or(0, Vec::len)).sum();
            assert_eq!(count, 1, "{uri}: {again}");
        }
    }
}

#[test]
fn a_library_that_is_not_a_module_is_reported() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    let done = desk.countersign(&["--module", "libc.so.6", "sign", "tokens.json"]).go().exits(3);
    pinned("module_no_pkcs11", &desk, "countersign --module libc.so.6 sign tokens.json", &done);
}

fn refused(name: &str, module: &str, contents: Option<&[u8]>) {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    if let Some(contents) = contents {
        desk.write(module, contents);
    }
    let path = desk.path(module);
    let done = desk.countersign(&["--module", path.to_str().unwrap(), "sign", "tokens.json"]).go().exits(3);
    pinned(name, &desk, &format!("countersign --module DESK/{module} sign tokens.json"), &done);
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn softhsm_without_its_configuration_is_reported_with_what_to_do() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    let done = desk.countersign(&["sign", "tokens.json"]).env("SOFTHSM2_CONF", "/nowhere").go().exits(3);
    pinned("module_softhsm_unconfigured", &desk, "countersign sign tokens.json", &done);
}

#[test]
fn no_device_at_all_is_reported() {
    let desk = Desk::without_device();
    desk.write("tokens.json", UNSIGNED);
    desk.write("empty.conf", format!("directories.tokendir = {}\n", desk.folder().display()).as_bytes());
    let done = desk
        .countersign(&["sign", "tokens.json"])
        .env("SOFTHSM2_CONF", desk.path("empty.conf"))
        .go()
        .exits(3);
    pinned("sign_no_device", &desk, "countersign sign tokens.json", &done);
}

/// ykcs11 does this while a card is inserted.
#[test]
fn a_slot_that_appears_while_slots_are_listed_blocks_nothing() {
    let desk = Desk::new();
    for (arguments, listings) in [(&["list"][..], 8), (&SIGN, 4)] {
        let done =
            with_faults(&desk, &[arguments, &["--timeout", "10"]].concat(), "C_GetSlotList=appears").go();
        done.exits(0);
        assert!(calls(&desk, "C_GetSlotList") <= listings, "{}", calls(&desk, "C_GetSlotList"));
    }
    assert!(openssl_accepts(&desk, "tokens.json", "device/signkey.pub.pem"));
}
