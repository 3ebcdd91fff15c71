use proptest::prelude::*;

use super::*;
use crate::error::{Exit, Explain};

const ROLE: &str = "arn:aws:iam::123456789012:role/team/a+b=c,d.e@f-g_h";
const PROFILE: &str = "arn:aws-cn:rolesanywhere:cn-north-1:123456789012:profile/11111111-2222";
const ANCHOR: &str = "arn:aws-us-gov:rolesanywhere:us-gov-west-1:123456789012:trust-anchor/6666";

#[test]
fn each_kind_is_read_and_printed() {
    assert_eq!(ROLE.parse::<RoleArn>().unwrap().to_string(), ROLE);
    assert_eq!(ROLE.parse::<RoleArn>().unwrap().name(), "a+b=c,d.e@f-g_h");
    assert_eq!(PROFILE.parse::<ProfileArn>().unwrap().to_string(), PROFILE);
    let anchor: TrustAnchorArn = ANCHOR.parse().unwrap();
    assert_eq!(anchor.to_string(), ANCHOR);
    assert_eq!(anchor.region().name(), "us-gov-west-1");
}

#[test]
fn a_resource_may_have_colons() {
    let arn: Arn = "arn:aws:sns:us-east-1:123456789012:topic:a:b".parse().unwrap();
    assert_eq!(arn.resource, "topic:a:b");
}

#[test]
fn the_part_that_is_wrong_is_named() {
    let cases = [
        ("", "\"\" is not an ARN: it does not begin with `arn:`"),
        (" arn:aws:iam::1:role/x", "\" arn:aws:iam::1:role/x\" is not an ARN: it does not begin with `arn:`"),
        ("arn:aws:iam", "the ARN has 3 of 6 parts"),
        ("arn:gcp:iam::123456789012:role/x", "the ARN's partition is \"gcp\""),
        ("arn:aws:IAM::123456789012:role/x", "the ARN's service is \"IAM\""),
        ("arn:aws:iam:eu_1:123456789012:role/x", "the ARN's region is \"eu_1\""),
        ("arn:aws:iam::1234:role/x", "the ARN's account is \"1234\""),
        ("arn:aws:iam::123456789012:", "the ARN's resource is \"\""),
        ("arn:aws:iam::123456789012:role/a b", "the ARN's resource is \"role/a b\""),
        ("arn:aws:iam::123456789012:role/a\u{1b}[2J", "the ARN's resource is \"role/a\\u{1b}[2J\""),
        ("arn:aws:iam:us-east-1:123456789012:role/x", "the ARN's region is \"us-east-1\""),
        ("arn:aws:iam:::role/x", "the ARN's account is \"\""),
        (
            "arn:aws:iam::123456789012:user/x",
            "it is not the ARN of a role: \"arn:aws:iam::123456789012:user/x\"",
        ),
        (
            "arn:aws:iam::123456789012:role/x/",
            "it is not the ARN of a role: \"arn:aws:iam::123456789012:role/x/\"",
        ),
    ];
    for (text, message) in cases {
        let error = text.parse::<RoleArn>().unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(error.exit(), Exit::Usage);
        assert!(error.hint().is_some());
    }
    assert!("arn:aws:rolesanywhere::123456789012:profile/x".parse::<ProfileArn>().is_err());
    assert!("arn:aws:rolesanywhere:us-east-1-fips:123456789012:profile/x".parse::<ProfileArn>().is_err());
    assert!(PROFILE.parse::<TrustAnchorArn>().is_err());
}

#[test]
fn a_session_of_a_role_is_told_from_the_role() {
    let error = "arn:aws:sts::123456789012:assumed-role/demo/me".parse::<RoleArn>().unwrap_err();
    assert!(error.hint().unwrap().contains("session of a role"));
}

proptest! {
    #[test]
    fn nothing_panics_and_what_is_read_prints_the_same(text in "(arn:)?(aws)?[a-z0-9:/\\-\\PC]{0,60}") {
        if let Ok(arn) = text.parse::<Arn>() {
            prop_assert_eq!(arn.to_string(), text);
        } else if let Err(error) = text.parse::<TrustAnchorArn>() {
            prop_assert!(!error.to_string().contains('\n') && error.hint().is_some());
        }
    }
}
