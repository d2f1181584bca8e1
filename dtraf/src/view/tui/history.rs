//! How fast everyone was over the last minutes: what graphs are drawn from.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::growth::Pace;
use crate::accounting::amount::PerDirection;
use crate::accounting::ledger::Holder;

/// Readings that are remembered: three minutes at one each second.
pub(super) const SAMPLES: usize = 180;

/// `None`: it was not known then.
pub(super) type Sample = Option<PerDirection<Pace>>;

#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    intervals: VecDeque<Duration>,
    paces: BTreeMap<Holder, VecDeque<Sample>>,
}

impl History {
    /// Adds a sample for each holder. Of whom nothing has been known for that long, nothing is kept.
    pub(super) fn push(&mut self, elapsed: Duration, samples: impl IntoIterator<Item = (Holder, Sample)>) {
        push(&mut self.intervals, elapsed);
        let mut samples: BTreeMap<_, _> = samples.into_iter().collect();
        self.paces.retain(|holder, paces| {
            let sample = samples.remove(holder).flatten();
            push(paces, sample);
            sample.is_some() || paces.iter().any(Option::is_some)
        });
        let new = samples.into_iter().filter(|(_, sample)| sample.is_some());
        self.paces.extend(new.map(|(holder, sample)| (holder, VecDeque::from([sample]))));
    }

    /// In the last interval.
    pub(super) fn latest(&self, holder: Holder) -> Sample {
        self.paces.get(&holder).and_then(|paces| *paces.back()?)
    }

    /// The last `count` samples, the newest last; fewer when there are no more.
    pub(super) fn last(&self, holder: Holder, count: usize) -> impl Iterator<Item = Sample> {
        let paces = self.paces.get(&holder);
        let from = paces.map_or(0, |paces| paces.len().saturating_sub(count));
        paces.into_iter().flat_map(move |paces| paces.iter().skip(from).copied())
    }

    /// How much time the last `count` samples take.
    pub(super) fn span(&self, count: usize) -> Duration {
        self.intervals.iter().rev().take(count).sum()
    }
}

fn push<T>(ring: &mut VecDeque<T>, value: T) {
    if ring.len() == SAMPLES {
        ring.pop_front();
    }
    ring.push_back(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::fixtures::id;

    const SECOND: Duration = Duration::from_secs(1);

    fn sample() -> PerDirection<Pace> {
        PerDirection::default()
    }

    #[test]
    fn only_the_last_samples_are_kept() {
        let mut history = History::default();
        let holder = Holder::Container(id(1));
        for _ in 0..SAMPLES + 5 {
            history.push(SECOND, [(holder, Some(sample()))]);
        }
        assert_eq!(history.last(holder, 1000).count(), SAMPLES);
        assert_eq!(history.last(holder, 7).count(), 7);
        assert_eq!(history.span(90), 90 * SECOND);
    }

    #[test]
    fn who_is_gone_is_forgotten_once_nothing_of_it_is_known() {
        let mut history = History::default();
        let holder = Holder::Container(id(1));
        history.push(SECOND, [(holder, Some(sample()))]);
        history.push(SECOND, []);
        assert_eq!(history.latest(holder), None);
        assert_eq!(history.last(holder, 9).collect::<Vec<_>>(), [Some(sample()), None]);
        for _ in 0..SAMPLES {
            history.push(SECOND, [(holder, None)]);
        }
        assert!(history.paces.is_empty());
    }
}
