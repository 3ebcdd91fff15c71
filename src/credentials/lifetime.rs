//! When credentials are renewed, how long they can still be used, and when they are refused: one policy for
//! `serve`, `update` and the cache. Pure; all times are in seconds since 1970 by AWS's clock.

/// AWS's SDKs ask for new credentials 10 to 20 minutes before the old ones expire, and assume that they get
/// new ones (botocore: 15 minutes, 10 of them mandatory; the C++ SDK likewise). New ones must exist by then.
const LATEST: i64 = 30 * 60;

/// How long before expiry a server renews what it hands out. botocore uses what its metadata service returns
/// shortly before expiry for another 10 minutes before it asks again, and other SDKs do much the same.
const LATEST_IN_BACKGROUND: i64 = 20 * 60;

/// Whether credentials can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They are handed out.
    Fresh,
    /// New ones are to be obtained. Until there are any, these are handed out.
    Due,
    /// They have expired, and are not handed out.
    Ended,
}

impl Standing {
    /// The standing of credentials that were obtained at `since` and expire at `end`.
    pub fn at(now: i64, since: i64, end: i64) -> Self {
        match now {
            _ if now >= end => Standing::Ended,
            _ if now >= due_at(since, end) => Standing::Due,
            _ => Standing::Fresh,
        }
    }
}

/// When to renew credentials that were obtained at `since` and expire at `end`: after half of their life, or
/// half an hour before they expire if that comes first and a quarter of their life has passed by then.
pub fn due_at(since: i64, end: i64) -> i64 {
    let life = end.saturating_sub(since).max(0);
    let half = life - life / 2;
    let early = life - LATEST;
    since.saturating_add(if early.saturating_mul(4) >= life { half.min(early) } else { half })
}

/// The same for credentials that are handed out while a renewal runs in the background: at the latest 20
/// minutes before they expire, but not before a quarter of their life has passed. In AWS's shortest sessions,
/// of 900 seconds, credentials that are handed out are then good for 11 minutes.
pub(super) fn due_in_background_at(since: i64, end: i64) -> i64 {
    let life = end.saturating_sub(since).max(0);
    let early = (life - LATEST_IN_BACKGROUND).max(life.unsigned_abs().div_ceil(4).cast_signed());
    due_at(since, end).min(since.saturating_add(early))
}

#[cfg(test)]
mod tests {
    use super::{Standing, due_at, due_in_background_at};

    #[test]
    fn in_the_background_short_sessions_are_due_earlier() {
        for (life, due) in
            [(0, 0), (1, 1), (60, 15), (900, 225), (1200, 300), (1800, 600), (2400, 600), (3600, 1800)]
        {
            assert_eq!(due_in_background_at(1000, 1000 + life), 1000 + due, "{life}");
        }
        assert_eq!(due_in_background_at(1000, 900), 1000);
    }

    #[test]
    fn credentials_are_due_at_half_of_their_life_and_half_an_hour_before_their_end_if_it_is_long_enough() {
        for (life, due) in [
            (0, 0),
            (1, 1),
            (4, 2),
            (900, 450),
            (2399, 1200),
            (2400, 600),
            (3000, 1200),
            (3600, 1800),
            (7200, 3600),
            (43_200, 21_600),
        ] {
            assert_eq!(due_at(1000, 1000 + life), 1000 + due, "{life}");
        }
        assert_eq!(due_at(1000, 900), 1000);
    }

    #[test]
    fn credentials_are_handed_out_until_they_expire_and_not_a_second_longer() {
        for (now, standing) in [
            (0, Standing::Fresh),
            (1799, Standing::Fresh),
            (1800, Standing::Due),
            (3599, Standing::Due),
            (3600, Standing::Ended),
            (9999, Standing::Ended),
        ] {
            assert_eq!(Standing::at(now, 0, 3600), standing, "{now}");
        }
    }
}
