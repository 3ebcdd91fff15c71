//! `countersign serve` and `update` started by hand, where a person types the PIN.

use std::fs;

use expectrl::Expect;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::authority::{Authority, Leaf, text};
use crate::support::desk::{Desk, PIN};
use crate::support::faults::calls;
use crate::support::leaks::Secrets;
use crate::support::roles_anywhere::RolesAnywhere;
use crate::support::running::eventually;
use crate::support::server::Server;
use crate::support::terminal::{Terminal, ends, run_with_faults};

/// The program below the shell of a terminal. A terminal that closes does not end a service, so that this does.
struct ByHand(Pid);

impl ByHand {
    fn on(terminal: &Terminal) -> Self {
        let shell = terminal.get_process().pid();
        eventually("the program below its shell", || {
            let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).ok()?;
            let is_program = |pid: &&str| {
                fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "countersign")
            };
            let pid = children.split_whitespace().find(is_program)?;
            Pid::from_raw(pid.parse().ok()?).map(ByHand)
        })
    }

    fn signal(&self, signal: Signal) {
        let _ = kill_process(self.0, signal);
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// A server whose key requires the PIN for each signature.
fn with_always_key() -> Server {
    let (desk, authority) =
        (Desk::provisioned(&["--keys", "alwayskey", "--pin", PIN]), Authority::with_intermediate());
    let public = desk.path("always.pub");
    let key = ["public-key", "--key", "pkcs11:object=alwayskey", "-o", "always.pub"];
    desk.countersign(&key).go().exits(0);
    authority.issue(&public, &Leaf::default(), &desk.path("server.pem"));
    fs::copy(authority.intermediates(), desk.path("intermediates.pem")).unwrap();
    Server { aws: RolesAnywhere::trusting(&authority), desk, authority }
}

#[test]
fn a_person_types_the_pin_once_also_for_a_key_that_requires_it_each_time() {
    for (server, always) in [(Server::new(), false), (with_always_key(), true)] {
        for (command, more, first, again) in [
            ("serve", &["--port", "0"][..], "listening on", "role=demo renewed"),
            ("update", &["--profile", "work"], "is good until", "is good until"),
        ] {
            let _ = fs::remove_file(server.desk.path("calls"));
            let mut options = server.options_but(&[]);
            if always {
                let key = options.iter().position(|option| option == "--private-key").unwrap();
                options[key + 1] = "pkcs11:object=alwayskey;type=private".into();
            }
            let arguments: Vec<&str> = [command]
                .into_iter()
                .chain(options.iter().map(String::as_str))
                .chain(more.iter().copied())
                .collect();
            let (bundle, log) = (server.aws.ca(), server.desk.path("calls"));
            let environment = [
                ("AWS_CA_BUNDLE", text(&bundle)),
                ("FAULT_LOG", text(&log)),
                ("AWS_SHARED_CREDENTIALS_FILE", "aws-credentials"),
            ];
            let mut terminal = run_with_faults(&server.desk, &arguments, "", &environment);
            let program = ByHand::on(&terminal);
            terminal.expect("PIN for officer").unwrap();
            terminal.expect("): ").unwrap();
            terminal.send_line(PIN).unwrap();
            terminal.expect(first).unwrap();
            for times in 2..4 {
                program.signal(Signal::HUP);
                terminal.expect(again).unwrap();
                eventually("a signature", || (calls(&server.desk, "C_Sign") == times).then_some(()));
            }
            let log = String::from_utf8(server.desk.read("calls")).unwrap();
            let context = log.lines().filter(|call| *call == "C_Login context").count();
            assert_eq!(context, if always { 3 } else { 0 }, "{command}: {log}");
            program.signal(Signal::TERM);
            let said = ends(terminal, 0);
            // Its number may be another program's by now.
            std::mem::forget(program);
            assert!(!said.contains("PIN for officer"), "{said}");
            Secrets::of(&server).are_not_in("the terminal", said.as_bytes());
        }
    }
}

#[test]
fn a_person_who_types_no_pin_of_the_device_is_not_asked_again_for_another_role() {
    let server = Server::new();
    let role = |name: &str| {
        format!("[[role]]\nname = \"{name}\"\nrole-arn = \"arn:aws:iam::123456789012:role/{name}\"\n")
    };
    server.desk.write("serve.toml", ["one", "two"].map(role).concat().as_bytes());
    let options = server.options_but(&[("--role-arn", "")]);
    let arguments: Vec<&str> = ["serve", "--port", "0", "--config", "serve.toml"]
        .into_iter()
        .chain(options.iter().map(String::as_str))
        .collect();
    let (bundle, log) = (server.aws.ca(), server.desk.path("calls"));
    let environment = [("AWS_CA_BUNDLE", text(&bundle)), ("FAULT_LOG", text(&log))];
    let mut terminal = run_with_faults(&server.desk, &arguments, "", &environment);
    for _ in 0..2 {
        terminal.expect("): ").unwrap();
        terminal.send_line("123").unwrap();
    }
    let said = ends(terminal, 5);
    assert!(said.contains("has 3 characters; it was not sent"), "{said}");
    assert_eq!(calls(&server.desk, "C_Login"), 0);
}
