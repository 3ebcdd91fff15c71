//! Random pauses, so that processes that failed or started together do not retry together.

use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// A random duration up to `limit`; zero if the system provides no random numbers.
pub(super) fn up_to(limit: Duration) -> Duration {
    let mut byte = [0];
    let _ = SystemRandom::new().fill(&mut byte);
    limit * u32::from(byte[0]) / u32::from(u8::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::up_to;

    #[test]
    fn a_pause_is_random_and_no_longer_than_its_limit() {
        let limit = Duration::from_millis(250);
        let pauses: BTreeSet<Duration> = (0..1000).map(|_| up_to(limit)).collect();
        assert!(pauses.len() > 10 && pauses.iter().all(|pause| *pause <= limit));
        assert!(up_to(Duration::ZERO).is_zero());
    }
}
