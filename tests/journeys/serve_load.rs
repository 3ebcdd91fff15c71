//! `countersign serve` under load.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use serde_json::json;

use crate::support::authority::text;
use crate::support::clients::load;
use crate::support::server::Server;
use crate::support::serving::Serving;

#[test]
fn ten_thousand_requests_over_fifty_connections_lose_none_while_credentials_are_renewed() {
    let server = Server::new();
    // So long that none ends on its way to a client of a busy machine.
    server.aws.settings(json!({"lifetime": 60}));
    let serving = Serving::start(&server, &["--container-token-file", "token"]);
    let token_file = server.desk.path("token");
    serving.running.hides(&fs::read_to_string(&token_file).unwrap());
    let url = serving.url();
    let container = format!("{url}/creds/demo");
    let ways =
        [&["--imds", &url][..], &["--container", &container, "--authorization-file", text(&token_file)]];
    let (pid, is_over) = (serving.running.pid(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let over = SetAtTheEnd(&is_over);
        // Oftener than the credentials ask for it.
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                kill_process(pid, Signal::HUP).expect("a process is told");
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        let reports = ways.map(|way| {
            load(&[way, &["--requests", "10000", "--connections", "50", "--access-keys", "3"]].concat())
        });
        drop(over);
        let given = server.aws.access_keys();
        for report in reports {
            assert!(report["requests"].as_u64() >= Some(10_000), "{report}");
            assert_eq!((&report["good"], &report["failures"]), (&report["requests"], &json!([])), "{report}");
            assert_eq!(report["reconnects"], 0, "{report}");
            let keys = report["access_keys"].as_array().unwrap();
            assert!(keys.len() >= 3, "hardly renewed: {report}");
            assert!(keys.iter().all(|key| given.iter().any(|given| key == given)), "{given:?}: {report}");
        }
    });
    serving.stop();
}

/// Also when the test panics: the scope waits for its threads.
struct SetAtTheEnd<'a>(&'a AtomicBool);

impl Drop for SetAtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
