//! Numbers that people read. Rounded half up in whole numbers; JSON has the exact ones.

/// Powers that byte counts are shortened by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Units {
    /// Of 1,000.
    Si,
    /// Of 1,024.
    Iec,
}

const SI: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
const IEC: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

impl Units {
    /// `1.23 MB`, `1.17 MiB`
    pub(crate) fn bytes(self, bytes: u64) -> String {
        self.shorten(bytes.into(), "B")
    }

    /// `9.88 Mbit`
    pub(crate) fn bits(self, bytes: u64) -> String {
        self.shorten(u128::from(bytes) * 8, "bit")
    }

    fn shorten(self, value: u128, unit: &str) -> String {
        let (base, prefixes) = match self {
            Self::Si => (1000, SI),
            Self::Iec => (1024, IEC),
        };
        if value < base {
            return format!("{value} {unit}");
        }
        let mut scale = 1;
        let mut hundredths = value * 100;
        let mut prefix = "";
        for larger in &prefixes[1..] {
            if hundredths < base * 100 {
                break;
            }
            scale *= base;
            hundredths = (value * 100 + scale / 2) / scale;
            prefix = larger;
        }
        format!("{}.{:02} {prefix}{unit}", hundredths / 100, hundredths % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shortened_to_two_decimals() {
        let cases = [
            (0, "0 B", "0 B"),
            (999, "999 B", "999 B"),
            (1000, "1.00 kB", "1000 B"),
            (1023, "1.02 kB", "1023 B"),
            (1024, "1.02 kB", "1.00 KiB"),
            (999_994, "999.99 kB", "976.56 KiB"),
            (999_995, "1.00 MB", "976.56 KiB"),
            (1_048_570, "1.05 MB", "1023.99 KiB"),
            (1_048_575, "1.05 MB", "1.00 MiB"),
            (51_799_936, "51.80 MB", "49.40 MiB"),
            (u64::MAX, "18.45 EB", "16.00 EiB"),
        ];
        for (bytes, si, iec) in cases {
            assert_eq!(
                (Units::Si.bytes(bytes).as_str(), Units::Iec.bytes(bytes).as_str()),
                (si, iec),
                "{bytes}"
            );
        }
    }

    #[test]
    fn bits_are_eight_to_the_byte() {
        assert_eq!(Units::Si.bits(125_000), "1.00 Mbit");
        assert_eq!(Units::Iec.bits(131_072), "1.00 Mibit");
        assert_eq!(Units::Si.bits(u64::MAX), "147.57 Ebit");
    }
}
