//! Tests of the module as a whole: the examples of RFC 7512, printing and parsing as inverses, and silence
//! about PINs.

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;

/// RFC 7512 section 3, in order, and how each is printed.
const EXAMPLES: [(&str, &str); 13] = [
    ("pkcs11:", "pkcs11:"),
    ("pkcs11:object=my-pubkey;type=public", "pkcs11:object=my-pubkey;type=public"),
    (
        "pkcs11:object=my-key;type=private?pin-source=file:/etc/token",
        "pkcs11:object=my-key;type=private?pin-source=file:/etc/token",
    ),
    (
        "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;\
         object=my-certificate;id=%69%95%3E%5C%F4%BD%EC%91;type=cert;serial=?pin-source=file:/etc/token_pin",
        "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;serial=;model=1.0;\
         object=my-certificate;id=%69%95%3E%5C%F4%BD%EC%91;type=cert?pin-source=file:/etc/token_pin",
    ),
    (
        "pkcs11:object=my-sign-key;type=private?module-name=mypkcs11",
        "pkcs11:object=my-sign-key;type=private?module-name=mypkcs11",
    ),
    (
        "pkcs11:object=my-sign-key;type=private?module-path=/mnt/libmypkcs11.so.1",
        "pkcs11:object=my-sign-key;type=private?module-path=/mnt/libmypkcs11.so.1",
    ),
    (
        "pkcs11:token=Software%20PKCS%2311%20softtoken;manufacturer=Snake%20Oil,%20Inc.?pin-value=the-pin",
        "pkcs11:token=Software%20PKCS%2311%20softtoken;manufacturer=Snake%20Oil,%20Inc.",
    ),
    ("pkcs11:slot-description=Sun%20Metaslot", "pkcs11:slot-description=Sun%20Metaslot"),
    (
        "pkcs11:library-manufacturer=Snake%20Oil,%20Inc.;library-description=Soft%20Token%20Library;\
         library-version=1.23",
        "pkcs11:library-manufacturer=Snake%20Oil,%20Inc.;library-version=1.23;\
         library-description=Soft%20Token%20Library",
    ),
    (
        "pkcs11:token=My%20token%25%20created%20by%20Joe;library-version=3;id=%01%02%03%Ba%dd%Ca%fe%04%05%06",
        "pkcs11:token=My%20token%25%20created%20by%20Joe;library-version=3.0;id=%01%02%03%BA%DD%CA%FE%04%05%06",
    ),
    (
        "pkcs11:token=A%20name%20with%20a%20substring%20%25%3B;object=my-certificate;type=cert",
        "pkcs11:token=A%20name%20with%20a%20substring%20%25%3B;object=my-certificate;type=cert",
    ),
    (
        "pkcs11:token=Name%20with%20a%20small%20A%20with%20acute:%20%C3%A1;object=my-certificate;type=cert",
        "pkcs11:token=Name%20with%20a%20small%20A%20with%20acute:%20%C3%A1;object=my-certificate;type=cert",
    ),
    (
        "pkcs11:token=my-token;object=my-certificate;type=cert;vendor-aaa=value-a?pin-source=file:/etc/token_pin\
         &vendor-bbb=value-b",
        "pkcs11:token=my-token;object=my-certificate;type=cert;vendor-aaa=value-a?pin-source=file:/etc/token_pin\
         &vendor-bbb=value-b",
    ),
];

#[test]
fn the_examples_of_the_rfc_are_read_and_printed() {
    for (text, printed) in EXAMPLES {
        assert_eq!(text.parse::<Uri>().unwrap().to_string(), printed);
    }
}

#[test]
fn the_examples_of_the_rfc_mean_what_it_says() {
    let uri = |index: usize| EXAMPLES[index].0.parse::<Uri>().unwrap();
    assert_eq!(uri(3).token.unwrap(), b"The Software PKCS#11 Softtoken");
    assert_eq!(uri(3).id.unwrap(), b"\x69\x95\x3e\x5c\xf4\xbd\xec\x91");
    assert_eq!(uri(3).serial.unwrap(), b"");
    assert_eq!(uri(6).pin_value.unwrap().expose().expose_secret(), "the-pin");
    assert_eq!(uri(8).library_version, Some((1, 23)));
    assert_eq!(uri(9).token.unwrap(), b"My token% created by Joe");
    assert_eq!(uri(10).token.unwrap(), b"A name with a substring %;");
    assert_eq!(uri(11).token.unwrap(), "Name with a small A with acute: á".as_bytes());
    assert_eq!(uri(12).unknown[0].name, "vendor-aaa");
    assert_eq!(uri(12).vendor_query, [("vendor-bbb".to_owned(), b"value-b".to_vec())]);
}

#[test]
fn a_pin_is_decoded_and_may_be_empty_or_name_itself() {
    for (raw, pin) in
        [("%31%32%C3%A9", "12é"), ("12%2634", "12&34"), ("", ""), ("pin-value=/?|", "pin-value=/?|")]
    {
        let uri: Uri = format!("pkcs11:?pin-value={raw}").parse().unwrap();
        assert_eq!(uri.pin_value.unwrap().expose().expose_secret(), pin);
    }
}

/// Everything that a program could print about `text`.
fn output(text: &str) -> String {
    let parsed = match text.parse::<Uri>() {
        Ok(uri) => format!("{uri} {uri:?} {uri:#?} {:?}", uri.pin_value),
        Err(error) => format!("{error} {error:?} {error:#?} {:?}", error.hint()),
    };
    format!("{parsed}\n{}\n{}", redact(text), redact(&format!("bad URI '{text}': why")))
}

/// URIs with `QXZQ` in or around what may be the PIN, each malformed in a different way.
#[test]
fn no_malformed_uri_gives_its_pin_away() {
    for text in [
        "pkcs11:?pin-value=QXZQ%zz",
        "pkcs11:?pin-value=%zQXZQ",
        "pkcs11:?pin-value=QXZQ%",
        "pkcs11:?pin-value=QXZQ#QXZQ",
        "pkcs11:?pin-value=QXZQéQXZQ",
        "pkcs11:?pin-value=QXZQ;module-path=/QXZQ",
        "pkcs11:?pin-value=%51X%5a\u{51}%ff%51XZQQXZQ",
        "pkcs11:?pin-value=ab&QXZQ",
        "pkcs11:?pin-value=ab&QX ZQ",
        "pkcs11:?pin-value=ab&QXZQ'QXZQ",
        "pkcs11:?pin-value=ab&QXZQ=%zz",
        "pkcs11:?pin-value=ab&QXZQ=a b",
        "pkcs11:?pin-value=ab&QXZQ=pin-value=QXZQ",
        "pkcs11:?pin-value=ab&=QXZQ",
        "pkcs11:?pin-value=QXZQ&",
        "pkcs11:?pin-value=QXZQ&pin-value=QXZQ",
        "pkcs11:?pin-value=QXZQ&pin-source=QXZQ",
        "pkcs11:?pin-source=a&pin-value=QXZQ",
        "pkcs11:?PIN-VALUE=QXZQ",
        "pkcs11:?pin%2dvalue=QXZQ",
        "pkcs11:?pin-value%3DQXZQ",
        "pkcs11:?module-path=/m;pin-value=QXZQ",
        "pkcs11:?module-path=/m?pin-value=QXZQ",
        "pkcs11:?x-pin-value=QXZQ",
        "pkcs11:pin-value=QXZQ",
        "pkcs11:Pin-Value=QXZQ",
        "pkcs11:token=t;pin-value=QXZQ",
        "pkcs11:token=t&pin-value=QXZQ",
        "pkcs11:token=a b;pin-value=QXZQ",
        "pkcs11:type=pin-value=QXZQ",
        "pkcs11://?pin-value=QXZQ",
        "?pin-value=QXZQ",
        "token=t;pin-value=QXZQ",
    ] {
        assert!(text.parse::<Uri>().is_err(), "{text}");
        assert!(!output(text).contains("QXZQ"), "{text}: {}", output(text));
    }
}

#[test]
fn a_pin_with_a_raw_space_is_not_given_away_where_the_uri_is_quoted() {
    let text = "pkcs11:?pin-value=12 QXZQ";
    let error = text.parse::<Uri>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the value of `pin-value` has a character that must be percent-encoded at position 21"
    );
    assert!(!format!("{error:?} {:?}", error.hint()).contains("QXZQ"));
    assert_eq!(redact(&format!("bad URI '{text}': why")), "bad URI 'pkcs11:?pin-value=…': why");
}

fn bytes(length: usize) -> impl Strategy<Value = Option<Vec<u8>>> {
    prop::option::of(prop::collection::vec(any::<u8>(), 0..=length))
}

fn vendor_attributes() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    prop::collection::vec(("x-[A-Za-z0-9_-]{0,4}", prop::collection::vec(any::<u8>(), 0..8)), 0..3)
}

fn uris() -> impl Strategy<Value = Uri> {
    let library = (bytes(32), bytes(32), any::<Option<(u8, u8)>>());
    let slot = (bytes(32), bytes(64), any::<Option<u64>>());
    let device = (bytes(32), bytes(32), bytes(16), bytes(16));
    let object = (bytes(20), bytes(20), prop::option::of(prop::sample::select(&ObjectType::ALL)));
    let query = (bytes(20), bytes(20), bytes(20));
    (library, slot, device, object, query, vendor_attributes(), vendor_attributes()).prop_map(
        |(library, slot, device, object, query, mut unknown, vendor_query)| {
            unknown.dedup_by(|a, b| a.0 == b.0);
            unknown.truncate(2);
            Uri {
                library_manufacturer: library.0,
                library_description: library.1,
                library_version: library.2,
                slot_manufacturer: slot.0,
                slot_description: slot.1,
                slot_id: slot.2,
                token: device.0,
                manufacturer: device.1,
                model: device.2,
                serial: device.3,
                object: object.0,
                id: object.1,
                object_type: object.2,
                unknown: unknown.into_iter().map(|(name, value)| UnknownAttribute { name, value }).collect(),
                pin_source: query.0,
                pin_value: None,
                module_name: query.1,
                module_path: query.2,
                vendor_query,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_panic(
        text in "(pkcs11:)?(([a-z-]{2,9}|token|id|slot-id|type|pin-value)?[=;?&%#]{0,2}\\PC{0,4}){0,6}"
    ) {
        output(&text);
    }

    #[test]
    fn what_is_printed_is_read_back_as_the_same(uri in uris()) {
        prop_assert_eq!(uri.to_string().parse::<Uri>(), Ok(uri));
    }

    #[test]
    fn no_pin_is_ever_given_away(
        uri in uris(), pin in "[QXZ]{6,9}", before in ".{0,2}", behind in "[!-~é\u{a0}]{0,2}"
    ) {
        let printed = uri.to_string();
        let separator = if printed.contains('?') { '&' } else { '?' };
        prop_assume!(!printed.contains(&pin));
        for text in [
            format!("{printed}{separator}pin-value={pin}"),
            format!("{printed}{separator}pin-value={behind}{pin}{behind}"),
            format!("{printed}{before}{separator}pin-value={pin}{behind}"),
            format!("{printed};pin-value={pin}"),
        ] {
            prop_assert!(!output(&text).contains(&pin), "{}", text);
        }
    }
}
