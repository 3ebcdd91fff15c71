//! Durations in words: an age, a limit, the time that is left.

use std::time::Duration;

const UNITS: [(u64, &str); 4] = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];

/// A duration as people say it: `90 seconds`, `9 minutes 59 seconds`, `3 days`. It is given in the largest
/// unit of which there are at least two and, if there are fewer than ten of them, in the next smaller unit
/// too. The rest is dropped.
pub fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let at = UNITS.iter().position(|(length, _)| seconds >= 2 * length).unwrap_or(UNITS.len() - 1);
    let (length, name) = UNITS[at];
    let count = seconds / length;
    let rest = UNITS.get(at + 1).map(|(smaller, name)| (seconds % length / smaller, *name));
    match rest {
        Some((rest, smaller)) if count < 10 && rest > 0 => {
            format!("{} {}", counted(count, name), counted(rest, smaller))
        }
        _ => counted(count, name),
    }
}

fn counted(count: u64, name: &str) -> String {
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_the_unit_that_fits() {
        for (seconds, words) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (2, "2 seconds"),
            (60, "60 seconds"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (121, "2 minutes 1 second"),
            (150, "2 minutes 30 seconds"),
            (300, "5 minutes"),
            (599, "9 minutes 59 seconds"),
            (600, "10 minutes"),
            (659, "10 minutes"),
            (900, "15 minutes"),
            (3_600, "60 minutes"),
            (7_199, "119 minutes"),
            (7_200, "2 hours"),
            (7_260, "2 hours 1 minute"),
            (43_200, "12 hours"),
            (172_799, "47 hours"),
            (172_800, "2 days"),
            (176_400, "2 days 1 hour"),
            (259_200, "3 days"),
            (259_200 + 59 * 60, "3 days"),
            (4_320 * 60, "3 days"),
            (1_380 * 86_400 + 86_399, "1380 days"),
            (u64::MAX, "213503982334601 days"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
        assert_eq!(in_words(Duration::from_millis(1_999)), "1 second");
    }
}
