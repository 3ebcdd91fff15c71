//! `packaging/launchd`: what launchd would start, run by a shell. launchd itself exists on macOS alone.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::json;

use crate::support::desk::PIN;
use crate::support::parts::root;
use crate::support::roles_anywhere::ROLE;
use crate::support::run::Run;
use crate::support::running::Running;
use crate::support::server::Server;

/// The agent's last argument, the script.
fn script() -> String {
    let text = fs::read_to_string(root().join("packaging/launchd/countersign.serve.plist")).unwrap();
    let strings = text.split("<string>").skip(1).map(|rest| rest.split("</string>").next().unwrap());
    let script = strings.into_iter().find(|string| string.contains("countersign serve")).unwrap();
    script.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&")
}

/// The agent of a user with this PIN in their file. The options that a test needs come from a program in the place of
/// countersign.
fn agent(server: &Server, pin: &str) -> Run {
    let desk = &server.desk;
    fs::create_dir_all(desk.path(".config/countersign")).unwrap();
    let role = format!("[[role]]\nname = \"demo\"\nrole-arn = \"{ROLE}\"\n");
    desk.write(".config/countersign/serve.toml", role.as_bytes());
    desk.write(".config/countersign/pin", pin.as_bytes());
    let direct = server.run("serve", &["--port", "0"]).command;
    let options: Vec<String> =
        direct.get_args().skip(2).map(|option| format!("'{}'", option.to_str().unwrap())).collect();
    let program = env!("CARGO_BIN_EXE_countersign");
    desk.write("countersign", format!("exec {program} \"$@\" {}\n", options.join(" ")).as_bytes());
    // What a shell's caller ignores, as `nohup` does, the shell cannot trap.
    let mut command = Command::new("env");
    command
        .args(["--default-signal=HUP", "sh", "-c"])
        .arg(script().replace("/usr/local/bin/countersign", "sh countersign"));
    command.current_dir(desk.folder()).env_clear().process_group(0);
    command.envs(direct.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("HOME", desk.folder()).env("PATH", "/usr/bin:/bin");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Run::of(command).without_env("COUNTERSIGN_PIN_SOURCE")
}

#[test]
fn it_serves_renews_at_a_hang_up_signal_and_ends_when_it_is_told_to() {
    let server = Server::new();
    let mut running = Running::of(&server, agent(&server, PIN));
    running.says("listening on http://").signal(Signal::HUP);
    running.says("role=demo renewed").signal(Signal::TERM);
    running.ends(0);
}

#[test]
fn launchd_restarts_it_after_a_failure_but_not_after_a_refused_pin() {
    let server = Server::new();
    let refused = agent(&server, "wrong-pin").go().exits(0);
    assert!(refused.stderr().contains("CKR_PIN_INCORRECT"), "{}", refused.stderr());
    server.aws.next(json!({"do": "status", "status": 503, "times": 0}));
    agent(&server, PIN).go().exits(9);
}
