//! A realistic credentials file, its contents, and what boto3 reads from it.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::python::python;
use crate::support::server::Server;

/// A realistic file: with CRLF, indentation, comments, and the profile that is to be written.
pub const FILE: &str = "# mine\r\n[default]\r\naws_access_key_id = keep\r\naws_secret_access_key=keep\r\n\r\n\
    [work] ; of the office\r\nregion = eu-west-1 \r\naws_access_key_id=old\r\n; between\r\n\r\n\
    [z]\r\ns3 =\r\n    aws_access_key_id = keep\r\n";

/// The lines that are not the profile's credentials, and those credentials.
pub fn parts(file: &[u8], profile: &str) -> (Vec<String>, Vec<String>) {
    let text = String::from_utf8(file.to_vec()).expect("a file is UTF-8");
    let heading = format!("[{profile}]");
    let mut inside = false;
    let (mut others, mut own) = (Vec::new(), Vec::new());
    for line in text.split_inclusive('\n') {
        if line.starts_with('[') {
            inside = line.starts_with(&heading);
        }
        match inside && line.trim_start().starts_with("aws_") {
            true => own.push(line.to_owned()),
            false => others.push(line.to_owned()),
        }
    }
    (others, own)
}

/// What boto3 reads: the profile's credentials, or nothing.
pub fn read_by_boto3(profile: &str, files: &[&Path]) -> Vec<Value> {
    let output = python("clients/read_profile.py").arg(profile).args(files).output().expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What the service issued last, under boto3's names.
pub fn last_given(server: &Server) -> Value {
    let log = server.aws.log();
    let credential = &log.last().expect("a request")["credential"];
    json!([credential["accessKeyId"], credential["secretAccessKey"], credential["sessionToken"]])
}
