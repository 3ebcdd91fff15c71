//! `pkcs11:` URIs: every URI that parses prints to text that parses to the same URI, and no PIN shows
//! anywhere.
#![no_main]

use countersign::pin::PinSource;
use countersign::uri::{Uri, redact};
use libfuzzer_sys::fuzz_target;

/// Stands for a PIN: if it shows, a PIN would have shown.
const PIN: &str = "Q7ZX9QK";

fuzz_target!(|text: &str| {
    if let Ok(mut uri) = text.parse::<Uri>() {
        let with_pin = (uri.to_string(), format!("{uri:?}"), uri.shown());
        let _ = PinSource::from_uri(&uri);
        uri.pin_value = None;
        assert_eq!(
            with_pin,
            (uri.to_string(), format!("{uri:?}"), uri.shown()),
            "the PIN changes what is printed"
        );
        assert_eq!(uri.to_string().parse(), Ok(uri.clone()), "printed and parsed it is another URI");
        assert_eq!(redact(&uri.to_string()), uri.to_string(), "there is no PIN in it to be redacted");
    }
    let _ = redact(text);

    if text.contains(PIN) {
        return;
    }
    for name in ["pin-value=", "Pin-VALUE=", "%70in-value%3d"] {
        let with_pin = after_each_pin_value(text, &format!("{name}{PIN}"));
        assert!(!redact(&with_pin).contains(PIN), "redacted, it still shows the PIN: {with_pin:?}");
        // An encoded name does not count as a name for the parser, which quotes no value.
        no_pin_in_errors(&with_pin);
        // A PIN that contains a raw `&` or `;`.
        if with_pin != text {
            no_pin_in_errors(&format!("{text}{PIN}"));
        }
    }
});

fn no_pin_in_errors(text: &str) {
    if let Err(error) = text.parse::<Uri>() {
        let said = format!("{error} {error:?} {:?}", error.hint());
        assert!(!said.contains(PIN), "the error for {text:?} shows the PIN: {said}");
    }
}

/// The text with `replacement` for each `pin-value=`.
fn after_each_pin_value(text: &str, replacement: &str) -> String {
    const NAME: &str = "pin-value=";
    let lower = text.to_ascii_lowercase();
    let mut replaced = String::new();
    let mut rest = 0;
    for (at, _) in lower.match_indices(NAME) {
        replaced += &text[rest..at];
        replaced += replacement;
        rest = at + NAME.len();
    }
    replaced + &text[rest..]
}
