//! What the `approval_data` of a quorum approval says. It was found by examining AWS's published sample and
//! is not documented by AWS: it may be shown to a person, but nothing is ever decided by it.

/// One 80-byte record for each HSM. All numbers are big-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalRecord {
    /// Bytes 2–3: the service, by the numbers of the older CMU: 3 (USER_MGMT), 4 (MISC_CO).
    pub service: u16,
    /// Bytes 4–7: the token's number on its HSM.
    pub token_id: u32,
    /// Bytes 32–63: the user who requested the token, NUL-padded.
    pub requester: String,
    /// Bytes 64–71: when the token was generated, in seconds since 1970-01-01 UTC.
    pub created: u64,
}

impl ApprovalRecord {
    /// The service's name, if it is known.
    pub fn service_name(&self) -> Option<&'static str> {
        match self.service {
            3 => Some("user management"),
            4 => Some("setting quorum values (MISC_CO)"),
            _ => None,
        }
    }
}

const RECORD: usize = 80;

/// The records of an `approval_data`; `None` if its shape differs from the sample's.
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
