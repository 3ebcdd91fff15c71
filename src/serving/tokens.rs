//! The session tokens of IMDSv2: random, good for as long as was asked, and never more than can be kept.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// More than the programs of one computer have at a time.
const MOST: usize = 10_000;
const BYTES: usize = 32;

/// The tokens that were given out, by their digests: looking one up then tells nothing by the time it takes.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<HashMap<[u8; 32], Instant>>);

impl Tokens {
    /// A new token; none where the system gives no random numbers. Of too many the one that ends first goes.
    pub(super) fn make(&self, life: Duration) -> Option<String> {
        let mut bytes = [0; BYTES];
        SystemRandom::new().fill(&mut bytes).ok()?;
        let token = URL_SAFE_NO_PAD.encode(bytes);
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if tokens.len() >= MOST {
            tokens.retain(|_, end| *end > now);
        }
        if tokens.len() >= MOST
            && let Some(first) = tokens.iter().min_by_key(|(_, end)| **end).map(|(token, _)| *token)
        {
            tokens.remove(&first);
        }
        tokens.insert(key(&token), now + life);
        Some(token)
    }

    /// Whether it was given out and has not ended.
    pub(super) fn is_good(&self, token: &str) -> bool {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(&key(token)).is_some_and(|end| *end > Instant::now())
    }
}

fn key(token: &str) -> [u8; 32] {
    let mut key = [0; 32];
    key.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_end_and_are_bounded_in_number() {
        let tokens = Tokens::default();
        let short = tokens.make(Duration::ZERO).unwrap();
        assert!(!tokens.is_good(&short));
        let first = tokens.make(Duration::from_secs(60)).unwrap();
        assert!(tokens.is_good(&first) && !tokens.is_good("") && !tokens.is_good(&first[1..]));
        for _ in 0..MOST {
            tokens.make(Duration::from_secs(600)).unwrap();
        }
        assert!(!tokens.is_good(&first), "the one that ends first has gone");
        assert!(tokens.0.lock().unwrap().len() <= MOST);
    }
}
