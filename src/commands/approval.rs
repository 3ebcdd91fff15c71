//! What a quorum token says of itself, in words.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign::duration::in_words;
use countersign::signature::Payload;
use countersign::tokenfile::{Approval, ApprovalRecord, Format, Signed, TokenFile, approval_records};
use jiff::Timestamp;

use countersign::printable::one_line;

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
    let services: Vec<String> = services.into_iter().collect();
    if !services.is_empty() {
        lines.push(format!("service: {}", services.join(", ")));
    }
    if let Some(service) = file.service() {
        lines.push(format!("beside the signed data, the file says service: {}", one_line(service)));
    }
    if records.is_empty() {
        lines.push("its approval_data cannot be read by this version".into());
    } else {
        let names: Vec<String> = requesters
            .iter()
            .map(|name| if name.is_empty() { "nobody".into() } else { one_line(name) })
            .collect();
        let hsms = if records.len() == 1 { "1 HSM".into() } else { format!("{} HSMs", records.len()) };
        lines.push(format!("requested by: {}, for {hsms}", names.join(", ")));
    }
    if let Some(created) = created(&records) {
        lines.push(match timestamp(created) {
            Some(time) => format!("made: {time} UTC, {}", age(created)),
            None => "made: at a time that is none".into(),
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
    let old = created(&records(file)).filter(|created| now().saturating_sub(*created) > LIFETIME_SECONDS);
    let too_old =
        |created| format!("the quorum token is {}; CloudHSM accepts one for ten minutes", age(created));
    let mut warnings: Vec<String> = old.map(too_old).into_iter().collect();
    if let Some(users) = users_of_one_signature(file) {
        warnings.push(format!("{users} have the same signature: one key approved in two names"));
    }
    warnings
}

/// PKCS#1 v1.5 signatures are deterministic, so that equal ones are of one key.
fn users_of_one_signature(file: &TokenFile) -> Option<String> {
    let approvals = file.approvals();
    approvals.iter().enumerate().find_map(|(index, approval)| {
        let same = |earlier: &&Approval| earlier.signed == approval.signed && earlier.signed != Signed::No;
        let earlier = approvals[..index].iter().find(same)?;
        Some(format!("{} and {}", one_line(&earlier.username), one_line(&approval.username)))
    })
}

fn records(file: &TokenFile) -> Vec<ApprovalRecord> {
    match (file.format(), file.tokens().first().map(|token| &token.payload)) {
        (Format::QuorumApproval, Some(Payload::Message { bytes: data, .. })) => {
            approval_records(data).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

fn created(records: &[ApprovalRecord]) -> Option<u64> {
    records.iter().map(|record| record.created).min()
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
