//! The session tokens of IMDSv2. None are stored: a token carries its own expiry, authenticated with a key
//! that only this process has. So nobody can displace other clients' tokens by requesting many.

use std::time::{Duration, Instant};

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The expiry, in milliseconds since the key was generated, big-endian.
const END: usize = 8;
/// Makes all tokens different.
const NONCE: usize = 16;
const TAG: usize = 32;

/// Issues tokens and recognizes them. A new process recognizes none of the old ones.
#[derive(Debug)]
pub(super) struct Tokens {
    /// None if the system provides no random numbers: then no token is issued, and none is valid.
    key: Option<hmac::Key>,
    start: Instant,
}

impl Tokens {
    pub(super) fn new() -> Self {
        Tokens { key: hmac::Key::generate(HMAC_SHA256, &SystemRandom::new()).ok(), start: Instant::now() }
    }

    /// A new token that is valid for `life`; none if the system provides no random numbers.
    pub(super) fn make(&self, life: Duration) -> Option<String> {
        let key = self.key.as_ref()?;
        let end = u64::try_from((self.start.elapsed() + life).as_millis()).unwrap_or(u64::MAX);
        let mut token = [0; END + NONCE + TAG];
        let (claims, tag) = token.split_at_mut(END + NONCE);
        claims[..END].copy_from_slice(&end.to_be_bytes());
        SystemRandom::new().fill(&mut claims[END..]).ok()?;
        tag.copy_from_slice(hmac::sign(key, claims).as_ref());
        Some(URL_SAFE_NO_PAD.encode(token))
    }

    /// Whether this process issued it and it has not expired.
    pub(super) fn is_good(&self, token: &str) -> bool {
        self.end(token).is_some_and(|end| self.start.elapsed() < end)
    }

    /// When a token issued by this process expires. The comparison takes the same time for every wrong one.
    fn end(&self, token: &str) -> Option<Duration> {
        let key = self.key.as_ref()?;
        let mut bytes = [0; END + NONCE + TAG];
        let length = URL_SAFE_NO_PAD.decode_slice(token, &mut bytes).ok()?;
        let (claims, tag) = bytes.get(..length)?.split_at_checked(END + NONCE)?;
        hmac::verify(key, claims, tag).ok()?;
        let (end, _) = claims.split_first_chunk()?;
        Some(Duration::from_millis(u64::from_be_bytes(*end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_valid_until_it_expires_whatever_others_are_asked_for() {
        let tokens = Tokens::new();
        let first = tokens.make(Duration::from_secs(60)).unwrap();
        assert!(!tokens.is_good(&tokens.make(Duration::ZERO).unwrap()));
        for _ in 0..20_000 {
            assert_ne!(tokens.make(Duration::from_secs(21_600)).unwrap(), first);
        }
        assert!(tokens.is_good(&first));
    }

    #[test]
    fn a_token_that_was_changed_or_issued_by_another_process_is_not_valid() {
        let tokens = Tokens::new();
        let token = tokens.make(Duration::from_secs(60)).unwrap();
        assert!(!Tokens::new().is_good(&token));
        assert!(!tokens.is_good(""));
        assert!(!tokens.is_good(&token[1..]) && !tokens.is_good(&format!("{token}A")));
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!tokens.is_good(&URL_SAFE_NO_PAD.encode(changed)), "bit {bit}");
        }
        let tag_alone = URL_SAFE_NO_PAD.encode(&bytes[END + NONCE..]);
        assert!(!tokens.is_good(&tag_alone));
    }
}
