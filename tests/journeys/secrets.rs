//! The PIN appears in no output, no child's environment, and no core dump.

use std::fs;
use std::process::Stdio;

use rustix::process::Pid;

use crate::support::desk::{Desk, PIN, SIGNKEY};
use crate::support::leaks::Secrets;
use crate::support::parts::softhsm_module;
use crate::support::running::eventually;
use crate::support::server::Server;
use crate::support::token_files::UNSIGNED;

#[test]
fn no_mistake_in_giving_a_pin_shows_it() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    const SECRET: &str = "s3cr3t-pin";
    let with = |uri: &str| uri.replace("PIN", SECRET);
    let arguments: Vec<Vec<String>> = [
        vec!["sign", "--key", "pkcs11:token=officer;id=%01?pin-value=PIN", "tokens.json"],
        vec!["sign", "--key", "pkcs11:token=officer;pin-value=PIN", "tokens.json"],
        vec!["sign", "--key", "pkcs11:token=officer?pin-value=PIN%zz", "tokens.json"],
        vec!["sign", "--key", "pkcs11:token=a b?pin-value=PIN", "tokens.json"],
        vec!["sign", "--key", "pkcs11:?pin-value=PIN#x", "tokens.json"],
        vec!["sign", "--key", "pkcs11:?pin-value=PIN&pin-source=file:/x", "tokens.json"],
        vec!["sign", "--key", "pkcs11:object=nobody?pin-value=PIN", "tokens.json"],
        vec!["sign", "pkcs11:object=signkey?pin-value=PIN"],
        vec!["sign", "tokens.json", "--unknown=pkcs11:?pin-value=PIN"],
        vec!["list", "pkcs11:?pin-value=PIN", "pkcs11:?pin-value=PIN"],
        vec!["list", "--login", "pkcs11:token=officer?pin-value=PIN"],
        vec!["verify", "--public-key", "pkcs11:?pin-value=PIN", "tokens.json"],
        vec!["public-key", "-o", "pkcs11:?pin-value=PIN/x"],
        vec!["pkcs11:?pin-value=PIN"],
        vec!["sign", "--pin-source", "PIN", "tokens.json"],
        vec!["sign", "--pin-source", "pin:PIN", "tokens.json"],
    ]
    .into_iter()
    .map(|arguments| arguments.into_iter().map(with).collect())
    .collect();
    for arguments in arguments {
        for verbose in [false, true] {
            let mut arguments = arguments.clone();
            if verbose {
                arguments.extend(["-v".into(), "--json".into()]);
            }
            let done = desk.countersign(&arguments).go();
            assert_ne!(done.code(), 0, "{arguments:?}");
            assert!(!done.stderr().contains(SECRET), "{arguments:?}: {}", done.stderr());
            assert!(!done.stdout().contains(SECRET), "{arguments:?}: {}", done.stdout());
        }
    }
    let uri = format!("{SIGNKEY}?pin-value={SECRET}");
    let done = desk.countersign(&["sign", "tokens.json"]).env("COUNTERSIGN_KEY", &uri).go().exits(5);
    assert!(!done.stderr().contains(SECRET));
    let done = desk.countersign(&["sign", "--help"]).env("COUNTERSIGN_KEY", &uri).go().exits(0);
    assert!(!done.stdout().contains(SECRET));
    assert_eq!(desk.read("tokens.json"), UNSIGNED);
}

#[test]
fn a_program_that_p11_kit_starts_does_not_inherit_the_pin() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    fs::create_dir(desk.path("modules")).unwrap();
    let remote = desk.write(
        "remote.sh",
        format!(
            "#!/bin/sh\nenv >> {}\nexec p11-kit remote {}\n",
            desk.path("seen").display(),
            softhsm_module()
        )
        .as_bytes(),
    );
    fs::write(desk.path("modules/far.module"), format!("remote: |sh {}\n", remote.display())).unwrap();
    // `list` and `doctor` first try the module in a separate process, for which the program is started once
    // more.
    for (arguments, starts) in
        [(&["sign", "tokens.json"][..], 1), (&["list", "--login"], 2), (&["doctor"], 2)]
    {
        let _ = fs::remove_file(desk.path("seen"));
        desk.countersign_after_mounting(
            "mount --bind modules /usr/share/p11-kit/modules && exec \"$@\"",
            &[arguments, &["--pin-source", "env:OFFICER_PIN"]].concat(),
        )
        .without_env("COUNTERSIGN_MODULE")
        .env("OFFICER_PIN", PIN)
        .env("COUNTERSIGN_KEY", format!("{SIGNKEY}?pin-value=654321"))
        .go()
        .exits(0);
        let seen = String::from_utf8(desk.read("seen")).unwrap();
        assert_eq!(seen.matches("SOFTHSM2_CONF=").count(), starts, "{arguments:?}: {seen}");
        assert!(!seen.contains(PIN) && !seen.contains("654321"), "{arguments:?}: {seen}");
    }
}

#[test]
fn the_process_leaves_no_core_dump_and_cannot_be_traced() {
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    // It waits for a PIN from a pipe that nobody writes to yet.
    let pipe = desk.path("pin-pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut run =
        desk.countersign(&["sign", "--key", SIGNKEY, "--pin-source", "file:pin-pipe", "tokens.json"]);
    run.command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = run.command.spawn().unwrap();
    let process = format!("/proc/{}", child.id());
    let limit = loop {
        let limits = fs::read_to_string(format!("{process}/limits")).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap().to_owned();
        let name = fs::read_to_string(format!("{process}/comm")).unwrap();
        if name.trim() == "countersign" && core.split_whitespace().nth(5) == Some("0") {
            break core;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended early");
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    assert_eq!(limit.split_whitespace().nth(4), Some("0"), "{limit}");
    // In /proc, a process that is not dumpable belongs to root, and no process of the same user can attach to
    // it.
    let attached = std::process::Command::new("sh")
        .args(["-c", "exec setpriv --inh-caps=-all --bounding-set=-all cat \"$0/environ\""])
        .arg(&process)
        .output()
        .unwrap();
    assert!(!attached.status.success(), "another process of the same user could read its memory");
    fs::write(&pipe, PIN).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_pin_file_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    desk.write("tokens.json", UNSIGNED);
    fs::set_permissions(desk.path("device/pin"), fs::Permissions::from_mode(0o644)).unwrap();
    desk.countersign(&["sign", "--key", SIGNKEY, "tokens.json"])
        .with_pin()
        .go()
        .exits(0)
        .says("warning: the PIN file \"device/pin\" can be read by others (mode 0644): chmod 600 it");
}

#[test]
fn a_leak_is_found_wherever_it_is() {
    let server = Server::new();
    server.done(server.run("credential-process", &[])).exits(0);
    let given = &server.aws.log()[0]["credential"];
    let [key, token] = ["secretAccessKey", "sessionToken"].map(|name| given[name].as_str().unwrap());
    let container = "container-token".to_owned();
    let secrets = Secrets::of(&server).and(std::slice::from_ref(&container));
    let leaks = |check: &dyn Fn(&Secrets)| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&secrets))).is_err()
    };
    let folder = server.desk.folder();
    assert!(!leaks(&|secrets| secrets.are_not_in_folder(folder)));
    for secret in [PIN, key, token, &container] {
        let said = format!("a text with {secret} in it");
        assert!(leaks(&|secrets| secrets.are_not_in("stdout", said.as_bytes())), "{secret}");
        let mut in_environment = std::process::Command::new("sleep");
        let mut in_command_line = std::process::Command::new("tail");
        in_environment.arg("60").env("LEAK", secret);
        in_command_line.args(["-f", "/dev/null", "--", secret]).stderr(Stdio::null());
        for command in [&mut in_environment, &mut in_command_line] {
            let mut process = command.spawn().unwrap();
            // The kernel sets up both after the program was started.
            let command_line = format!("/proc/{}/cmdline", process.id());
            eventually("it has a command line", || {
                fs::read(&command_line).ok().filter(|line| !line.is_empty())
            });
            let is_found = leaks(&|secrets| secrets.are_not_in_process(Pid::from_child(&process)));
            process.kill().unwrap();
            process.wait().unwrap();
            assert!(is_found, "{secret}: {command:?}");
        }
        for log in ["output-99", "calls", "audit.log"] {
            server.desk.write(log, said.as_bytes());
            assert!(leaks(&|secrets| secrets.are_not_in_folder(folder)), "{secret}: {log}");
            fs::remove_file(server.desk.path(log)).unwrap();
        }
    }
    fs::create_dir_all(server.desk.path(".cache/countersign")).unwrap();
    server.desk.write(".cache/countersign/leak", PIN.as_bytes());
    assert!(leaks(&|secrets| secrets.are_not_in_folder(folder)), "the PIN in the cache");
}
