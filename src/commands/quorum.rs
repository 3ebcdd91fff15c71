//! What a quorum token says about itself, in words.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign::duration::in_words;
use countersign::printable::one_line;
use countersign::signing::QuorumToken;
use countersign::tokenfile::TokenFile;
use jiff::Timestamp;

/// Lines for the approver. They come from the file and prove nothing: the file does not even say what is
/// approved.
pub(crate) fn describe(file: &TokenFile) -> Vec<String> {
    let Some(token) = QuorumToken::of(file) else { return Vec::new() };
    let mut lines = Vec::new();
    let services: BTreeSet<String> = token
        .records
        .iter()
        .map(|record| {
            record.service_name().map_or_else(|| format!("number {}", record.service), str::to_owned)
        })
        .collect();
    let requesters: BTreeSet<&str> = token.records.iter().map(|record| record.requester.as_str()).collect();
    let services: Vec<String> = services.into_iter().collect();
    if !services.is_empty() {
        lines.push(format!("service: {}", services.join(", ")));
    }
    if let Some(service) = file.service() {
        lines.push(format!("outside the signed data, the file says service: {}", one_line(service)));
    }
    if token.records.is_empty() {
        lines.push("its approval_data cannot be read by this version".into());
    } else {
        let names: Vec<String> = requesters
            .iter()
            .map(|name| if name.is_empty() { "nobody".into() } else { one_line(name) })
            .collect();
        let hsms = match token.records.len() {
            1 => "1 HSM".into(),
            count => format!("{count} HSMs"),
        };
        lines.push(format!("requested by: {}, for {hsms}", names.join(", ")));
    }
    if let Some(created) = token.created() {
        lines.push(match timestamp(created) {
            Some(time) => format!("created: {time} UTC, {}", age(created)),
            None => "created: at an invalid time".into(),
        });
    }
    let approvers: Vec<String> =
        file.approvals().iter().map(|approval| one_line(&approval.username)).collect();
    lines.push(if approvers.is_empty() {
        "approvals in it: none".into()
    } else {
        format!("approvals in it: {} ({})", approvers.len(), approvers.join(", "))
    });
    lines.push("what is being approved is not in the file: ask who requested it".into());
    lines
}

/// What an approver must not overlook.
pub(crate) fn warnings(file: &TokenFile) -> Vec<String> {
    let Some(token) = QuorumToken::of(file) else { return Vec::new() };
    let expired = token.created().filter(|_| token.is_expired(now()));
    let mut warnings: Vec<String> = expired
        .map(|created| format!("the quorum token is {}; CloudHSM accepts one for ten minutes", age(created)))
        .into_iter()
        .collect();
    if let Some((one, other)) = token.same_signature() {
        warnings.push(format!(
            "{} and {} have the same signature: one key approved in two names",
            one_line(&one.username),
            one_line(&other.username)
        ));
    }
    warnings
}

fn timestamp(seconds: u64) -> Option<String> {
    let time = Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
    Some(time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

fn age(created: u64) -> String {
    let seconds = now().saturating_sub(created);
    if created > now() + 60 {
        return "in the future".into();
    }
    format!("{} old", in_words(Duration::from_secs(seconds)))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
