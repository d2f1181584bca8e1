//! Whatever happens to meters and containers, in whatever order, nothing is lost and nothing is booked twice.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// What may happen to one of a few slots.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// An interface appears where there is none.
    Attach,
    /// Traffic, and a reading of it.
    Count { rx: u64, tx: u64 },
    /// The container behind the interface becomes known, or is found to be another one.
    Attribute { container: u8 },
    /// A reading comes whose counters went down.
    Fall,
    /// The interface's slot is freed after its last reading.
    Free,
    /// The slot is freed and used again before anyone looked.
    Restart,
    /// Old containers are folded together.
    Forget { keep: usize },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => Just(Act::Attach),
        4 => (0..100_u64, 0..100_u64).prop_map(|(rx, tx)| Act::Count { rx, tx }),
        2 => (1..4_u8).prop_map(|container| Act::Attribute { container }),
        1 => Just(Act::Fall),
        1 => Just(Act::Free),
        1 => Just(Act::Restart),
        1 => (0..3_usize).prop_map(|keep| Act::Forget { keep }),
    ]
}

/// What the kernel would have counted: the model that the ledger is held against.
#[derive(Default)]
struct World {
    live: BTreeMap<u16, (Meter, u64, u64, Owner)>,
    counted: BTreeMap<MeterId, PerDirection<Amount>>,
    generations: u64,
}

impl World {
    fn attach(&mut self, slot: u16) {
        self.generations += 1;
        let id = MeterId::Slot(Slot(slot), Generation(self.generations));
        let meter = Meter { id, ..meter(slot) };
        self.live.insert(slot, (meter, 0, 0, nobody()));
    }

    fn post(&mut self, slot: u16, ledger: &mut Ledger) {
        if let Some((meter, rx, tx, owner)) = self.live.get(&slot) {
            let totals = PerDirection { rx: packets(*rx), tx: packets(*tx) };
            self.counted.insert(meter.id, totals);
            let posted = post_one(ledger, reading(meter.clone(), *rx, *tx), owner.clone());
            assert_eq!(posted.refused, []);
        }
    }

    fn act(&mut self, slot: u16, act: Act, ledger: &mut Ledger) {
        match act {
            Act::Attach if !self.live.contains_key(&slot) => self.attach(slot),
            Act::Restart => self.attach(slot),
            Act::Attach => {}
            Act::Count { rx, tx } => {
                if let Some((_, received, transmitted, _)) = self.live.get_mut(&slot) {
                    *received += rx;
                    *transmitted += tx;
                }
                self.post(slot, ledger);
            }
            Act::Attribute { container } => {
                if let Some((_, _, _, owner)) = self.live.get_mut(&slot) {
                    *owner = named(container, "any");
                }
                self.post(slot, ledger);
            }
            Act::Fall => {
                if let Some((meter, rx, tx, owner)) = self.live.get(&slot).filter(|(_, rx, ..)| *rx > 0)
                    && self.counted.get(&meter.id).is_some_and(|counted| counted.rx.skbs == *rx)
                {
                    let posted = post_one(ledger, reading(meter.clone(), rx - 1, *tx), owner.clone());
                    assert_eq!(posted.refused.len(), 1);
                }
            }
            Act::Free => {
                self.post(slot, ledger);
                if let Some((meter, ..)) = self.live.remove(&slot) {
                    ledger.close(meter_id(&meter), at(self.generations));
                    let again = post_one(ledger, reading(meter, 1000, 1000), web());
                    assert_eq!(again.refused.len(), 1);
                }
            }
            Act::Forget { keep } => ledger.forget_removed(keep, |container| *container == id(1)),
        }
    }
}

proptest! {
    #[test]
    fn containers_and_unattributed_hold_what_all_meters_counted(
        acts in prop::collection::vec((0..3_u16, act()), 0..80)
    ) {
        let mut world = World::default();
        let mut ledger = Ledger::default();
        let mut known = 0;
        for (slot, act) in acts {
            world.act(slot + 1, act, &mut ledger);
            let accounts = ledger.accounts();
            let booked: PerDirection<Amount> = accounts.values().map(|account| account.book().total()).sum();
            let counted: PerDirection<Amount> = world.counted.values().copied().sum();
            prop_assert_eq!(booked, counted);
            prop_assert!(booked.rx.skbs >= known, "the sum of all totals went down");
            known = booked.rx.skbs;
        }
    }
}
