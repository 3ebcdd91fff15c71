//! What must never be said.

use crate::support::desk::PIN;
use crate::support::server::Server;

/// Asserts that a text holds none of the credentials that were given out, no PIN, and none of `more`.
#[track_caller]
pub fn holds_no_secret(text: &str, server: &Server, more: &[String]) {
    // The account's number, which begins like the PIN.
    let text = text.replace("123456789012", "");
    let given = server.aws.log().into_iter().flat_map(|line| {
        ["secretAccessKey", "sessionToken"]
            .map(|name| line["credential"][name].as_str().unwrap_or(PIN).to_owned())
    });
    for secret in given.chain([PIN.to_owned()]).chain(more.iter().cloned()) {
        assert!(!text.contains(&secret), "{secret:?} is in what was said: {text}");
    }
}
