//! `countersign serve` under load.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use serde_json::json;

use crate::support::authority::text;
use crate::support::clients::load;
use crate::support::running::PulledOut;
use crate::support::server::Server;
use crate::support::serving::Serving;

/// The number of requests in each way, for longer runs by hand; there is a renewal for each 4,000.
const REQUESTS: &str = "COUNTERSIGN_TEST_REQUESTS";

#[test]
fn ten_thousand_requests_lose_none_while_renewals_succeed_and_fail() {
    let requests: u64 = std::env::var(REQUESTS).map_or(10_000, |text| text.parse().expect("a number"));
    let renewals = (requests / 4000).max(3).to_string();
    let server = Server::new();
    // Long enough that none expires on its way to a client on a busy machine.
    server.aws.settings(json!({"lifetime": 60}));
    let serving = Serving::start(&server, &["--container-token-file", "token"]);
    let token_file = server.desk.path("token");
    serving.running.hides(&fs::read_to_string(&token_file).unwrap());
    let url = serving.url();
    let container = format!("{url}/creds/demo");
    let ways =
        [&["--imds", &url][..], &["--container", &container, "--authorization-file", text(&token_file)]];
    let (pid, is_over) = (serving.running.pid(), AtomicBool::new(false));
    let (server, over) = (&server, &is_over);
    std::thread::scope(|scope| {
        let at_the_end = SetAtTheEnd(&is_over);
        // More often than the credentials require; now and then AWS or the device fails before it succeeds.
        scope.spawn(move || {
            for renewal in 1_u64.. {
                let before = server.aws.access_keys().len();
                if renewal % 4 == 0 {
                    server.aws.next(json!({"do": "status", "status": 503, "times": 3}));
                }
                let gone = (renewal % 7 == 0).then(|| PulledOut::of(server));
                kill_process(pid, Signal::HUP).expect("a process is told");
                std::thread::sleep(Duration::from_millis(300));
                drop(gone);
                while server.aws.access_keys().len() == before {
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        });
        let reports = ways.map(|way| {
            let count = requests.to_string();
            load(&[way, &["--requests", &count, "--connections", "50", "--access-keys", &renewals]].concat())
        });
        drop(at_the_end);
        let given = server.aws.access_keys();
        for report in reports {
            assert!(report["requests"].as_u64() >= Some(requests), "{report}");
            assert_eq!((&report["good"], &report["failures"]), (&report["requests"], &json!([])), "{report}");
            assert_eq!(report["reconnects"], 0, "{report}");
            let keys = report["access_keys"].as_array().unwrap();
            assert!(keys.len() as u64 >= (requests / 4000).max(3), "hardly renewed: {report}");
            assert!(keys.iter().all(|key| given.iter().any(|given| key == given)), "{given:?}: {report}");
        }
    });
    serving.stop();
}

/// Even if the test panics, because the scope waits for its threads.
struct SetAtTheEnd<'a>(&'a AtomicBool);

impl Drop for SetAtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
