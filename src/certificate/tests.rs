use super::*;

mod alternative_name;
mod attestation;
mod chain;
mod constraints;
mod identity;
mod pem;
mod self_signed;

/// A certificate of `tests/samples/certificates`, which `make` there makes.
fn sample(name: &str) -> Certificate {
    let pem = std::fs::read(sample_path(name)).unwrap();
    let [certificate] = &certificates_from_pem(&pem).unwrap()[..] else { panic!("{name} is not one") };
    certificate.clone()
}

fn samples<const COUNT: usize>(names: [&str; COUNT]) -> [Certificate; COUNT] {
    names.map(sample)
}

fn sample_path(name: &str) -> std::path::PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples/certificates");
    std::path::Path::new(folder).join(format!("{name}.pem"))
}

#[test]
fn a_serial_number_of_any_length_is_written_in_decimal() {
    assert_eq!(decimal(&[]), "0");
    assert_eq!(decimal(&[0]), "0");
    assert_eq!(decimal(&[0, 255]), "255");
    assert_eq!(decimal(&[1, 0, 0]), "65536");
    assert_eq!(decimal(&[0xff; 20]), "1461501637330902918203684832716283019655932542975");
}

#[test]
fn a_subject_is_read_as_rfc_4514_writes_it() {
    for (text, shown) in [
        ("CN=server1-demo,O=Example,L=Boston,ST=MA,C=US", "CN=server1-demo,O=Example,L=Boston,ST=MA,C=US"),
        ("CN=server1, O=Example Inc. , C=us", "CN=server1,O=Example Inc.,C=us"),
        ("CN=Doe\\, Jane,O=A\\+B", "CN=Doe\\, Jane,O=A\\+B"),
        ("CN=a+OU=b,O=c", "CN=a+OU=b,O=c"),
        ("cn=Jürgen", "CN=Jürgen"),
    ] {
        assert_eq!(
            text.parse::<Subject>().map(|subject| subject.0.to_string()).as_deref(),
            Ok(shown),
            "{text}"
        );
    }
}

#[test]
fn a_subject_that_cannot_be_read_names_the_part() {
    for (text, part) in [
        ("server1", "server1"),
        ("CN=a,,O=b", ""),
        ("CN=", "CN="),
        ("CN=a,XYZ=b", "XYZ"),
        ("/CN=a/O=b", "/CN=a/O=b"),
        ("CN=a,C=USA", "C=USA"),
    ] {
        match text.parse::<Subject>() {
            Err(SubjectError::Part { part: found, .. } | SubjectError::Value { part: found, .. }) => {
                assert_eq!(found, part, "{text}");
            }
            Err(SubjectError::Unknown { attribute, .. }) => assert_eq!(attribute, part, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    assert_eq!(" ".parse::<Subject>(), Err(SubjectError::Empty));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_a_subject_panic(text in ".{0,60}") {
        let _ = text.parse::<Subject>();
    }

    #[test]
    fn no_bytes_make_a_certificate_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = certificates_from_pem(&bytes);
    }
}
