//! Chains use certificates that are valid now. A certificate that is not, and has no valid one in its place,
//! is reported before the signature. The tests' service judges.

use crate::support::authority::Authority;
use crate::support::desk::SIGNKEY;
use crate::support::faults::calls;
use crate::support::preparing::put_certificate;
use crate::support::run::Done;
use crate::support::server::Server;

const EXPIRED: (f64, f64) = (-30.0, -1.0);
const NOT_YET: (f64, f64) = (1.0, 30.0);
const VALID: (f64, f64) = (-1.0, 60.0);

fn obtains(server: &Server, changed: &[(&str, &str)]) -> Done {
    let done = server.done(server.counted(changed, &[])).exits(0);
    assert_eq!(server.aws.log().pop().unwrap()["verdict"], "accepted");
    done
}

#[test]
fn of_an_intermediate_and_its_renewal_the_valid_one_is_sent_in_any_order() {
    let server = Server::of(Authority::with_intermediate(), &[]);
    for days in [EXPIRED, NOT_YET] {
        let other = server.authority.certify_intermediate_again(days);
        let valid = server.authority.certify_intermediate_again(VALID);
        for order in [[&other, &valid], [&valid, &other]] {
            server.desk.write("intermediates.pem", &order.map(Vec::clone).concat());
            let done = obtains(&server, &[]);
            assert!(!done.stderr().contains("warning: the certificate"), "{}", done.stderr());
        }
    }
    // The same on the device.
    for (id, days) in [("90", EXPIRED), ("91", VALID), ("92", NOT_YET)] {
        server.desk.write("above.pem", &server.authority.certify_intermediate_again(days));
        put_certificate(&server.desk, "above.pem", id, "above");
    }
    obtains(&server, &[("--intermediates", "")]);
    // Also when a chain is written to a file, or stored.
    server.desk.write(
        "bundle.pem",
        &[server.desk.read("server.pem"), server.desk.read("intermediates.pem")].concat(),
    );
    let import =
        ["import-certificate", "--key", SIGNKEY, "--replace", "--force", "--with-chain", "bundle.pem"];
    server.desk.countersign(&import).with_pin().go().exits(0);
    let chain = ["certificate", "--key", SIGNKEY, "--chain", "-o", "chain.pem"];
    let done = server.desk.countersign(&chain).go().exits(0);
    assert!(!done.stderr().contains("warning"), "{}", done.stderr());
    obtains(&server, &[("--certificate", "chain.pem"), ("--intermediates", "")]);
}

#[test]
fn an_expired_intermediate_without_a_renewal_is_named_before_the_signature() {
    let server = Server::of(Authority::with_intermediate(), &[]);
    for (days, when) in [(EXPIRED, "ended on 20"), (NOT_YET, "begins on 20")] {
        server.desk.write("intermediates.pem", &server.authority.certify_intermediate_again(days));
        let said = format!("warning: the certificate CN=countersign test intermediate above it {when}");
        let refused = server.fails(server.counted(&[], &[]), 9).says(&said).says("--intermediates FILE");
        assert!(refused.stderr().find(&said) < refused.stderr().find("error: "));
        // Even if the device then fails to sign.
        let faults = server.run_but("credential-process", &[], &["--no-cache"]);
        let run = crate::support::faults::behind_faults(faults, &server.desk, "C_Sign=0x30");
        server.fails(run, 6).says(&said);
    }
    assert!(calls(&server.desk, "C_Sign") > 0);
    // The same when a chain is written to a file, or stored.
    server.desk.write(
        "bundle.pem",
        &[server.desk.read("server.pem"), server.authority.certify_intermediate_again(EXPIRED)].concat(),
    );
    let import =
        ["import-certificate", "--key", SIGNKEY, "--replace", "--force", "--with-chain", "bundle.pem"];
    let said = "warning: the certificate CN=countersign test intermediate above it ended on 20";
    server.desk.countersign(&import).with_pin().go().exits(0).says(said);
    let chain = ["certificate", "--key", SIGNKEY, "--chain", "-o", "chain.pem"];
    server.desk.countersign(&chain).go().exits(0).says(said);
}

#[test]
fn an_intermediate_that_expires_soon_is_named() {
    let server = Server::of(Authority::with_intermediate(), &[]);
    server.desk.write("intermediates.pem", &server.authority.certify_intermediate_again((-1.0, 9.5)));
    obtains(&server, &[]).says("warning: the certificate CN=countersign test intermediate ends in 9 days 1");
}

/// A valid chain that ends below the root is better than one to the root with an expired certificate.
#[test]
fn a_renewal_without_its_issuer_is_better_than_an_expired_one_with_its_whole_chain() {
    const TWO: &[&str] = &["intermediate", "issuing"];
    let server = Server::of(Authority::with_intermediates(TWO), &[]);
    let upper = server.desk.read("intermediates.pem");
    let expired = server.authority.certify_intermediate_again(EXPIRED);
    let valid = server.authority.certify_intermediate_again(VALID);
    server.desk.write("both.pem", &[expired.clone(), upper, valid].concat());
    obtains(&server, &[("--intermediates", "both.pem")]);
    assert_eq!(server.aws.log().pop().unwrap()["chain"].as_array().unwrap().len(), 2);
}
