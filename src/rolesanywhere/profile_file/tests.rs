use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::rolesanywhere::Expiration;

const NEW: &str =
    "aws_access_key_id = NEWID\naws_secret_access_key = NEW/key+\naws_session_token = NEWtoken==\n";

fn edited(file: &[u8], profile: &str) -> Vec<u8> {
    let expiration = Expiration::parse("2026-03-01T02:02:03Z").unwrap();
    let credentials =
        Credentials::new("NEWID".into(), "NEW/key+".into(), "NEWtoken==".into(), expiration).unwrap();
    with_credentials(file, &profile.parse().unwrap(), &credentials).to_vec()
}

#[track_caller]
fn check(file: &str, expected: &str) {
    let edited = String::from_utf8(edited(file.as_bytes(), "default")).unwrap();
    assert_eq!(edited, expected);
}

#[test]
fn a_new_profile_is_appended() {
    check("", &format!("[default]\n{NEW}"));
    check("[a]\nb = c\n", &format!("[a]\nb = c\n\n[default]\n{NEW}"));
    check("[a]\nb = c\n\n", &format!("[a]\nb = c\n\n[default]\n{NEW}"));
    check("[a]\nb = c", &format!("[a]\nb = c\n\n[default]\n{NEW}"));
    check("# mine", &format!("# mine\n\n[default]\n{NEW}"));
    let crlf = NEW.replace('\n', "\r\n");
    check("[a]\r\nb = c", &format!("[a]\r\nb = c\r\n\r\n[default]\r\n{crlf}"));
}

#[test]
fn what_only_looks_like_the_profile_is_left_alone() {
    for file in
        ["[profile default]\n", "[ default ]\n", "[Default]\n", "# [default]\n", "[a]\nb =\n [default]\n"]
    {
        check(file, &format!("{file}\n[default]\n{NEW}"));
    }
}

#[test]
fn settings_are_replaced_where_they_stand() {
    check(
        "# mine\n[default] # work\nregion = x\naws_session_token=old\n; key\nAWS_Access_Key_Id : old\noutput = json\n\
         aws_secret_access_key = old # comment\n\n[b]\naws_session_token = keep\n",
        "# mine\n[default] # work\nregion = x\naws_session_token = NEWtoken==\n; key\naws_access_key_id = NEWID\n\
         output = json\naws_secret_access_key = NEW/key+\n\n[b]\naws_session_token = keep\n",
    );
}

#[test]
fn missing_settings_follow_those_that_are_there() {
    check(
        "[default]\naws_access_key_id = old\naws_secret_access_key = old\nregion = x",
        "[default]\naws_access_key_id = NEWID\naws_secret_access_key = NEW/key+\naws_session_token = NEWtoken==\n\
         region = x",
    );
    check(
        "[default]\r\naws_access_key_id = old",
        "[default]\r\naws_access_key_id = NEWID\r\naws_secret_access_key = NEW/key+\r\naws_session_token = NEWtoken==\r\n",
    );
    check("[default]  \n# none\n\n[b]\n", &format!("[default]  \n{NEW}# none\n\n[b]\n"));
    check("[default]\nregion = x\n# end\n\n[b]\n", &format!("[default]\nregion = x\n{NEW}# end\n\n[b]\n"));
}

#[test]
fn duplicates_and_the_former_token_are_taken_out() {
    check(
        "[default]\naws_security_token = old\naws_access_key_id = old\nregion = x\naws_access_key_id = older\n\
         [default]\naws_session_token = old\noutput = json\n",
        &format!("[default]\n{NEW}region = x\n[default]\noutput = json\n"),
    );
}

#[test]
fn nested_settings_are_not_the_profiles() {
    check(
        "[default]\ns3 =\n  aws_access_key_id = keep\n\n  a = b\n[b]\n",
        &format!("[default]\ns3 =\n  aws_access_key_id = keep\n\n  a = b\n{NEW}[b]\n"),
    );
}

#[test]
fn the_rest_of_a_long_value_goes_with_it() {
    check(
        "[default]\naws_session_token = old\n  older\n # comment\n\n\toldest\nregion = x\n",
        "[default]\naws_session_token = NEWtoken==\naws_access_key_id = NEWID\naws_secret_access_key = NEW/key+\n\
         # comment\n\nregion = x\n"
            .replace("\n# comment", "\n # comment")
            .as_str(),
    );
}

#[test]
fn indented_profiles_stay_indented() {
    let indented: String = NEW.lines().map(|line| format!("  {line}\n")).collect();
    check("[default]\n  region = x\n", &format!("[default]\n  region = x\n{indented}"));
    check("[default]\n  [b]\n  c = d\n", &format!("[default]\n{indented}  [b]\n  c = d\n"));
}

#[test]
fn what_is_not_text_stays_too() {
    let file = b"\xef\xbb\xbf[default]\naws_access_key_id = old\n\xff\xfe = \x00\n";
    let expected = [b"\xef\xbb\xbf[default]\n", NEW.as_bytes(), b"\xff\xfe = \x00\n"].concat();
    assert_eq!(edited(file, "default"), expected);
    assert_eq!(edited(b"\xef\xbb\xbf", "default"), [b"\xef\xbb\xbf[default]\n", NEW.as_bytes()].concat());
}

#[test]
fn names_that_mean_something_else_are_refused() {
    use crate::error::Explain;
    for name in ["", "DEFAULT", "profile x", "a]", "[a", "a\nb", " a", "a ", "a#b", "a;b", "\u{1b}"] {
        let error = name.parse::<ProfileName>().unwrap_err();
        assert!(error.hint().is_some(), "{name:?}");
    }
    for name in ["default", "a b", "Team/é@x.y", "profile", "default2"] {
        assert_eq!(name.parse::<ProfileName>().unwrap().as_str(), name);
    }
}

/// All settings by section and name, as Python's configparser would find them. Written independently of the
/// code under test.
fn settings(file: &[u8]) -> BTreeMap<(String, String), String> {
    let text = String::from_utf8_lossy(file).replace("\r\n", "\n").replace('\r', "\n");
    let mut found: BTreeMap<(String, String), String> = BTreeMap::new();
    let (mut section, mut current, mut level) = (None::<String>, None::<(String, String)>, 0);
    for line in text.trim_start_matches('\u{feff}').split('\n') {
        let bare = line.trim_matches(|c: char| c.is_ascii_whitespace() || "\x0b\x1c\x1d\x1e\x1f".contains(c));
        if bare.is_empty() || bare.starts_with(['#', ';']) {
            continue;
        }
        let indent = line.len() - line.trim_start_matches(|c| c != bare.chars().next().unwrap()).len();
        match &current {
            Some(key) if indent > level => {
                found.entry(key.clone()).or_default().push_str(&format!("\n{bare}"));
                continue;
            }
            _ => level = indent,
        }
        if bare.starts_with('[') && bare.rfind(']').is_some_and(|end| end > 1) {
            section = Some(bare[1..bare.rfind(']').unwrap()].to_owned());
            current = None;
        } else if let (Some(section), Some(at)) = (&section, bare.find(['=', ':'])) {
            let blank = |c: char| c.is_ascii_whitespace() || "\x0b\x1c\x1d\x1e\x1f".contains(c);
            let name = bare[..at].trim_end_matches(blank).to_ascii_lowercase();
            if !name.is_empty() {
                let key = (section.clone(), name);
                found.insert(key.clone(), bare[at + 1..].trim_start_matches(blank).to_owned());
                current = Some(key);
            }
        }
    }
    found
}

/// Checks that the file has what it should for the profile, and is otherwise as it was.
fn check_settings(file: &[u8], profile: &str) -> Result<(), TestCaseError> {
    let edited_once = edited(file, profile);
    prop_assert_eq!(&edited(&edited_once, profile), &edited_once, "not idempotent");
    let is_ours = |key: &(String, String)| {
        key.0 == profile && setting::Meaning::of(key.1.as_bytes()) != setting::Meaning::Other
    };
    let (ours, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
        settings(&edited_once).into_iter().partition(|(key, _)| is_ours(key));
    let ours: Vec<&str> = ours.values().map(String::as_str).collect();
    prop_assert_eq!(ours, ["NEWID", "NEW/key+", "NEWtoken=="]);
    let before: BTreeMap<_, _> = settings(file).into_iter().filter(|(key, _)| !is_ours(key)).collect();
    prop_assert_eq!(others, before);
    Ok(())
}

fn lines_without(file: &[u8], word: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(file).into_owned();
    text.lines().map(str::to_owned).filter(|line| !line.contains(word)).collect()
}

/// A file as people and programs write it; whatever is to disappear contains OLD.
fn plausible_file() -> impl Strategy<Value = Vec<u8>> {
    let kept = prop::sample::select(vec![
        "region = KEEP\n",
        "s3 =\n  aws_access_key_id = KEEP\n  a = b\n",
        "# aws_access_key_id = KEEP\n",
        "  ; KEEP\n",
        "aws_access_key_id_of = KEEP\n",
        "credential_process = x --a=\"[p]\"\n",
        "\n",
        " \t\n",
    ]);
    let replaced = prop::sample::select(vec![
        "aws_access_key_id=OLD\n",
        "AWS_Secret_Access_Key : OLD\n\tOLD\n",
        "aws_session_token = OLD\n\n   OLD\n# KEEP\n  OLD\n",
        "aws_security_token\t= OLD\n",
        "aws_session_token = ;OLD\n  OLD\n",
    ]);
    let mine = prop::collection::vec(prop_oneof![kept.clone(), replaced], 0..6);
    let mine = (prop::sample::select(vec!["[p]\n", "[p]  \n", "[p] # KEEP\n", "[p]; KEEP\n"]), mine);
    let other = prop::sample::select(vec!["[profile p]\n", "[q]\n", "[ p ]\n", "[P]\n", "[p] [x]\n"]);
    let other = (other, prop::collection::vec(kept, 0..4));
    let section = (prop_oneof![mine, other], prop::sample::select(vec!["", "  ", "\t"]));
    let sections = prop::collection::vec(section, 0..4);
    (sections, any::<[bool; 4]>()).prop_map(|(sections, [crlf, cut, bom, comment])| {
        let mut text = if comment { "# KEEP\n\n".to_owned() } else { String::new() };
        for ((header, items), indentation) in sections {
            text += header;
            for line in items.concat().split_inclusive('\n') {
                text += indentation;
                text += line;
            }
        }
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        let text = if cut { text.trim_end().to_owned() } else { text };
        [if bom && !text.is_empty() { "\u{feff}" } else { "" }, &text].concat().into_bytes()
    })
}

proptest! {
    #[test]
    fn other_lines_stay_and_the_new_ones_are_read_back(file in plausible_file()) {
        check_settings(&file, "p")?;
        let mut kept = lines_without(&file, "OLD");
        let edited = lines_without(&edited(&file, "p"), "NEW");
        if edited.len() > kept.len() {
            if kept.last().is_some_and(|line| !line.trim().is_empty()) {
                kept.push(String::new());
            }
            kept.push("[p]".into());
        }
        prop_assert_eq!(edited, kept);
    }

    #[test]
    fn what_nobody_would_write_is_understood_as_well(
        words in prop::collection::vec(prop::sample::select(vec![
            "[p]", "[", "]", "[q]", "\n", "\n", "\n", "\r\n", "\r", " ", "\t", "\x0b", "\x1c", "=", ":", "#", ";", "a",
            "aws_access_key_id", "aws_session_token=", "aws_security_token:", "x=y", "\n  ", "é",
        ]), 0..40)
    ) {
        check_settings(words.concat().as_bytes(), "p")?;
    }

    #[test]
    fn no_bytes_make_it_panic_or_lose_what_is_there(file in prop::collection::vec(any::<u8>(), 0..300)) {
        let edited_once = edited(&file, "p");
        prop_assert_eq!(&edited(&edited_once, "p"), &edited_once);
        prop_assert!(file.windows(3).any(|bytes| bytes == b"[p]") || edited_once.starts_with(&file));
    }
}
