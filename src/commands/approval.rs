//! What a quorum token says of itself, in words.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use countersign::signature::Payload;
use countersign::tokenfile::{ApprovalRecord, Format, TokenFile, approval_records};
use jiff::Timestamp;

/// AWS: a quorum token is good for ten minutes.
const LIFETIME_SECONDS: u64 = 600;

/// Lines for the approver. They come from the file and prove nothing: the file does not even name what is approved.
pub(crate) fn describe(file: &TokenFile) -> Vec<String> {
    if file.format() != Format::QuorumApproval {
        return Vec::new();
    }
    let mut lines = Vec::new();
    let records = records(file);
    let services: BTreeSet<String> = records
        .iter()
        .map(|record| {
            record.service_name().map_or_else(|| format!("number {}", record.service), str::to_owned)
        })
        .collect();
    let requesters: BTreeSet<&str> = records.iter().map(|record| record.requester.as_str()).collect();
    let join = |names: &mut dyn Iterator<Item = &str>| names.collect::<Vec<_>>().join(", ");
    match file.service() {
        Some(service) => lines.push(format!("service: {service}")),
        None if !services.is_empty() => {
            lines.push(format!("service: {}", join(&mut services.iter().map(String::as_str))));
        }
        None => {}
    }
    if records.is_empty() {
        lines.push("its approval_data cannot be read by this version".into());
    } else {
        lines.push(format!(
            "requested by: {}, for {} HSMs",
            join(&mut requesters.iter().copied()),
            records.len()
        ));
    }
    if let Some(created) = created(&records) {
        lines.push(format!("made: {} UTC, {}", timestamp(created), age(created)));
    }
    let approvers: Vec<&str> = file.approvals().iter().map(|approval| approval.username.as_str()).collect();
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
    let old = created(&records(file)).filter(|created| now().saturating_sub(*created) > LIFETIME_SECONDS);
    let warning =
        |created| format!("the quorum token is {}; CloudHSM accepts one for ten minutes", age(created));
    old.map(warning).into_iter().collect()
}

fn records(file: &TokenFile) -> Vec<ApprovalRecord> {
    match (file.format(), file.tokens().first().map(|token| &token.payload)) {
        (Format::QuorumApproval, Some(Payload::Message(data))) => approval_records(data).unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn created(records: &[ApprovalRecord]) -> Option<u64> {
    records.iter().map(|record| record.created).min()
}

fn timestamp(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map_or_else(|| "at no time".into(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

fn age(created: u64) -> String {
    let seconds = now().saturating_sub(created);
    match seconds {
        0 if created > now() + 60 => "in the future".into(),
        0..60 => format!("{seconds} seconds old"),
        60..7200 => format!("{} minutes old", seconds / 60),
        7200..172_800 => format!("{} hours old", seconds / 3600),
        _ => format!("{} days old", seconds / 86_400),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
