use proptest::prelude::*;

use super::*;
use crate::error::Explain;

fn host(region: &str, fips: bool, dual_stack: bool) -> String {
    Endpoint::in_region(&region.parse().unwrap(), EndpointVariant { fips, dual_stack }).host
}

/// What botocore 1.44 derives from its rules for Roles Anywhere, with `rolesanywhere.` left out.
#[test]
fn every_partition_has_its_hosts() {
    let cases = [
        ("us-east-1", "amazonaws.com", "api.aws"),
        ("cn-north-1", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
        ("us-gov-west-1", "amazonaws.com", "api.aws"),
        ("us-iso-east-1", "c2s.ic.gov", "api.aws.ic.gov"),
        ("us-isob-east-1", "sc2s.sgov.gov", "api.aws.scloud"),
        ("eu-isoe-west-1", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
        ("us-isof-south-1", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
        ("eusc-de-east-1", "amazonaws.eu", "api.amazonwebservices.eu"),
        ("xx-new-1", "amazonaws.com", "api.aws"),
    ];
    for (region, suffix, dual_stack) in cases {
        assert_eq!(host(region, false, false), format!("rolesanywhere.{region}.{suffix}"));
        assert_eq!(host(region, true, false), format!("rolesanywhere-fips.{region}.{suffix}"));
        assert_eq!(host(region, false, true), format!("rolesanywhere.{region}.{dual_stack}"));
        assert_eq!(host(region, true, true), format!("rolesanywhere-fips.{region}.{dual_stack}"));
    }
}

#[test]
fn a_pseudo_region_asks_for_a_fips_endpoint_in_the_real_region() {
    for pseudo in ["us-east-1-fips", "fips-us-east-1"] {
        let region: Region = pseudo.parse().unwrap();
        assert_eq!(region.name(), "us-east-1");
        assert_eq!(host(pseudo, false, false), "rolesanywhere-fips.us-east-1.amazonaws.com");
    }
}

#[test]
fn a_url_is_read_and_its_port_kept_where_it_is_not_the_schemes_own() {
    let cases = [
        ("https://Example.COM", "example.com", 443, "https://example.com"),
        ("HTTPS://example.com/", "example.com", 443, "https://example.com"),
        ("https://example.com:443", "example.com", 443, "https://example.com"),
        ("https://example.com:8443/", "example.com:8443", 8443, "https://example.com:8443"),
        ("https://192.0.2.1", "192.0.2.1", 443, "https://192.0.2.1"),
        ("https://[2001:DB8::1]:8443", "[2001:db8::1]:8443", 8443, "https://[2001:db8::1]:8443"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", 8080, "http://127.0.0.1:8080"),
        ("http://127.255.0.9:80", "127.255.0.9", 80, "http://127.255.0.9"),
        ("http://[::1]", "[::1]", 80, "http://[::1]"),
        ("http://LocalHost:443", "localhost:443", 443, "http://localhost:443"),
    ];
    for (text, header, port, printed) in cases {
        let endpoint: Endpoint = text.parse().unwrap();
        assert_eq!((endpoint.host_header().as_str(), endpoint.port()), (header, port));
        assert_eq!(endpoint.to_string(), printed);
        assert_eq!(printed.parse(), Ok(endpoint));
    }
}

#[test]
fn each_unsuitable_url_is_refused_with_its_reason() {
    use EndpointError::{NoScheme, Path, Port, Query, UserInfo};
    let not_encrypted = |host: &str| EndpointError::NotEncrypted { host: host.into() };
    let no_host = |text: &str| EndpointError::Host { text: text.into() };
    let cases = [
        ("", NoScheme),
        ("example.com", NoScheme),
        ("ftp://example.com", NoScheme),
        (" https://example.com", NoScheme),
        ("https://user:password@example.com", UserInfo),
        ("http://127.0.0.1@example.com", UserInfo),
        ("https://example.com/?a=b", Query),
        ("https://example.com#a", Query),
        ("https://example.com/sessions", Path),
        ("https://example.com//", Path),
        ("https://", no_host("")),
        ("https://:443", no_host("")),
        ("https://exa mple.com", no_host("exa mple.com")),
        ("https://example.com\\", no_host("example.com\\")),
        ("https://bücher.example", no_host("bücher.example")),
        ("https://example.com.", no_host("example.com.")),
        ("https://::1", no_host(":")),
        ("https://[::1", no_host("[:")),
        ("https://[fe80::1%25eth0]", no_host("[fe80::1%25eth0]")),
        ("https://example.com:0", Port),
        ("https://example.com:", Port),
        ("https://example.com:+80", Port),
        ("https://example.com:65536", Port),
        ("http://example.com", not_encrypted("example.com")),
        ("http://127.0.0.1.example.com", not_encrypted("127.0.0.1.example.com")),
        ("http://localhost.example.com", not_encrypted("localhost.example.com")),
        ("http://[::ffff:127.0.0.1]", not_encrypted("[::ffff:127.0.0.1]")),
        ("http://169.254.169.254", not_encrypted("169.254.169.254")),
        ("http://2130706433", no_host("2130706433")),
        ("http://0x7f.1", no_host("0x7f.1")),
        ("http://127.1", no_host("127.1")),
    ];
    for (text, error) in cases {
        assert_eq!(text.parse::<Endpoint>(), Err(error), "{text:?}");
    }
}

proptest! {
    #[test]
    fn nothing_panics_and_what_is_read_prints_to_the_same(
        text in "(https?://)?[a-z0-9.:\\[\\]@/?%\\PC]{0,40}|http://(127[.0-9]{0,6}|\\[::1\\])(:[0-9]{0,6})?/?"
    ) {
        match text.parse::<Endpoint>() {
            Ok(endpoint) => {
                prop_assert!(endpoint.host_header().bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
            }
            Err(error) => prop_assert!(error.hint().is_some()),
        }
    }
}
