//! Roles Anywhere: what people type (ARNs, regions, endpoints, names), what the network answers, and
//! credentials files that others wrote. Nothing panics, a value that is read prints to the same text, and no
//! secret shows.
#![no_main]

use countersign::error::Explain;
use countersign::rolesanywhere::{
    Answer, Arn, Credentials, Endpoint, EndpointVariant, Expiration, ProfileArn, ProfileName, Region,
    RoleArn, SigningTime, TrustAnchorArn, read, with_credentials,
};
use libfuzzer_sys::fuzz_target;

/// Stands for a secret: if it shows, a secret would have shown.
const SECRET: &str = "Q7ZX9QK";

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = str::from_utf8(bytes) {
        typed(text);
    }
    answered(bytes);
    edited(bytes);
});

fn typed(text: &str) {
    match text.parse::<Arn>() {
        Ok(arn) => assert_eq!(arn.to_string(), text),
        Err(error) => explained(&error),
    }
    let _ = (text.parse::<RoleArn>(), text.parse::<ProfileArn>());
    if let Ok(arn) = text.parse::<TrustAnchorArn>() {
        assert_eq!(arn.region().name().parse(), Ok(arn.region()));
    }
    match text.parse::<Endpoint>() {
        Ok(endpoint) => assert_eq!(endpoint.to_string().parse(), Ok(endpoint)),
        Err(error) => explained(&error),
    }
    if let Ok(region) = text.parse::<Region>() {
        let endpoint = Endpoint::in_region(&region, EndpointVariant { fips: false, dual_stack: true });
        assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
    }
    if let Ok(time) = text.parse::<SigningTime>() {
        assert_eq!(time.to_string(), text);
    }
    let _ = (text.parse::<ProfileName>(), Expiration::parse(text));
}

fn answered(bytes: &[u8]) {
    // The headers are the lines before the body, if there are any.
    let mut parts = bytes.splitn(4, |byte| *byte == b'\n').map(|part| str::from_utf8(part).ok());
    let [error_type, request_id, date] = [(); 3].map(|()| parts.next().flatten());
    let body = bytes.splitn(4, |byte| *byte == b'\n').last().unwrap_or_default();
    for (status, body) in [(201, bytes), (201, body), (403, body), (503, bytes)] {
        match read(&Answer { status, error_type, request_id, date, body }, 1_772_326_923) {
            Ok(credentials) => assert!(!format!("{credentials:?}").contains(SECRET), "Debug shows a secret"),
            Err(error) => explained(&error),
        }
    }
}

fn edited(file: &[u8]) {
    let expiration = Expiration::parse("2026-03-01T02:02:03Z").expect("a time");
    let secret = || SECRET.to_owned().into();
    let credentials = Credentials::new(SECRET.into(), secret(), secret(), expiration).expect("credentials");
    let profile = ProfileName::default();
    let once = with_credentials(file, &profile, &credentials);
    assert_eq!(with_credentials(&once, &profile, &credentials), once, "edited twice it is another file");
    assert!(once.windows(SECRET.len()).filter(|window| *window == SECRET.as_bytes()).count() >= 3);
}

fn explained(error: &impl Explain) {
    let lines = [vec![error.to_string()], error.detail(), error.hint().into_iter().collect()].concat();
    assert!(lines.iter().all(|line| !line.chars().any(char::is_control)), "more than one line: {lines:?}");
}
