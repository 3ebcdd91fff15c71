use crate::certificate::{AlternativeName, AlternativeNameError, AlternativeNames, NameKind};

fn refused(kind: NameKind, text: &str) -> bool {
    AlternativeName::new(kind, text).is_err()
}

#[test]
fn names_of_each_kind_are_taken_as_people_write_them() {
    let long = format!("{}.example", ["a".repeat(63), "b".repeat(63), "c".repeat(63)].join("."));
    for (kind, text) in [
        (NameKind::Dns, "localhost"),
        (NameKind::Dns, "3com.example"),
        (NameKind::Dns, "*.example.com"),
        (NameKind::Dns, "xn--bcher-kva.example"),
        (NameKind::Dns, &long),
        (NameKind::Ip, "192.0.2.1"),
        (NameKind::Ip, "::1"),
        (NameKind::Ip, "2001:DB8::1"),
        (NameKind::Email, "first.last+tag@mail.example.com"),
        (NameKind::Email, "o'brien@example"),
        (NameKind::Uri, "spiffe://example.com/ns/prod/sa/web"),
        (NameKind::Uri, "spiffe://trust_domain-1/a.b_c-D"),
        (NameKind::Uri, "https://user@[2001:db8::1]:8443/a%20b?c=d#e"),
        (NameKind::Uri, "https://192.0.2.1"),
        (NameKind::Uri, "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
        (NameKind::Upn, "officer@corp.example.com"),
        (NameKind::Upn, "jürgen.o'brien@corp"),
    ] {
        assert!(!refused(kind, text), "{kind:?} {text}");
    }
}

#[test]
fn what_is_not_a_name_of_its_kind_is_refused() {
    for (kind, texts) in [
        (
            NameKind::Dns,
            &["", ".", "a.", "*", "*.", "a.*", "a*.b", "a..b", "-a", "a-", "a_b", "ü", "a b", "1.2", "::1"][..],
        ),
        (NameKind::Dns, &["https://a.example", "a.example:443", "a@b", "a\n", "192.0.2.1", "192.0.2.1.5"]),
        (
            NameKind::Ip,
            &["", "a", "1.2.3", "010.0.0.1", "256.0.0.1", "10.0.0.0/8", "[::1]", "fe80::1%eth0", " ::1"],
        ),
        (
            NameKind::Email,
            &["", "a", "@", "a@", "@b", "a@b@c", "a b@c", "A <a@b>", "ä@b", "a@ä", "a..b@c", ".a@b", "a@*.b"],
        ),
        (NameKind::Email, &["\"a\"@b", "a@[192.0.2.1]", "mailto:a@b"]),
        (
            NameKind::Uri,
            &[
                "",
                "a",
                "/a",
                "//a/b",
                ":a",
                "1a:b",
                "a:",
                "https:// a",
                "https://",
                "https:///a",
                "https://ä",
            ],
        ),
        (
            NameKind::Uri,
            &[
                "https://a_b",
                "https://a:b",
                "https://[::g]",
                "https://a/%2",
                "https://a/%zz",
                "https://a/<b>",
                "a:#b#c",
            ],
        ),
        (
            NameKind::Uri,
            &[
                "spiffe://",
                "spiffe:///a",
                "spiffe://a",
                "spiffe://a/",
                "spiffe://a/b/",
                "spiffe://a//b",
                "spiffe://a/../b",
            ],
        ),
        (
            NameKind::Uri,
            &[
                "spiffe://A/b",
                "SPIFFE://a/b",
                "spiffe://u@a/b",
                "spiffe://a:1/b",
                "spiffe://a/b?c",
                "spiffe://a/b#c",
            ],
        ),
        (NameKind::Uri, &["spiffe://a/%41", "spiffe:a", "spiffe://a/b:c"]),
        (NameKind::Upn, &["", "a", "@b", "a@", "a b@c", "a@b c", "CORP\\a@b", "a@b@c", "a@b_c"]),
    ] {
        for text in texts {
            assert!(refused(kind, text), "{kind:?} {text:?}");
        }
    }
    assert!(refused(NameKind::Dns, &format!("{}.example", "a".repeat(64))));
    assert!(refused(NameKind::Dns, &vec!["a".repeat(60); 5].join(".")));
    assert!(refused(NameKind::Email, &format!("{}@example", "a".repeat(65))));
    assert!(refused(NameKind::Uri, &format!("spiffe://a/{}", "b".repeat(2048))));
}

#[test]
fn names_that_mean_the_same_are_kept_once() {
    let mut names = AlternativeNames::default();
    for (kind, text, is_new) in [
        (NameKind::Dns, "a.example", true),
        (NameKind::Dns, "A.example", false),
        (NameKind::Ip, "2001:db8::1", true),
        (NameKind::Ip, "2001:DB8:0::1", false),
        (NameKind::Email, "a@example", true),
        (NameKind::Email, "a@EXAMPLE", false),
        // Before the @ case counts (RFC 5321 section 2.4).
        (NameKind::Email, "A@example", true),
        (NameKind::Upn, "a@example", true),
        (NameKind::Upn, "A@Example", false),
        (NameKind::Uri, "https://a/b", true),
        (NameKind::Uri, "https://a/b", false),
        (NameKind::Uri, "https://a/B", true),
    ] {
        assert_eq!(names.add(AlternativeName::new(kind, text).unwrap()), Ok(is_new), "{text}");
    }
    assert_eq!(names.encoded().len(), 7);
}

#[test]
fn a_spiffe_id_is_the_only_uri() {
    for (first, second) in
        [("spiffe://a/b", "https://a/b"), ("https://a/b", "spiffe://a/b"), ("spiffe://a/b", "spiffe://a/c")]
    {
        let mut names = AlternativeNames::default();
        names.add(AlternativeName::new(NameKind::Uri, first).unwrap()).unwrap();
        names.add(AlternativeName::new(NameKind::Dns, "a").unwrap()).unwrap();
        let second = names.add(AlternativeName::new(NameKind::Uri, second).unwrap());
        assert!(matches!(second, Err(AlternativeNameError::SeveralUris { .. })), "{first}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_a_name_panic(text in ".{0,60}", uri in "[a-z]{0,6}:(//)?[\\[\\]:@/%?#a-f0-9]{0,20}") {
        for kind in [NameKind::Dns, NameKind::Ip, NameKind::Email, NameKind::Uri, NameKind::Upn] {
            let _ = AlternativeName::new(kind, &text);
            let _ = AlternativeName::new(kind, &uri);
        }
    }
}
