//! Figures out of repeated measurements. Nothing is assumed of how they scatter: medians, and the whole range.

use serde::Serialize;

/// What repeated measurements of one thing say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// `None` of nothing.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Self { median, least, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wild_value_moves_the_range_and_not_the_median() {
        for (name, values, expected) in [
            ("odd", &[3.0, 1.0, 100.0][..], Some((3.0, 1.0, 100.0))),
            ("even", &[1.0, 4.0, 2.0, 3.0], Some((2.5, 1.0, 4.0))),
            ("one", &[7.0], Some((7.0, 7.0, 7.0))),
            ("none", &[], None),
        ] {
            let expected = expected.map(|(median, least, most)| Spread { median, least, most });
            assert_eq!(Spread::of(values.iter().copied()), expected, "{name}");
        }
    }
}
