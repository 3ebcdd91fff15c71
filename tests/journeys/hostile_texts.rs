//! Foreign texts, and a system that is short of everything: what is shown of the former, and reported of the
//! latter.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use crate::support::desk::Desk;

/// A C1 control character that some terminals obey, one that reverses the line, and one that begins a new
/// line.
const ACTIVE: [char; 3] = ['\u{9b}', '\u{202e}', '\u{2028}'];

#[test]
fn characters_that_act_on_a_terminal_reach_neither_a_terminal_nor_json() {
    let desk = Desk::new();
    let name = format!("a{}b", ACTIVE.iter().collect::<String>());
    let quorum = include_str!("../samples/aws-quorum-user-unsigned.json");
    let mut file: serde_json::Value = serde_json::from_str(quorum).unwrap();
    file["signatures"] = serde_json::json!([{ "username": name, "role": name, "signature": "AAAA" }]);
    file["service"] = name.as_str().into();
    let path = format!("{name}.json");
    desk.write(&path, file.to_string().as_bytes());
    for command in
        [vec!["show", &path], vec!["show", "--json", &path], vec!["show", "--json", "no\u{202e}file"]]
    {
        let done = desk.countersign(&command).go();
        for output in [done.stdout(), done.stderr()] {
            assert!(!output.contains(ACTIVE), "{command:?}: {output:?}");
        }
        if command.contains(&path.as_str()) && command.contains(&"--json") {
            // It means the same.
            assert!(done.json().to_string().contains(&name), "{}", done.stdout());
        }
    }
    let sign = ["sign", "--audit-log", "audit.log", &path];
    desk.countersign(&sign).with_pin().go();
    let log = String::from_utf8(desk.read("audit.log")).unwrap();
    assert!(log.contains("\\u202e") && !log.contains(ACTIVE), "{log:?}");
    desk.countersign(&["audit", "verify", "audit.log"]).go().exits(0);
}

#[test]
fn each_line_is_written_in_one_piece() {
    let desk = Desk::new();
    // A datagram is what was written at once.
    let (theirs, ours) = UnixDatagram::pair().unwrap();
    let mut run = desk.countersign(&["show", "missing.json"]);
    run.command.stderr(OwnedFd::from(theirs));
    run.go().exits(1);
    ours.set_nonblocking(true).unwrap();
    let mut buffer = [0; 4096];
    let pieces: Vec<String> =
        std::iter::from_fn(|| ours.recv(&mut buffer).ok().map(|n| buffer[..n].to_vec()))
            .map(|piece| String::from_utf8(piece).unwrap())
            .collect();
    assert!(pieces.len() >= 2 && pieces.concat().contains("help: "), "{pieces:?}");
    for piece in &pieces {
        assert!(piece.ends_with('\n') && piece.len() > 1, "{pieces:?}");
    }
}

#[test]
fn a_user_who_may_not_start_a_thread_is_told_so() {
    let desk = Desk::new();
    // The limit counts all processes of a user, except root's: this user has no others.
    let as_user: &[&str] = match rustix::process::geteuid().is_root() {
        true => &["setpriv", "--reuid=64123", "--clear-groups"],
        false => &["env"],
    };
    let program = Path::new(env!("CARGO_BIN_EXE_countersign"));
    let copy = desk.path("program");
    // Another process does this: a child that another test starts meanwhile would hold the file open for
    // writing, and it could not be executed.
    crate::support::parts::tool("cp", &[program.as_os_str(), copy.as_os_str()]);
    for path in [desk.folder(), &copy] {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let mut command = std::process::Command::new(as_user[0]);
    command.args(&as_user[1..]).args(["prlimit", "--nproc=1"]).arg(&copy).args(["show", "/dev/null"]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("a thread cannot be started") && said.contains("ulimit -u"), "{said}");
}
