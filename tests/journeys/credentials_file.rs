//! Edited credentials files are read by boto3, whose parser the AWS CLI also uses.

use std::fs;

use countersign::rolesanywhere::{Credentials, Expiration, ProfileName, with_credentials};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::python::python;

/// Files before the edit, and what boto3 finds in them afterwards apart from the credentials of `work`.
fn files() -> Vec<(&'static str, Value)> {
    vec![
        ("", json!({"work": {}})),
        (
            "# mine\n[default]\naws_access_key_id = keep",
            json!({"default": {"aws_access_key_id": "keep"}, "work": {}}),
        ),
        ("[profile work]\r\nregion = x\r\n", json!({"profile work": {"region": "x"}, "work": {}})),
        (
            "[work] # mine\nAWS_ACCESS_KEY_ID=old\nregion = x\n\n[b]\n",
            json!({"work": {"region": "x"}, "b": {}}),
        ),
        // boto3 prefers a former token, and refuses two settings of one name.
        (
            "[work]\naws_security_token = old\naws_session_token = old\n  older\nAws_Session_Token: old\noutput = json",
            json!({"work": {"output": "json"}}),
        ),
        (
            "[work]\n  s3 =\n    aws_access_key_id = keep\n  [b]\n  region = x\n",
            json!({"work": {"s3": {"aws_access_key_id": "keep"}}, "b": {"region": "x"}}),
        ),
        ("[work]\n\t[b]\n\tregion = x\n", json!({"work": {}, "b": {"region": "x"}})),
        (
            "[ work ]\nregion = x\n[work] [x]\n",
            json!({" work ": {"region": "x"}, "work] [x": {}, "work": {}}),
        ),
    ]
}

#[test]
fn boto3_reads_what_was_written_and_everything_that_was_there() {
    let expiration = Expiration::parse("2026-03-01T02:02:03Z").unwrap();
    let credentials =
        Credentials::new("ASIANEW".into(), "new/key+%(a)s".into(), "new#token==".into(), expiration).unwrap();
    let profile: ProfileName = "work".parse().unwrap();
    let folder = TempDir::with_prefix("countersign-credentials-").expect("a temporary folder");
    let mut command = python("clients/read_profile.py");
    command.arg(profile.as_str());
    for (number, (file, _)) in files().into_iter().enumerate() {
        let path = folder.path().join(number.to_string());
        fs::write(&path, with_credentials(file.as_bytes(), &profile, &credentials))
            .expect("a file is written");
        command.arg(path);
    }
    let output = command.output().expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(read.len(), files().len());
    for ((file, expected), mut read) in files().into_iter().zip(read) {
        assert_eq!(read["credentials"], json!(["ASIANEW", "new/key+%(a)s", "new#token=="]), "{file:?}");
        let work = read["sections"]["work"].as_object_mut().expect("a section");
        work.retain(|name, _| !name.starts_with("aws_"));
        assert_eq!(read["sections"], expected, "{file:?}");
    }
}
