//! Tries a module in a separate process before it is loaded into this one, so that a module that crashes
//! there hides no other. The other process gets no PIN: it only looks, as `list` does without a login.

use std::io::Read;

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use countersign::device::Trial;
use countersign::platform::process;
use countersign::uri::Uri;
use serde_json::Value;

/// The process itself gives up on a module that does not answer; this is how much longer it gets to report
/// that.
const MARGIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Tries modules in processes that give up on one that has not answered for `patience`.
pub(super) fn trial(patience: Duration) -> Trial {
    Trial::new(move |name, path| match try_module(name, patience) {
        // The message names the module as the other process knows it.
        Err(reason) => Err(reason.replace(&format!("the module {path:?} "), "it ")),
        Ok(()) => Ok(()),
    })
}

fn try_module(name: &str, patience: Duration) -> Result<(), String> {
    let uri = Uri { module_name: Some(name.as_bytes().to_vec()), ..Uri::default() };
    // If no process can be started, the module is tried in this one.
    let Ok(mut child) = start(&uri, patience) else { return Ok(()) };
    let deadline = Instant::now() + patience + MARGIN;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => thread::sleep(LOOK_EVERY),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return Err("it does not answer".into());
            }
        }
    };
    let mut said = Vec::new();
    if let Some(stdout) = &mut child.stdout {
        let _ = stdout.read_to_end(&mut said);
    }
    let document: Value = serde_json::from_slice(&said).unwrap_or_default();
    if status.success() && document["tried"] == true {
        return Ok(());
    }
    let error = &document["error"];
    let Some(message) = error["message"].as_str() else {
        return Err(format!("it crashed or exited when it was tried ({status})"));
    };
    let detail = error["detail"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Err(std::iter::once(message).chain(detail).collect::<Vec<_>>().join("; "))
}

fn start(uri: &Uri, patience: Duration) -> std::io::Result<Child> {
    Command::new(process::own_program()?)
        .args([
            "list",
            "--in-trial",
            "--json",
            "--timeout",
            &patience.as_secs().to_string(),
            &uri.to_string(),
        ])
        .env_remove("COUNTERSIGN_MODULE")
        .env_remove("COUNTERSIGN_PIN_SOURCE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
}
