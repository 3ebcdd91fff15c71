use super::{sample, sample_path};
use crate::certificate::{CertificateError, certificates_from_pem, certificates_to_pem};

fn found(text: impl AsRef<[u8]>) -> Result<Vec<String>, CertificateError> {
    let certificates = certificates_from_pem(text.as_ref())?;
    Ok(certificates.iter().map(|certificate| certificate.subject()).collect())
}

fn text(name: &str) -> String {
    std::fs::read_to_string(sample_path(name)).unwrap()
}

/// The same with lines of this many characters.
fn wrapped(pem: &str, length: usize, end: &str) -> String {
    let lines: Vec<&str> = pem.lines().collect();
    let body = lines[1..lines.len() - 1].concat();
    let body: Vec<&str> =
        (0..body.len()).step_by(length).map(|at| &body[at..body.len().min(at + length)]).collect();
    [&[lines[0]], &body[..], &[lines[lines.len() - 1]]].concat().join(end)
}

#[test]
fn text_around_the_blocks_does_not_count() {
    let (device, root) = (text("device"), text("root"));
    for file in [
        format!("0 s:CN = leaf\n  i:CN = ca\n{device} 1 s:CN = ca\n{root}"),
        format!("0\u{b5}{device}{root}"),
        format!("\u{feff}{device}\n\n{root}\0 garbage -----\n"),
        format!("{device}-----BEGIN PRIVATE KEY-----\nno base64\n-----END PRIVATE KEY-----\n{root}"),
        format!("{device}-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nQQ==\n{root}"),
    ] {
        assert_eq!(found(&file).unwrap(), ["CN=Test PIV Attestation", "CN=Test PIV Root CA"], "{file}");
    }
    assert!(found([&b"\xff\xfe"[..], root.as_bytes(), b"\xff"].concat()).is_ok());
}

#[test]
fn lines_may_have_any_length_and_end() {
    let root = text("root");
    for length in [1, 60, 64, 76, 10_000] {
        for end in ["\n", "\r\n", "\r", " \n\t", "\n\n"] {
            assert_eq!(
                found(wrapped(&root, length, end)).unwrap(),
                ["CN=Test PIV Root CA"],
                "{length} {end:?}"
            );
        }
    }
}

#[test]
fn der_is_distinguished_from_text() {
    let root = sample("root");
    assert_eq!(certificates_from_pem(root.der()).unwrap(), std::slice::from_ref(&root));
    for der in [&root.der()[..100], &[root.der(), b"\n"].concat()] {
        assert!(matches!(found(der), Err(CertificateError::Der(_))));
    }
    for text in ["", "0", "00000000", "0 s:CN = leaf"] {
        assert_eq!(found(text), Err(CertificateError::NoPem), "{text:?}");
    }
    assert_eq!(
        certificates_from_pem(certificates_to_pem([&root, &root]).unwrap().as_bytes()).unwrap(),
        [root.clone(), root]
    );
}

#[test]
fn a_block_that_is_not_a_certificate_or_is_damaged_is_refused() {
    let root = text("root");
    let trusted = text("trusted");
    assert_eq!(found(&trusted), Err(CertificateError::TrustedPem));
    // Not skipped beside others: it may be the one that was meant.
    assert_eq!(found(format!("{root}{trusted}")), Err(CertificateError::TrustedPem));
    let request = "-----BEGIN CERTIFICATE REQUEST-----\nQUJD\n-----END CERTIFICATE REQUEST-----\n";
    assert_eq!(found(request), Err(CertificateError::OtherPem { found: "CERTIFICATE REQUEST".into() }));
    let end = "-----END CERTIFICATE-----";
    for damaged in [
        root.replace(end, ""),
        root.replace(end, "-----END CERTIFICATE REQUEST-----"),
        root.replace(end, &format!("!{end}")),
        root.replacen(end, &format!("QUJD{end}"), 1),
        format!("{root}-----BEGIN CERTIFICATE"),
        format!("{root}-----BEGIN CERTIFICATE-----{end}"),
    ] {
        assert!(matches!(found(&damaged), Err(CertificateError::Der(_))), "{damaged}: {:?}", found(&damaged));
    }
}
