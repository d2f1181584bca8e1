//! Ports that a span has an entry for.

use dtraf_common::abi::{self, Role, Scope};

use super::*;
use crate::accounting::amount::PerDirection;
use crate::accounting::fixtures::port;
use crate::accounting::history::key::{Key, Part};
use crate::accounting::history::tier::Tier;
use crate::accounting::snapshot::{Bucket, MeterReading};
use crate::accounting::sorted::Sorted;
use crate::accounting::statement::period::Range;
use crate::store::write::{CLIENT_PORTS, SERVED_PORTS};

const EVER: Range = Range { from: 0, to: i64::MAX };

/// Meter 1 of `generation`, which counted a packet to each of these ports.
fn with_ports(number: u16, role: Role, ports: std::ops::Range<u16>) -> MeterReading {
    let count = u64::try_from(ports.len()).unwrap();
    let one = PerDirection { rx: packets(0), tx: packets(1) };
    let ports = ports.map(|number| (port(number, role, Scope::Internet), one));
    MeterReading { ports: ports.collect::<Sorted<_, _>>(), ..reading(meter(number), 0, count) }
}

impl Bench {
    fn post(&mut self, reading: MeterReading, owner: Owner) {
        let attributed = Attributed { reading, owner, network: None };
        let posted = self.ledger.post(AttributedSnapshot { taken_at: at(1), meters: vec![attributed] });
        assert_eq!(posted.refused, []);
    }

    /// A new container of the account `web` speaks to these ports, and is gone.
    fn run(&mut self, number: u8, ports: std::ops::Range<u16>, is_known_at_once: bool) {
        self.inventory = inventory([container(number, "web")]);
        let owner = Owner::Container(ContainerName { id: id(number), name: "web".to_owned() });
        let meter = u16::from(number);
        let seconds = 20 * u64::from(number);
        if !is_known_at_once {
            self.post(
                with_ports(meter, Role::Client, ports.clone()),
                Owner::Unattributed(Reason::NoContainer),
            );
            self.flush(at(seconds));
        }
        self.post(with_ports(meter, Role::Client, ports), owner);
        self.flush(at(seconds + 1));
        let id = super::meter(meter).id;
        let (_, entry) = self.ledger.open().find(|(open, _)| *open == id).unwrap();
        self.journal.end(id, entry);
        self.ledger.close(id, at(2));
        self.flush(at(seconds + 2));
    }
}

/// The most entries that an account has in a span, by the words that their keys have.
fn most_entries(bench: &Bench) -> i64 {
    number(
        &bench.store,
        "SELECT max(entries) FROM (SELECT count(*) AS entries FROM traffic WHERE part = 1 GROUP BY tier, start, holder)",
    )
}

#[test]
fn container_made_anew_for_ever_has_a_bounded_number_of_port_entries() {
    for is_known_at_once in [true, false] {
        let mut bench = Bench::new();
        for number in 1..=6 {
            let first = 1_000 + 250 * u16::from(number);
            bench.run(number, first..first + 250, is_known_at_once);
        }
        // All of them within one span of an hour, and longer.
        assert_eq!(most_entries(&bench), i64::from(CLIENT_PORTS) + 1);
        assert_eq!(totals(&bench.store), all(0, 6 * 250));
        let shared = "SELECT sum(tx_skbs) FROM traffic JOIN key ON key.id = key WHERE tier = 3 AND traffic.part = 1 AND port IS \
                      NULL AND role = 'client'";
        assert_eq!(number(&bench.store, shared), 6 * 250 - i64::from(CLIENT_PORTS));
        let selection = Selection { tier: Tier::Month, range: EVER, accounts: None };
        let sums = bench.archive().by_key(&selection, Part::Ports).unwrap();
        let other = Key::Port(port(0, Role::ClientOther, Scope::Internet));
        assert_eq!(sums.iter().filter(|sum| sum.of == other).count(), 1);
        // What has an entry keeps it.
        let tail = i64::from(number(&bench.store, "SELECT count(*) FROM cursor") == 0);
        assert_eq!(tail, 1);
    }
}

#[test]
fn port_with_an_entry_keeps_it_when_there_is_no_room_for_others() {
    let mut bench = Bench::new();
    bench.post(with_ports(1, Role::Client, 1_000..1_300), web());
    bench.flush(at(0));
    let again = MeterReading {
        ports: (1_000..1_300_u16)
            .map(|number| {
                let packets = packets(if number == 1_000 { 8 } else { 1 });
                (
                    port(number, Role::Client, Scope::Internet),
                    PerDirection { rx: super::packets(0), tx: packets },
                )
            })
            .collect(),
        ..reading(meter(1), 0, 307)
    };
    bench.post(again, web());
    bench.flush(at(1));
    let first = "SELECT tx_skbs FROM traffic JOIN key ON key.id = key WHERE tier = 3 AND port = 1000";
    assert_eq!(number(&bench.store, first), 8);
    assert_eq!((most_entries(&bench), totals(&bench.store)), (i64::from(CLIENT_PORTS) + 1, all(0, 307)));
}

#[test]
fn served_ports_have_many_more_entries_and_then_none() {
    let mut bench = Bench::new();
    let count = u16::try_from(SERVED_PORTS).unwrap() + 100;
    bench.post(with_ports(1, Role::Server, 1..1 + count), web());
    bench.flush(at(0));
    assert_eq!(most_entries(&bench), i64::from(SERVED_PORTS) + 1);
    let selection = Selection { tier: Tier::Month, range: EVER, accounts: None };
    let sums = bench.archive().by_key(&selection, Part::Ports).unwrap();
    let over = Key::Bucket(Bucket::Program(abi::Bucket::OverQuota));
    let over: Vec<_> = sums.iter().filter(|sum| sum.of == over).map(|sum| sum.amounts.tx.skbs).collect();
    assert_eq!((over, totals(&bench.store)), (vec![100], all(0, i64::from(count))));
}
