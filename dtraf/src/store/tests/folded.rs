//! Client ports whose counters are folded into the one that others share.

use dtraf_common::abi::{Role, Scope};
use proptest::prelude::*;

use super::*;
use crate::accounting::amount::PerDirection;
use crate::accounting::fixtures::port;
use crate::accounting::folding::shared;
use crate::accounting::snapshot::Port;

/// What meter 1 has counted, as the kernel's counters say it.
#[derive(Debug, Default)]
struct Counters {
    ports: BTreeMap<Port, u64>,
}

/// What happens between two readings.
#[derive(Clone, Copy, Debug)]
enum Step {
    Count {
        port: u16,
        packets: u64,
    },
    Fold {
        port: u16,
    },
    Read,
    Flush,
    /// The process is killed, and another one goes on.
    Restart,
}

fn client(number: u16) -> Port {
    port(number, Role::Client, Scope::Internet)
}

impl Counters {
    fn total(&self) -> u64 {
        self.ports.values().sum()
    }

    fn fold(&mut self, number: u16) {
        if let Some(counted) = self.ports.remove(&client(number)) {
            *self.ports.entry(shared(client(number))).or_default() += counted;
        }
    }
}

impl Bench {
    fn read(&mut self, counters: &Counters) {
        let ports = counters
            .ports
            .iter()
            .map(|(port, counted)| (*port, PerDirection { rx: packets(*counted), tx: packets(0) }));
        let reading = crate::accounting::snapshot::MeterReading {
            ports: ports.collect(),
            ..reading(meter(1), counters.total(), 0)
        };
        let attributed = Attributed { reading, owner: web(), network: None };
        let posted = self.ledger.post(AttributedSnapshot { taken_at: at(1), meters: vec![attributed] });
        assert_eq!(posted.refused, []);
    }

    fn flush_any(&mut self, at: Timestamp) {
        let batch = self.journal.any_batch(self.ledger.open(), &self.inventory, Vec::new(), at);
        let sequence = self.store.write(&batch, Calendar::Trusted).unwrap();
        self.journal.settle(sequence).unwrap();
    }

    fn go_on(&mut self) {
        let path = self.path();
        let aside = self.directory.path().join("aside.db");
        self.store = open(&aside, 1);
        self.store = open(&path, 1);
        (self.journal, self.ledger) = (Journal::default(), Ledger::default());
        self.journal.resume(self.store.resume().unwrap());
    }

    /// A port is folded after it was booked.
    pub(super) fn fold_a_port(&mut self, at: Timestamp) {
        let mut counters = Counters::default();
        counters.ports.extend([(client(443), 2), (client(40_000), 3)]);
        self.read(&counters);
        self.flush_any(at);
        counters.fold(40_000);
        self.read(&counters);
        self.flush_any(at);
    }
}

#[test]
fn folded_ports_have_no_reading_to_go_on_from_and_their_amounts_stay() {
    let mut bench = Bench::new();
    bench.fold_a_port(at(0));
    assert_eq!(totals(&bench.store), all(5, 0));
    let cursors = "SELECT count(*) FROM cursor JOIN key ON key.id = key WHERE key.part = 1";
    assert_eq!(number(&bench.store, cursors), 2);
    assert!(!bench.journal.is_pending());
    bench.go_on();
    let mut counters = Counters::default();
    counters.ports.extend([(client(443), 2), (shared(client(443)), 4), (client(40_000), 1)]);
    bench.read(&counters);
    bench.flush_any(at(10));
    assert_eq!(totals(&bench.store), all(7, 0));
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let port = 40_000u16..40_005;
    let step = prop_oneof![
        4 => (port.clone(), 1u64..5).prop_map(|(port, packets)| Step::Count { port, packets }),
        2 => port.prop_map(|port| Step::Fold { port }),
        2 => Just(Step::Read),
        2 => Just(Step::Flush),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_byte_is_lost_or_booked_twice_whatever_is_folded_when(steps in steps()) {
        let mut bench = Bench::new();
        let mut counters = Counters::default();
        for (second, step) in (0..).zip(steps.into_iter().chain([Step::Read, Step::Flush])) {
            match step {
                Step::Count { port, packets } => *counters.ports.entry(client(port)).or_default() += packets,
                Step::Fold { port } => counters.fold(port),
                Step::Read => bench.read(&counters),
                Step::Flush => bench.flush_any(at(second)),
                Step::Restart => bench.go_on(),
            }
        }
        bench.read(&counters);
        bench.flush_any(at(100));
        let total = i64::try_from(counters.total()).unwrap();
        if total != 0 {
            prop_assert_eq!(totals(&bench.store), all(total, 0));
        }
    }
}
