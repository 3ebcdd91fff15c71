//! A server whose `~/.aws/config` has a profile with countersign as its `credential_process`.

use crate::support::authority::text;
use crate::support::clients::Way;
use crate::support::desk::SIGNKEY;
use crate::support::parts::{fault_module, softhsm_module};
use crate::support::roles_anywhere::{PROFILE, ROLE, TRUST_ANCHOR};
use crate::support::server::Server;

/// The profile's way.
pub const DEVICE: Way<'_> = Way::Process { profile: "device" };

/// A server with `[profile device]` in its `aws-config`. The options are those that people write for
/// aws_signing_helper. What only a test needs is in a script with the program's name, since the clients pass
/// no variables of their own.
pub fn server_with_profile(options: &str) -> Server {
    let server = Server::new();
    let script = format!(
        "#!/bin/sh\nexport AWS_CA_BUNDLE='{}' COUNTERSIGN_MODULE='{}' FAULT_MODULE='{}' FAULT_LOG=calls\n\
         unset NO_PROXY\nexec {} \"$@\"\n",
        text(&server.aws.ca()),
        text(&fault_module()),
        softhsm_module(),
        env!("CARGO_BIN_EXE_countersign"),
    );
    let program = server.desk.write("countersign", script.as_bytes());
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let profile = format!(
        "[profile device]\ncredential_process = {} credential-process --certificate server.pem \
         --private-key \"{SIGNKEY}\" --intermediates intermediates.pem --role-arn {ROLE} --profile-arn {PROFILE} \
         --trust-anchor-arn {TRUST_ANCHOR} --endpoint {} --pin-source file:device/pin {options}\n",
        text(&program),
        server.aws.url(),
    );
    server.desk.write("aws-config", profile.as_bytes());
    server
}
