//! Requests with known signatures, from `tests/samples/roles-anywhere.json`; the signatures are verified here
//! again.

use aws_lc_rs::signature::{self as lc, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::{Decode as _, Encode as _};
use serde_json::Value;
use x509_cert::Certificate;

use super::canonical::{self, Parts};
use super::*;
use crate::signature::PublicKey;

fn samples() -> Value {
    serde_json::from_str(include_str!("../../tests/samples/roles-anywhere.json")).unwrap()
}

fn vectors() -> Vec<Value> {
    samples()["vectors"].as_array().unwrap().clone()
}

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap_or_else(|| panic!("{name} of {}", vector["label"]))
}

/// A query as decoded names and values.
fn query(url: &str) -> Vec<(String, String)> {
    let Some((_, query)) = url.split_once('?') else { return Vec::new() };
    let decoded = |text: &str| {
        let mut parts = text.split('%');
        let mut bytes = parts.next().unwrap().as_bytes().to_vec();
        for part in parts {
            bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
            bytes.extend(part[2..].bytes());
        }
        String::from_utf8(bytes).unwrap()
    };
    let pair =
        |pair: &str| pair.split_once('=').map(|(name, value)| (decoded(name), decoded(value))).unwrap();
    query.split('&').map(pair).collect()
}

#[test]
fn canonical_request_and_string_to_sign_are_those_of_the_vectors() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 7);
    for vector in &vectors {
        let headers: Vec<(&str, &str)> = vector["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let query = query(text(vector, "url"));
        let mut query: Vec<(&str, &str)> =
            query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        query.reverse();
        let made = canonical::canonical_request(&Parts {
            method: "POST",
            path: "/sessions",
            query: &query,
            headers: &headers,
            body: text(vector, "body").as_bytes(),
        });
        assert_eq!(made, text(vector, "canonical_request"), "{}", vector["label"]);
        assert_eq!(crate::signature::sha256_hex(made.as_bytes()), text(vector, "canonical_request_sha256"));
        let date = vector["headers"]["x-amz-date"].as_str().unwrap();
        let scope = format!("{}/{}/rolesanywhere/aws4_request", &date[..8], text(vector, "region"));
        let algorithm = text(vector, "authorization").split(' ').next().unwrap();
        assert_eq!(
            canonical::string_to_sign(algorithm, date, &scope, &made),
            text(vector, "string_to_sign"),
            "{}",
            vector["label"]
        );
    }
}

#[test]
fn the_signature_of_every_vector_verifies_under_its_certificate() {
    let samples = samples();
    for vector in vectors() {
        let key = key_of(&certificate(&samples, &vector));
        let signature = unhex(text(&vector, "signature"));
        let spki = key.spki_der();
        let verified = UnparsedPublicKey::new(algorithm(&key), &spki)
            .verify(text(&vector, "string_to_sign").as_bytes(), &signature);
        assert!(verified.is_ok(), "{}", vector["label"]);
        let verified = UnparsedPublicKey::new(algorithm(&key), &spki).verify(b"something else", &signature);
        assert!(verified.is_err(), "{}", vector["label"]);
    }
}

#[test]
fn a_request_carries_what_the_vector_with_arns_in_the_body_carries() {
    let samples = samples();
    let vectors = vectors();
    let vector = vectors.iter().find(|vector| vector["label"] == "rsa-body-arns-emptyquery").unwrap();
    let request = request(&samples, vector, &[]);
    assert_eq!(request.canonical_request(), text(vector, "canonical_request"));
    assert_eq!(request.string_to_sign(), text(vector, "string_to_sign"));
    let signed = request.sign_with(&unhex(text(vector, "signature")));
    assert_eq!((signed.method, signed.url.as_str()), ("POST", text(vector, "url")));
    assert_eq!(signed.body, text(vector, "body").as_bytes());
    assert!(!format!("{signed:#?}").contains(text(vector, "signature")), "{signed:#?}");
    let mut headers = vector["headers"].as_object().unwrap().clone();
    headers.insert("authorization".into(), vector["authorization"].clone());
    let sent: serde_json::Map<String, Value> =
        signed.headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    assert_eq!(sent, headers);
}

#[test]
fn every_certificate_of_the_vectors_can_sign_a_request() {
    let samples = samples();
    for vector in vectors() {
        let chain: Vec<Vec<u8>> = ["int2", "int1"].iter().map(|name| der(&samples["chain"][*name])).collect();
        for chain in [&[], chain.as_slice()] {
            let request = request(&samples, &vector, chain);
            let expected = text(&vector, "authorization");
            let (head, names) = expected.split_once(", SignedHeaders=").unwrap();
            let signed = request.sign_with(&[0xab, 0x0c]);
            let (name, authorization) = signed.headers.last().unwrap();
            assert_eq!(*name, "authorization");
            let names = names.split(", ").next().unwrap().trim_end_matches(";x-amz-x509-chain");
            let chained = if chain.is_empty() { "" } else { ";x-amz-x509-chain" };
            assert_eq!(
                *authorization,
                format!("{head}, SignedHeaders={names}{chained}, Signature=ab0c"),
                "{}",
                vector["label"]
            );
        }
    }
}

#[test]
fn keys_of_all_sizes_have_their_algorithm() {
    let samples = samples();
    let certs = samples["certs"].as_object().unwrap();
    assert_eq!(certs.len(), 5);
    for (name, entry) in certs {
        let key = key_of(&der(&entry["der_b64"]));
        let wanted = if name.starts_with("rsa") { Algorithm::Rsa } else { Algorithm::Ecdsa };
        assert_eq!(Algorithm::of(&key), wanted);
        assert_eq!(test_string(&key).unwrap().len(), 50 + 32);
    }
}

fn request(samples: &Value, vector: &Value, chain: &[Vec<u8>]) -> Request {
    let region: Region = text(vector, "region").parse().unwrap();
    let partition = if region.name().starts_with("cn-") { "aws-cn" } else { "aws" };
    let arn = |resource: &str| format!("arn:{partition}:rolesanywhere:{region}:123456789012:{resource}");
    let session = CreateSession::new(
        format!("arn:{partition}:iam::123456789012:role/demo").parse().unwrap(),
        arn("profile/11111111-2222-3333-4444-555555555555").parse().unwrap(),
        arn("trust-anchor/66666666-7777-8888-9999-000000000000").parse().unwrap(),
        3600,
        None,
    )
    .unwrap();
    let endpoint = Endpoint::in_region(&region, EndpointVariant::default());
    assert_eq!(endpoint.host(), text(vector, "host"));
    let leaf = certificate(samples, vector);
    let serial = samples["certs"][text(vector, "key")]["serial_decimal"].as_str().unwrap();
    let identity = Identity::new(Algorithm::of(&key_of(&leaf)), serial, leaf, chain.to_vec()).unwrap();
    let time = vector["headers"]["x-amz-date"].as_str().unwrap().parse().unwrap();
    Request::new(&session, &endpoint, &session.region(), &identity, time)
}

fn certificate(samples: &Value, vector: &Value) -> Vec<u8> {
    der(&samples["certs"][text(vector, "key")]["der_b64"])
}

fn der(base64: &Value) -> Vec<u8> {
    STANDARD.decode(base64.as_str().unwrap()).unwrap()
}

fn key_of(certificate: &[u8]) -> PublicKey {
    let certificate = Certificate::from_der(certificate).unwrap();
    let spki = certificate.tbs_certificate().subject_public_key_info().to_der().unwrap();
    PublicKey::from_spki_der(&spki).unwrap()
}

fn algorithm(key: &PublicKey) -> &'static dyn VerificationAlgorithm {
    match key.describe().as_str() {
        "EC P-256" => &lc::ECDSA_P256_SHA256_ASN1,
        "EC P-384" => &lc::ECDSA_P384_SHA256_ASN1,
        "EC P-521" => &lc::ECDSA_P521_SHA256_ASN1,
        _ => &lc::RSA_PKCS1_2048_8192_SHA256,
    }
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
