//! Checking the chain of an audit log. Pure.

use serde_json::Value;

use super::{BrokenChain, NO_LINE};
use crate::signature::sha256_hex;

/// An intact log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many entries it has.
    pub entries: u64,
    /// The SHA-256 of its last line: anyone who noted it earlier can tell that nothing was cut off.
    pub last_sha256: String,
}

/// Checks every line of a log.
///
/// # Errors
/// The first line that does not fit.
pub fn check(log: &[u8]) -> Result<Summary, BrokenChain> {
    let mut entries = 0;
    let mut last_sha256 = NO_LINE.to_owned();
    let text = log.strip_suffix(b"\n").unwrap_or(log);
    let lines = text.split(|byte| *byte == b'\n').enumerate().filter(|_| !log.is_empty());
    for (index, bytes) in lines {
        let line = index + 1;
        let entry: Value = serde_json::from_slice(bytes).map_err(|_| BrokenChain::NoEntry { line })?;
        let number = entry.get("number").and_then(Value::as_u64).ok_or(BrokenChain::NoEntry { line })?;
        let previous = entry.get("previous").and_then(Value::as_str).ok_or(BrokenChain::NoEntry { line })?;
        if !own_digest_fits(bytes) {
            return Err(BrokenChain::Changed { line });
        }
        // No log has so many lines: this only keeps the addition from overflowing.
        let expected = u64::checked_add(entries, 1).ok_or(BrokenChain::NoEntry { line })?;
        if number > expected {
            if numbers(text, index).any(|later| later == expected) {
                return Err(BrokenChain::Reordered { line, number });
            }
            return Err(BrokenChain::Missing { line, missing: expected, count: number - expected });
        }
        if number < expected {
            return Err(BrokenChain::Reordered { line, number });
        }
        if previous != last_sha256 {
            return Err(BrokenChain::Replaced { line });
        }
        entries = number;
        last_sha256 = sha256_hex(bytes);
    }
    if !log.is_empty() && !log.ends_with(b"\n") {
        return Err(BrokenChain::CutOff { line: text.split(|byte| *byte == b'\n').count() });
    }
    Ok(Summary { entries, last_sha256 })
}

/// The numbers of the entries after line `index`.
fn numbers(text: &[u8], index: usize) -> impl Iterator<Item = u64> {
    text.split(|byte| *byte == b'\n')
        .skip(index + 1)
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok()?.get("number")?.as_u64())
}

/// The line ends with `,"sha256":"…"}`, the digest of all before it.
fn own_digest_fits(line: &[u8]) -> bool {
    const NAME: &[u8] = b",\"sha256\":\"";
    let Some(body_length) = line.len().checked_sub(NAME.len() + 64 + 2) else { return false };
    let (body, end) = line.split_at(body_length);
    end == [NAME, sha256_hex(body).as_bytes(), b"\"}"].concat()
}

#[cfg(test)]
mod tests {
    use super::super::AuditLog;
    use super::*;
    use serde_json::json;

    fn log_of(count: usize) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for index in 0..count {
            let Value::Object(members) = json!({ "index": index, "text": "a}}" }) else { unreachable!() };
            AuditLog::open(&path, std::time::Duration::ZERO).unwrap().append(&members).unwrap();
        }
        std::fs::read(path).unwrap()
    }

    fn without(log: &[u8], line: usize) -> Vec<u8> {
        let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
        [&lines[..line - 1], &lines[line..]].concat().concat()
    }

    #[test]
    fn a_log_that_was_only_appended_to_is_intact() {
        assert_eq!(check(b"").unwrap().entries, 0);
        assert_eq!(check(&log_of(5)).unwrap().entries, 5);
    }

    #[test]
    fn any_changed_byte_is_found_and_its_line_named() {
        let log = log_of(3);
        let line_of = |position: usize| 1 + log[..position].iter().filter(|byte| **byte == b'\n').count();
        for position in 0..log.len() {
            let mut changed = log.clone();
            changed[position] ^= 1;
            let text = check(&changed).expect_err("must be found").to_string();
            assert!(text.contains(&format!("line {}", line_of(position))), "{position}: {text}");
        }
    }

    #[test]
    fn no_entry_follows_the_largest_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let line = format!("{{\"number\":{},\"previous\":\"{NO_LINE}\"}}\n", u64::MAX);
        std::fs::write(&path, &line).unwrap();
        let log = AuditLog::open(&path, std::time::Duration::ZERO).unwrap();
        assert!(matches!(log.append(&json!({})), Err(crate::audit::AuditError::BadEnd { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), line);
        assert!(check(line.as_bytes()).is_err());
    }

    #[test]
    fn a_missing_line_and_a_reordered_one_are_named() {
        let log = log_of(4);
        assert_eq!(check(&without(&log, 1)), Err(BrokenChain::Missing { line: 1, missing: 1, count: 1 }));
        assert_eq!(check(&without(&log, 3)), Err(BrokenChain::Missing { line: 3, missing: 3, count: 1 }));
        let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
        let swapped = [lines[0], lines[2], lines[1], lines[3]].concat();
        assert_eq!(check(&swapped), Err(BrokenChain::Reordered { line: 2, number: 3 }));
        let repeated = [lines[0], lines[1], lines[1]].concat();
        assert_eq!(check(&repeated), Err(BrokenChain::Reordered { line: 3, number: 2 }));
        // A line of another log with the right number and digest of its own.
        let other = log_of(2);
        let other: Vec<&[u8]> = other.split_inclusive(|byte| *byte == b'\n').collect();
        let mixed = [other[0], lines[1]].concat();
        assert_eq!(check(&mixed).is_ok(), other[0] == lines[0]);
    }
}
