//! How figures are written, and how wide they may become: columns must not move when a figure grows.

use crate::view::RateUnit;
use crate::view::units::Units;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spelling {
    pub(crate) units: Units,
    pub(crate) rate_unit: RateUnit,
}

impl Spelling {
    /// Powers of 1,000, then of 1,024, and both again with rates in bits.
    pub(super) fn next(self) -> Self {
        let (units, rate_unit) = match (self.units, self.rate_unit) {
            (Units::Si, rate_unit) => (Units::Iec, rate_unit),
            (Units::Iec, RateUnit::Bytes) => (Units::Si, RateUnit::Bits),
            (Units::Iec, RateUnit::Bits) => (Units::Si, RateUnit::Bytes),
        };
        Self { units, rate_unit }
    }

    pub(super) fn rate(self, bytes_per_second: Option<u64>) -> String {
        known(bytes_per_second.map(|bytes| match self.rate_unit {
            RateUnit::Bytes => self.units.bytes(bytes),
            RateUnit::Bits => self.units.bits(bytes),
        }))
    }

    pub(super) fn total(self, bytes: Option<u64>) -> String {
        known(bytes.map(|bytes| self.units.bytes(bytes)))
    }

    pub(super) fn rate_width(self) -> usize {
        match (self.units, self.rate_unit) {
            (Units::Si, RateUnit::Bytes) => "999.99 kB".len(),
            (Units::Iec, RateUnit::Bytes) => "1023.99 KiB".len(),
            (Units::Si, RateUnit::Bits) => "999.99 kbit".len(),
            (Units::Iec, RateUnit::Bits) => "1023.99 Kibit".len(),
        }
    }

    pub(super) fn total_width(self) -> usize {
        Self { rate_unit: RateUnit::Bytes, ..self }.rate_width()
    }
}

/// Packets in a second, in seven columns.
pub(super) fn packets(number: Option<u64>) -> String {
    known(number.map(|number| match number {
        0..=9_999_999 => number.to_string(),
        10_000_000..=9_999_999_999 => format!("{} M", number / 1_000_000),
        _ => format!("{} G", number / 1_000_000_000),
    }))
}

/// A part of a whole, in tenths of a hundredth.
pub(super) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return known(None);
    }
    let (part, whole) = (u128::from(part), u128::from(whole));
    let permille = (part * 1000 + whole / 2) / whole;
    format!("{}.{} %", permille / 10, permille % 10)
}

/// What is not known is not zero.
pub(super) fn known(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SI: Spelling = Spelling { units: Units::Si, rate_unit: RateUnit::Bytes };

    #[test]
    fn no_figure_is_wider_than_its_column() {
        let figures = [0, 999, 999_994, 1_023_999, 1_048_570, 999_994_999, 1_073_741_000, u64::MAX / 8];
        let mut spelling = SI;
        for _ in 0..4 {
            for figure in figures {
                let (rate, total) = (spelling.rate(Some(figure)), spelling.total(Some(figure)));
                assert!(rate.len() <= spelling.rate_width(), "{rate}");
                assert!(total.len() <= spelling.total_width(), "{total}");
            }
            spelling = spelling.next();
        }
        assert_eq!(spelling, SI);
        for number in [9_999_999, 9_999_999_999, u64::MAX / 1_000_000_000] {
            assert!(packets(Some(number)).len() <= 7);
        }
    }

    #[test]
    fn shares_are_rounded_and_nothing_of_nothing_is_unknown() {
        assert_eq!(share(1, 3), "33.3 %");
        assert_eq!(share(2, 3), "66.7 %");
        assert_eq!(share(u64::MAX, u64::MAX), "100.0 %");
        assert_eq!(share(0, 0), "-");
    }
}
