//! Durations as people type them.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// Seconds, or a number with its unit: `15`, `15s`, `2m`.
pub(crate) fn parse(text: &str) -> Result<Duration> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().with_context(|| format!("{text:?} does not begin with a number"))?;
    match unit {
        "" | "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => bail!("{unit:?} is no unit: s or m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_or_have_a_unit() {
        for (text, seconds) in [("15", 15), ("15s", 15), ("2m", 120)] {
            assert_eq!(parse(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for text in ["", "s", "1h", "-1s", "1.5s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
