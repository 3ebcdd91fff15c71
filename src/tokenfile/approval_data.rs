//! What the `approval_data` of a quorum approval says. Found by looking at AWS's published sample, not documented by
//! AWS: good to be shown to a person, and nothing is ever decided by it.

/// One 80-byte record, one for each HSM. All numbers are big-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalRecord {
    /// Bytes 2–3: the service, by the numbers of the older CMU: 3 (USER_MGMT), 4 (MISC_CO).
    pub service: u16,
    /// Bytes 4–7: the token's number on its HSM.
    pub token_id: u32,
    /// Bytes 32–63: the user who asked for the token, NUL-padded.
    pub requester: String,
    /// Bytes 64–71: when the token was made, in seconds since 1970-01-01 UTC.
    pub created: u64,
}

impl ApprovalRecord {
    /// The service's name, where it is known.
    pub fn service_name(&self) -> Option<&'static str> {
        match self.service {
            3 => Some("user management"),
            4 => Some("setting quorum values (MISC_CO)"),
            _ => None,
        }
    }
}

const RECORD: usize = 80;

/// The records of an `approval_data`; `None` when it has another shape than the sample.
pub(crate) fn approval_records(data: &[u8]) -> Option<Vec<ApprovalRecord>> {
    if data.is_empty() || !data.len().is_multiple_of(RECORD) {
        return None;
    }
    data.chunks_exact(RECORD).map(record).collect()
}

fn record(bytes: &[u8]) -> Option<ApprovalRecord> {
    let number = |range: std::ops::Range<usize>| -> Option<u64> {
        bytes.get(range).map(|field| field.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    };
    if number(0..2)? != 1 {
        return None;
    }
    let name = bytes.get(32..64)?;
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    let requester = std::str::from_utf8(&name[..end]).ok()?;
    Some(ApprovalRecord {
        service: u16::try_from(number(2..4)?).ok()?,
        token_id: u32::try_from(number(4..8)?).ok()?,
        requester: requester.to_owned(),
        created: number(64..72)?,
    })
}
