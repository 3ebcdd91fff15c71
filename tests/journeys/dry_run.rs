//! `credential-process --dry-run`: everything except sending, and where the request would have gone.

use crate::support::desk::SIGNKEY;
use crate::support::faults::calls;
use crate::support::leaks::Secrets;
use crate::support::openssl::openssl;
use crate::support::roles_anywhere::{PROFILE, TRUST_ANCHOR};
use crate::support::run::Done;
use crate::support::server::Server;

#[test]
fn it_says_everything_that_would_be_sent_and_sends_nothing() {
    let server = Server::new();
    let done = server.done(server.counted(&[], &["--dry-run"])).exits(0);
    assert_eq!((calls(&server.desk, "C_Login"), calls(&server.desk, "C_Sign")), (1, 1));
    let report = done.stdout();
    Secrets::of(&server).are_not_in("the report", report.as_bytes());
    for line in [
        format!("key          {SIGNKEY}"),
        "certificate  CN=server1-demo".into(),
        "chain        CN=countersign test intermediate".into(),
        format!("endpoint     {}", server.aws.url()),
        "signature    256 bytes by CKM_SHA256_RSA_PKCS, verified under the public key".into(),
        "POST\n/sessions\n\ncontent-type:application/json\nhost:localhost:".into(),
        "AWS4-X509-RSA-SHA256\n".into(),
    ] {
        assert!(report.contains(&line), "no {line:?} in {report}");
    }
    done.says("Nothing was sent (--dry-run).");
    assert_eq!(server.aws.log().len(), 0);
    // And nothing was stored.
    assert!(!server.desk.path(".cache").exists());
}

#[test]
fn the_json_document_has_what_was_signed() {
    let server = Server::new();
    let document = server.done(server.counted(&[], &["--dry-run", "--json"])).exits(0).json();
    let canonical = document["canonical_request"].as_str().unwrap();
    server.desk.write("canonical", canonical.as_bytes());
    let digest = openssl(&["dgst", "-sha256", "-r", server.desk.path("canonical").to_str().unwrap()]);
    let digest = String::from_utf8(digest).unwrap();
    let string_to_sign = document["string_to_sign"].as_str().unwrap();
    assert_eq!(string_to_sign.lines().last(), digest.split(' ').next());
    assert_eq!(document["certificate"], "CN=server1-demo");
    assert_eq!(document["endpoint"], server.aws.url());
    assert_eq!(server.aws.log().len(), 0);
}

#[test]
fn the_endpoint_is_the_one_of_region_partition_and_kind() {
    let server = Server::new();
    for (region, options, host) in [
        ("eu-west-1", &[][..], "rolesanywhere.eu-west-1.amazonaws.com"),
        ("us-east-1", &["--fips"], "rolesanywhere-fips.us-east-1.amazonaws.com"),
        ("us-east-1", &["--dualstack"], "rolesanywhere.us-east-1.api.aws"),
        ("us-gov-west-1", &["--fips", "--dualstack"], "rolesanywhere-fips.us-gov-west-1.api.aws"),
        ("cn-north-1", &[], "rolesanywhere.cn-north-1.amazonaws.com.cn"),
        ("cn-north-1", &["--dualstack"], "rolesanywhere.cn-north-1.api.amazonwebservices.com.cn"),
        ("eu-isoe-west-1", &[], "rolesanywhere.eu-isoe-west-1.cloud.adc-e.uk"),
        ("eu-west-1", &["--region", "us-east-2"], "rolesanywhere.us-east-2.amazonaws.com"),
        ("us-east-1", &["--region", "us-east-1-fips"], "rolesanywhere-fips.us-east-1.amazonaws.com"),
    ] {
        let done = dry_run(&server, region, options, &[]);
        // The scope has the real region.
        let scope = host.split('.').nth(1).unwrap();
        let report = done.stdout();
        for part in [
            format!("https://{host}\n"),
            format!("\nhost:{host}\n"),
            format!("/{scope}/rolesanywhere/aws4_request\n"),
        ] {
            assert!(report.contains(&part), "{region} {options:?}: no {part:?} in {report}");
        }
    }
}

#[test]
fn the_environment_s_switches_for_endpoints_are_those_of_aws_s_clients() {
    let server = Server::new();
    for (value, host) in [
        ("true", "rolesanywhere-fips.us-east-1.api.aws"),
        ("True", "rolesanywhere-fips.us-east-1.api.aws"),
        ("false", "rolesanywhere.us-east-1.amazonaws.com"),
        ("FALSE", "rolesanywhere.us-east-1.amazonaws.com"),
    ] {
        let switches = [("AWS_USE_FIPS_ENDPOINT", value), ("AWS_USE_DUALSTACK_ENDPOINT", value)];
        let report = dry_run(&server, "us-east-1", &[], &switches).stdout();
        assert!(report.contains(&format!("https://{host}\n")), "{value}: {report}");
    }
}

#[test]
fn a_given_endpoint_takes_precedence_over_the_one_for_all_programs() {
    let server = Server::new();
    for value in ["false", "true"] {
        let run = server.run("credential-process", &["--no-cache"]).env("AWS_USE_FIPS_ENDPOINT", value);
        server.done(run).exits(0);
    }
}

fn dry_run(server: &Server, region: &str, options: &[&str], environment: &[(&str, &str)]) -> Done {
    let partition = if region.starts_with("cn-") {
        "arn:aws-cn:"
    } else if region.starts_with("us-gov-") {
        "arn:aws-us-gov:"
    } else if region.starts_with("eu-isoe-") {
        "arn:aws-iso-e:"
    } else {
        "arn:aws:"
    };
    let there = |arn: &str| arn.replace("arn:aws:", partition).replace("eu-west-1", region);
    let (role, profile, anchor) =
        (there(crate::support::roles_anywhere::ROLE), there(PROFILE), there(TRUST_ANCHOR));
    let changed = [
        ("--endpoint", ""),
        ("--role-arn", &role),
        ("--profile-arn", &profile),
        ("--trust-anchor-arn", &anchor),
    ];
    let more = [options, &["--dry-run"]].concat();
    let mut run = server.counted(&changed, &more);
    for (name, value) in environment {
        run = run.env(name, value);
    }
    server.done(run).exits(0)
}
