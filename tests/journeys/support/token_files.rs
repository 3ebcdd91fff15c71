//! AWS's samples, token files of any size, and what is in a file.

use crate::support::desk::Desk;

pub const UNSIGNED: &[u8] = include_bytes!("../../samples/aws-mfa-unsigned.json");

pub const SIGNED: &[u8] = include_bytes!("../../samples/aws-mfa-signed.json");

/// The pairs of decoded `unsigned` and `signed` in a token file.
pub fn token_pairs(bytes: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let document: serde_json::Value = serde_json::from_slice(bytes).expect("a token file is JSON");
    let decode =
        |value: &serde_json::Value| STANDARD.decode(value.as_str().expect("a string")).expect("base64");
    let tokens = document["tokens"].as_array().expect("a list of tokens");
    tokens.iter().map(|token| (decode(&token["unsigned"]), decode(&token["signed"]))).collect()
}

/// A token file with `count` tokens, each with a different digest.
pub fn unsigned_file(count: usize) -> Vec<u8> {
    use base64::Engine as _;
    use sha2::{Digest, Sha256};
    let tokens: Vec<String> = (0..count)
        .map(|index| {
            let digest =
                base64::engine::general_purpose::STANDARD.encode(Sha256::digest(index.to_be_bytes()));
            format!("    {{\n      \"unsigned\": \"{digest}\",\n      \"signed\": \"\"\n    }}")
        })
        .collect();
    format!("{{\n  \"version\": \"2.0\",\n  \"tokens\": [\n{}\n  ]\n}}\n", tokens.join(",\n")).into_bytes()
}

/// A registration file as CloudHSM CLI writes it.
pub fn registration(count: usize) -> Vec<u8> {
    use base64::Engine as _;
    use sha2::{Digest, Sha256};
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let tokens: Vec<String> = (0..count)
        .map(|index| {
            let data = format!("registration data of HSM {index}").repeat(5);
            let digest = encode(&Sha256::digest(&data));
            format!(
                "    {{\n      \"approval_data\": \"{}\",\n      \"unsigned\": \"{digest}\",\n      \"signed\": \"\"\n    }}",
                encode(data.as_bytes())
            )
        })
        .collect();
    format!("{{\n  \"version\": \"2.0\",\n  \"tokens\": [\n{}\n  ]\n}}\n", tokens.join(",\n")).into_bytes()
}

/// A file of the older CMU.
pub fn authdata() -> Vec<u8> {
    let digest =
        |text: &str| format!("    {{ \"HsmId\": \"hsm-a\", \"Digest\": \"{text}\", \"Signature\": \"\" }}");
    format!(
        "{{\n  \"Version\": \"1.0\",\n  \"PublicKey\": \"\",\n  \"Data\": [\n{},\n{}\n  ]\n}}\n",
        digest("k5O1p3f6foQRVQH7S8Rrjcau6h3TYqsSdr16A54+qG8="),
        digest("IyBcx4I5Vyx1jztwvXinCBQd9lDx8oQe7iRrWjBAi1w=")
    )
    .into_bytes()
}

pub fn json(desk: &Desk, name: &str) -> serde_json::Value {
    serde_json::from_slice(&desk.read(name)).unwrap()
}

pub fn base64(value: &serde_json::Value) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap()
}
