//! Approvers sign quorum files, and openssl judges each signature twice: over the digest and over the data.

use crate::support::clock;
use crate::support::desk::{Desk, SIGNKEY};
use crate::support::openssl::openssl_accepts_both_ways;
use crate::support::pinned::pinned;
use crate::support::token_files::{base64, json, registration};

const QUORUM: &[u8] = include_bytes!("../samples/aws-quorum-user-unsigned.json");

#[test]
fn registration_tokens_are_signed_over_their_data_on_the_device() {
    let desk = Desk::new();
    desk.write("registration.json", &registration(3));
    let done =
        desk.countersign(&["sign", "--json", "--key", SIGNKEY, "registration.json"]).with_pin().go().exits(0);
    assert_eq!(done.json()["mechanism"], "CKM_SHA256_RSA_PKCS");
    assert_eq!(done.json()["files"][0]["format"], "quorum-registration");
    for token in json(&desk, "registration.json")["tokens"].as_array().unwrap() {
        openssl_accepts_both_ways(
            &desk,
            &base64(&token["approval_data"]),
            &base64(&token["signed"]),
            "device/signkey.pub.pem",
        );
    }
    desk.countersign(&["verify", "--public-key", "device/signkey.pub.pem", "registration.json"])
        .go()
        .exits(0);
    // Signing the digest alone on the device gives the same bytes.
    let sha = desk.read("registration.json");
    let other = ["sign", "--force", "--mechanism", "rsa-pkcs", "--key", SIGNKEY, "registration.json"];
    desk.countersign(&other).with_pin().go().exits(0);
    assert_eq!(desk.read("registration.json"), sha);
}

#[test]
fn an_approver_approves_in_their_name() {
    let desk = Desk::new();
    desk.write("quorum.json", QUORUM);
    let sign = ["sign", "--key", SIGNKEY, "--username", "alice", "quorum.json"];
    let done = desk.countersign(&sign).with_pin().go().exits(0);
    pinned("quorum_approve", &desk, "countersign sign --key … --username alice quorum.json", &done);
    let document = json(&desk, "quorum.json");
    let [entry] = &document["signatures"].as_array().unwrap()[..] else { panic!("one approval") };
    assert_eq!((entry["username"].as_str(), entry.get("role")), (Some("alice"), None));
    openssl_accepts_both_ways(
        &desk,
        &base64(&document["approval_data"]),
        &base64(&entry["signature"]),
        "device/signkey.pub.pem",
    );
    // Again: nothing changes.
    let before = desk.read("quorum.json");
    desk.countersign(&sign).go().exits(0).says("Nothing was changed.");
    assert_eq!(desk.read("quorum.json"), before);
}

#[test]
fn an_approval_needs_a_name() {
    let desk = Desk::new();
    desk.write("quorum.json", QUORUM);
    let done = desk.countersign(&["sign", "--key", SIGNKEY, "quorum.json"]).with_pin().go().exits(2);
    pinned("quorum_no_username", &desk, "countersign sign --key … quorum.json", &done);
    assert_eq!(desk.read("quorum.json"), QUORUM);
    desk.countersign(&["sign", "--key", SIGNKEY, "quorum.json"])
        .with_pin()
        .env("COUNTERSIGN_USERNAME", "alice")
        .env("COUNTERSIGN_ROLE", "admin")
        .go()
        .exits(0);
    assert_eq!(json(&desk, "quorum.json")["signatures"][0]["role"], "admin");
}

#[test]
fn key_services_get_the_approver_s_role_and_their_members_stay() {
    let desk = Desk::new();
    let text = String::from_utf8(QUORUM.to_vec()).unwrap().replace(
        "\"signatures\"",
        "\"service\": \"key-usage\",\n  \"key_reference\": \"0x00000000002c33f7\",\n  \"signatures\"",
    );
    desk.write("quorum.json", text.as_bytes());
    desk.countersign(&["sign", "--key", SIGNKEY, "--username", "carol", "quorum.json"])
        .with_pin()
        .go()
        .exits(0);
    let document = json(&desk, "quorum.json");
    assert_eq!(document["signatures"][0]["role"], "crypto-user");
    assert_eq!(document["key_reference"], "0x00000000002c33f7");
}

#[test]
fn one_user_cannot_approve_twice_with_another_key_unless_forced() {
    let desk = Desk::provisioned(&["--keys", "signkey,alwayskey"]);
    desk.write("quorum.json", QUORUM);
    let sign = |key: &str, extra: &[&str]| {
        let arguments = [&["sign", "--key", key, "--username", "alice"], extra, &["quorum.json"]].concat();
        desk.countersign(&arguments).with_pin().go()
    };
    sign("pkcs11:object=alwayskey", &[]).exits(0);
    let before = desk.read("quorum.json");
    sign(SIGNKEY, &[]).exits(8).says("the approval of alice is signed already, but not by this key");
    assert_eq!(desk.read("quorum.json"), before);
    sign(SIGNKEY, &["--force"]).exits(0).says("quorum.json now has 1 approval.");
    desk.countersign(&["verify", "--public-key", "alice=device/signkey.pub.pem", "quorum.json"])
        .go()
        .exits(0);
}

#[test]
fn copies_that_several_people_signed_at_once_are_merged_and_verified() {
    let desk = Desk::provisioned(&["--keys", "signkey", "--also", "bob", "--also", "carol"]);
    for (user, device) in [("alice", "officer"), ("bob", "bob"), ("carol", "carol")] {
        desk.write(&format!("{user}.json"), QUORUM);
        let key = format!("pkcs11:token={device};id=%01");
        let sign = ["sign", "--key", &key, "--username", user, &format!("{user}.json")];
        desk.countersign(&sign).with_pin().go().exits(0);
        desk.countersign(&["public-key", "--key", &key, "-o", &format!("{user}.pub")]).go().exits(0);
    }
    let done =
        desk.countersign(&["merge", "alice.json", "bob.json", "carol.json", "-o", "all.json"]).go().exits(0);
    pinned("quorum_merge", &desk, "countersign merge alice.json bob.json carol.json -o all.json", &done);

    let keys = ["--public-key", "alice=alice.pub", "--public-key", "bob=bob.pub"];
    let verify =
        |extra: &[&str]| desk.countersign(&[&["verify"], &keys[..], extra, &["all.json"]].concat()).go();
    pinned(
        "quorum_verify",
        &desk,
        "countersign verify … --public-key carol=carol.pub all.json",
        &verify(&["--public-key", "carol=carol.pub"]).exits(0),
    );
    pinned("quorum_verify_too_few", &desk, "countersign verify … all.json", &verify(&[]).exits(8));
    verify(&["--require", "2"]).exits(0);
    verify(&["--public-key", "carol=bob.pub", "--require", "2"]).exits(8).says("the approval of carol");
    let document = verify(&["--json", "--require", "2"]).exits(0).json();
    assert_eq!(document["files"][0]["valid"], 2);
    desk.countersign(&["verify", "--public-key", "alice.pub", "all.json"])
        .go()
        .exits(2)
        .says("names no user");

    // Approving one file in turn gives the same result.
    desk.write("chain.json", QUORUM);
    for (user, device) in [("alice", "officer"), ("bob", "bob"), ("carol", "carol")] {
        let key = format!("pkcs11:token={device};id=%01");
        desk.countersign(&["sign", "--key", &key, "--username", user, "chain.json"]).with_pin().go().exits(0);
    }
    assert_eq!(desk.read("chain.json"), desk.read("all.json"));
}

#[test]
fn files_that_do_not_belong_together_are_not_merged() {
    let desk = Desk::without_device();
    desk.write("quorum.json", QUORUM);
    desk.write("mfa.json", crate::support::token_files::UNSIGNED);
    let done = desk.countersign(&["merge", "quorum.json", "mfa.json", "-o", "out.json"]).go().exits(7);
    pinned("quorum_merge_other_format", &desk, "countersign merge quorum.json mfa.json -o out.json", &done);
    assert!(!desk.path("out.json").exists());
}

#[test]
fn a_token_that_is_not_of_its_data_is_not_signed() {
    let desk = Desk::new();
    let text = String::from_utf8(QUORUM.to_vec()).unwrap().replace("0l2LZkmA", "1l2LZkmA");
    desk.write("quorum.json", text.as_bytes());
    let done =
        desk.countersign(&["sign", "--key", SIGNKEY, "--username", "alice", "quorum.json"]).with_pin().go();
    pinned("quorum_other_digest", &desk, "countersign sign --key … --username alice quorum.json", &done);
    assert_eq!(done.code(), 7);
    assert_eq!(desk.read("quorum.json"), text.as_bytes());
}

#[test]
fn show_says_what_the_file_says_about_itself() {
    let desk = Desk::without_device();
    desk.write("quorum.json", QUORUM);
    let done = desk.countersign(&["show", "quorum.json"]).go().exits(0);
    let done = done.map_stdout(|text| {
        let words = text.split_inclusive(' ');
        words
            .map(|word| if word.trim().parse::<u32>().is_ok_and(|n| n > 1000) { "MANY " } else { word })
            .collect()
    });
    pinned("quorum_show", &desk, "countersign show quorum.json", &done);
}

#[test]
fn two_approvers_of_one_file_at_once_lose_nothing() {
    let desk = Desk::provisioned(&["--keys", "signkey", "--also", "bob"]);
    for _ in 0..5 {
        desk.write("quorum.json", QUORUM);
        let spawn = |user: &str, device: &str| {
            let key = format!("pkcs11:token={device};id=%01");
            let mut run =
                desk.countersign(&["sign", "--key", &key, "--username", user, "quorum.json"]).with_pin();
            run.command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
            run.command.spawn().unwrap()
        };
        let children = [spawn("alice", "officer"), spawn("bob", "bob")];
        let mut approvals = 0;
        for child in children {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            match output.status.code() {
                Some(0) => approvals += 1,
                Some(1) => assert!(said.contains("is being signed by another process"), "{said}"),
                other => panic!("{other:?}: {said}"),
            }
        }
        assert_eq!(json(&desk, "quorum.json")["signatures"].as_array().unwrap().len(), approvals);
    }
}

#[test]
fn an_old_token_is_warned_of_and_a_fresh_one_is_not() {
    use base64::Engine as _;
    use sha2::{Digest, Sha256};
    let desk = Desk::without_device();
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let now = clock::now().as_second() as u64;
    for (age, warned) in [(30, false), (590, false), (660, true)] {
        let mut record = vec![0, 1, 0, 3, 0, 0, 0, 7];
        record.extend([0; 24]);
        record.extend(b"admin");
        record.extend([0; 27]);
        record.extend((now - age).to_be_bytes());
        record.extend([0; 8]);
        assert_eq!(record.len(), 80);
        let text = format!(
            "{{\"version\":\"2.0\",\"approval_data\":\"{}\",\"token\":\"{}\",\"signatures\":[]}}",
            encode(&record),
            encode(&Sha256::digest(&record))
        );
        desk.write("quorum.json", text.as_bytes());
        let said = desk.countersign(&["show", "quorum.json"]).go().exits(0).stderr();
        assert_eq!(said.contains("CloudHSM accepts one for ten minutes"), warned, "{age}: {said}");
    }
}

#[test]
fn one_key_in_two_names_is_one_approval() {
    let desk = Desk::new();
    desk.write("quorum.json", QUORUM);
    for user in ["alice", "mallory"] {
        desk.countersign(&["sign", "--key", SIGNKEY, "--username", user, "quorum.json"])
            .with_pin()
            .go()
            .exits(0);
    }
    let key = "device/signkey.pub.pem";
    let keys = [format!("alice={key}"), format!("mallory={key}")];
    let verify =
        ["verify", "--public-key", &keys[0], "--public-key", &keys[1], "--require", "2", "quorum.json"];
    let done = desk.countersign(&verify).go().exits(8);
    pinned("quorum_one_key_twice", &desk, "countersign verify … --require 2 quorum.json", &done);
    desk.countersign(&["show", "quorum.json"])
        .go()
        .exits(0)
        .says("alice and mallory have the same signature");
}

#[test]
fn what_is_signed_is_shown_beside_what_the_file_adds() {
    let desk = Desk::without_device();
    let text = String::from_utf8(QUORUM.to_vec()).unwrap();
    desk.write(
        "quorum.json",
        text.replace("\"token\"", "\"service\": \"key-usage\",\n  \"token\"").as_bytes(),
    );
    let shown = desk.countersign(&["show", "quorum.json"]).go().exits(0).stdout();
    assert!(shown.contains("  service: user management\n"), "{shown}");
    assert!(shown.contains("  outside the signed data, the file says service: key-usage\n"), "{shown}");
}

#[test]
fn no_name_in_a_file_can_add_a_line() {
    let desk = Desk::new();
    let user = "x: valid\nquorum.json: 2 valid approvals, 2 required\n\u{202e}y";
    desk.write("quorum.json", QUORUM);
    desk.countersign(&["sign", "--key", SIGNKEY, "--username", "bob", "quorum.json"])
        .with_pin()
        .go()
        .exits(0);
    // No user has such a name, but anyone can write it into a file.
    let hostile = serde_json::to_string(user).unwrap();
    let text = String::from_utf8(desk.read("quorum.json")).unwrap().replace("\"bob\"", &hostile);
    desk.write("quorum.json", text.as_bytes());
    let verify = ["verify", "--public-key", "alice=device/signkey.pub.pem", "quorum.json"];
    let done = desk.countersign(&verify).go().exits(8);
    assert_eq!(done.stdout().lines().count(), 2, "{}", done.stdout());
    assert!(!done.stdout().contains('\u{202e}'));
    let shown = desk.countersign(&["show", "quorum.json"]).go().exits(0);
    assert!(!shown.stdout().lines().any(|line| line.starts_with("quorum.json: 2")), "{}", shown.stdout());
}

#[test]
fn a_replaced_approval_keeps_its_other_members() {
    let desk = Desk::provisioned(&["--keys", "signkey,alwayskey"]);
    desk.write("quorum.json", QUORUM);
    let key = "pkcs11:object=alwayskey";
    desk.countersign(&["sign", "--key", key, "--username", "alice", "quorum.json"]).with_pin().go().exits(0);
    let text = String::from_utf8(desk.read("quorum.json")).unwrap();
    let noted = text
        .replace("\"username\": \"alice\",", "\"username\": \"alice\", \"role\": \"admin\", \"note\": [1],");
    desk.write("quorum.json", noted.as_bytes());
    let sign = ["sign", "--force", "--key", SIGNKEY, "--username", "alice", "quorum.json"];
    desk.countersign(&sign).with_pin().go().exits(0);
    let entry = &json(&desk, "quorum.json")["signatures"][0];
    assert_eq!((entry["role"].as_str(), entry["note"].to_string()), (Some("admin"), "[1]".into()));
    desk.countersign(&["verify", "--public-key", "alice=device/signkey.pub.pem", "quorum.json"])
        .go()
        .exits(0);
}

#[test]
fn a_role_that_is_added_to_an_approval_leaves_its_other_members() {
    let desk = Desk::new();
    desk.write("quorum.json", QUORUM);
    let sign = ["sign", "--key", SIGNKEY, "--username", "alice", "quorum.json"];
    desk.countersign(&sign).with_pin().go().exits(0);
    let text = String::from_utf8(desk.read("quorum.json")).unwrap();
    desk.write("quorum.json", text.replace("\"username\"", "\"note\": [1], \"username\"").as_bytes());
    let with_role = [&sign[..], &["--force", "--role", "admin"]].concat();
    desk.countersign(&with_role).with_pin().go().exits(0);
    let entry = &json(&desk, "quorum.json")["signatures"][0];
    assert_eq!((entry["role"].as_str(), entry["note"].to_string()), (Some("admin"), "[1]".into()));
    desk.countersign(&["verify", "--public-key", "alice=device/signkey.pub.pem", "quorum.json"])
        .go()
        .exits(0);
}

#[test]
fn copies_that_differ_in_more_than_approvals_are_not_merged() {
    let desk = Desk::without_device();
    let text = String::from_utf8(QUORUM.to_vec()).unwrap();
    desk.write("one.json", text.as_bytes());
    desk.write("two.json", text.replace("\"token\"", "\"key_reference\": \"0xEVIL\", \"token\"").as_bytes());
    for order in [["one.json", "two.json"], ["two.json", "one.json"]] {
        desk.countersign(&["merge", order[0], order[1], "-o", "out.json"])
            .go()
            .exits(7)
            .says("its \"key_reference\" is not that of the first file");
    }
}

#[test]
fn options_of_verify_without_effect_are_refused() {
    let desk = Desk::without_device();
    let sample = |name: &str| {
        crate::support::parts::root().join("tests/samples").join(name).to_str().unwrap().to_owned()
    };
    let (mfa, key) = (sample("aws-mfa-signed.json"), sample("aws-mfa-signer.pub.pem"));
    desk.write("quorum.json", QUORUM);
    let named = format!("alice={key}");
    for arguments in [
        vec!["--public-key", &named, &mfa],
        vec!["--public-key", &key, "--public-key", &key, &mfa],
        vec!["--public-key", &named, "--public-key", &named, "quorum.json"],
        vec!["--public-key", &key, "--require", "1", &mfa],
        vec!["--public-key", &named, "--require", "0", "quorum.json"],
        vec!["--public-key", &key, "quorum.json"],
    ] {
        desk.countersign(&[&["verify"], &arguments[..]].concat()).go().exits(2);
    }
}

#[test]
fn a_registration_file_with_a_list_of_signatures_is_signed_and_the_list_stays() {
    let desk = Desk::new();
    for list in [r#"[{"username":"","role":"","signature":""}]"#, "[]"] {
        let text = String::from_utf8(registration(2)).unwrap();
        let with_list = text.replacen("\n}\n", &format!(",\n  \"signatures\": {list}\n}}\n"), 1);
        desk.write("registration.json", with_list.as_bytes());
        let sign = ["sign", "--json", "--key", SIGNKEY, "registration.json"];
        let done = desk.countersign(&sign).with_pin().go().exits(0);
        assert_eq!(done.json()["files"][0]["format"], "quorum-registration");
        let signed = String::from_utf8(desk.read("registration.json")).unwrap();
        assert!(signed.ends_with(&format!(",\n  \"signatures\": {list}\n}}\n")), "{signed}");
        for token in json(&desk, "registration.json")["tokens"].as_array().unwrap() {
            let (data, signature) = (base64(&token["approval_data"]), base64(&token["signed"]));
            openssl_accepts_both_ways(&desk, &data, &signature, "device/signkey.pub.pem");
        }
        desk.countersign(&["verify", "--public-key", "device/signkey.pub.pem", "registration.json"])
            .go()
            .exits(0);
    }
}

#[test]
fn user_names_are_those_of_cloudhsm_in_any_case() {
    let desk = Desk::provisioned(&["--keys", "signkey,alwayskey"]);
    desk.write("quorum.json", QUORUM);
    let sign = |key: &str, name: &str, more: &[&str]| {
        let key = format!("pkcs11:token=officer;id={key};type=private");
        let words = ["sign", "--key", &key, "--username", name];
        desk.countersign(&[&words[..], more, &["quorum.json"]].concat()).with_pin().go()
    };
    for name in ["a b", &"x".repeat(45), "älice", "alice;"] {
        sign("%01", name, &[]).exits(2).says("CloudHSM has no user");
        assert_eq!(desk.read("quorum.json"), QUORUM);
    }
    sign("%01", "officer1", &[]).exits(0);
    // The same person in upper or lower case; with another key only with --force, and then once.
    sign("%01", "Officer1", &[]).exits(0).says("Nothing was changed.");
    sign("%02", "OFFICER1", &[]).exits(8);
    sign("%02", "OFFICER1", &["--force"]).exits(0).says("now has 1 approval");
    sign("%01", "OFFICER1", &["--force"]).exits(0).says("now has 1 approval");
    let verify = |user: &str| {
        let key = format!("{user}=device/signkey.pub.pem");
        desk.countersign(&["verify", "--public-key", &key, "quorum.json"]).go()
    };
    for user in ["officer1", "Officer1"] {
        verify(user).exits(0);
    }
    // Copies in which one person is spelled differently are merged as one.
    desk.write(
        "copy.json",
        &String::from_utf8(desk.read("quorum.json")).unwrap().replace("officer1", "Officer1").into_bytes(),
    );
    desk.countersign(&["merge", "quorum.json", "copy.json", "-o", "all.json"])
        .go()
        .exits(0)
        .says("1 approval");
    sign("%01", "officer2", &["--role", "CO"]).says("the role \"CO\" is none of CloudHSM's");
}

#[test]
fn one_key_in_two_names_is_warned_of_at_once() {
    let desk = Desk::new();
    desk.write("quorum.json", QUORUM);
    let sign = |name: &str| {
        desk.countersign(&["sign", "--key", SIGNKEY, "--username", name, "quorum.json"])
            .with_pin()
            .go()
            .exits(0)
    };
    let warning = "one key approved in two names";
    assert!(!sign("officer1").stderr().contains(warning));
    assert_eq!(sign("officer2").stderr().matches(warning).count(), 1);
}

/// The sample with other members, and its `approval_data` changed.
fn sample_with(service: u16, members: &str) -> Vec<u8> {
    use base64::Engine as _;
    use sha2::{Digest, Sha256};
    let document: serde_json::Value = serde_json::from_slice(QUORUM).unwrap();
    let mut data = base64(&document["approval_data"]);
    for record in data.chunks_exact_mut(80) {
        record[2..4].copy_from_slice(&service.to_be_bytes());
    }
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let (data, token) = (encode(&data), encode(&Sha256::digest(&data)));
    format!(r#"{{"version":"2.0",{members}"approval_data":"{data}","token":"{token}","signatures":[]}}"#)
        .into_bytes()
}

#[test]
fn the_most_dangerous_kind_of_approval_is_named() {
    let desk = Desk::without_device();
    for (service, name) in [(3, "user management"), (4, "setting quorum values (MISC_CO)"), (9, "number 9")] {
        desk.write("quorum.json", &sample_with(service, ""));
        let shown = desk.countersign(&["show", "quorum.json"]).go().exits(0).stdout();
        assert!(shown.contains(&format!("service: {name}\n")), "{shown}");
    }
}

#[test]
fn the_service_decides_whether_a_role_is_written() {
    let desk = Desk::new();
    for (members, role) in [
        (r#""service":"user","key_reference":null,"#, None),
        (r#""service":"user","key_reference":"0x1","#, None),
        (r#""key_reference":null,"#, None),
        (r#""key_reference":"0x1","#, Some("crypto-user")),
        (r#""service":"key-usage","key_reference":null,"#, Some("crypto-user")),
    ] {
        desk.write("quorum.json", &sample_with(3, members));
        let sign = ["sign", "--key", SIGNKEY, "--username", "alice", "quorum.json"];
        desk.countersign(&sign).with_pin().go().exits(0);
        assert_eq!(json(&desk, "quorum.json")["signatures"][0]["role"].as_str(), role, "{members}");
    }
}
