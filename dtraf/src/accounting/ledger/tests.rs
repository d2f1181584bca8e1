mod conservation;

use super::*;
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::fixtures::{at, id, meter, packets, reading};
use crate::accounting::snapshot::{ContainerName, Meter, Shortfall};
use crate::accounting::sorted::Sorted;

fn web() -> Owner {
    named(1, "web")
}

fn named(number: u8, name: &str) -> Owner {
    Owner::Container(ContainerName { id: id(number), name: name.to_owned() })
}

fn nobody() -> Owner {
    Owner::Unattributed(Reason::NoContainer)
}

fn posting(readings: impl IntoIterator<Item = (MeterReading, Owner)>) -> AttributedSnapshot {
    let attributed = |(reading, owner)| Attributed { reading, owner, network: Some("bridge".to_owned()) };
    AttributedSnapshot { taken_at: at(1), meters: readings.into_iter().map(attributed).collect() }
}

fn post_one(ledger: &mut Ledger, reading: MeterReading, owner: Owner) -> Posted {
    ledger.post(posting([(reading, owner)]))
}

fn total(ledger: &Ledger, owner: &Owner) -> PerDirection<Amount> {
    ledger.accounts().get(&Holder::from(owner)).map(|account| account.book().total()).unwrap_or_default()
}

fn received(ledger: &Ledger, owner: &Owner) -> u64 {
    total(ledger, owner).rx.skbs
}

/// The meter after which slot 7 was freed and used again.
fn successor() -> Meter {
    Meter { id: MeterId::Slot(Slot(7), Generation(8)), ..meter(7) }
}

fn meter_id(meter: &Meter) -> MeterId {
    meter.id
}

#[test]
fn a_reading_is_absolute_and_posting_it_again_adds_nothing() {
    let mut ledger = Ledger::default();
    for _ in 0..3 {
        assert_eq!(post_one(&mut ledger, reading(meter(7), 5, 2), web()), Posted::default());
    }
    assert_eq!(total(&ledger, &web()), PerDirection { rx: packets(5), tx: packets(2) });
}

#[test]
fn a_total_does_not_go_down_when_a_container_starts_again() {
    let mut ledger = Ledger::default();
    post_one(&mut ledger, reading(meter(7), 5, 0), web());
    ledger.close(meter_id(&meter(7)), at(2));
    assert_eq!(received(&ledger, &web()), 5);
    post_one(&mut ledger, reading(successor(), 1, 0), web());
    assert_eq!(received(&ledger, &web()), 6);
}

#[test]
fn a_slot_in_use_again_closes_the_meter_that_had_it() {
    let mut ledger = Ledger::default();
    post_one(&mut ledger, reading(meter(7), 5, 0), web());
    post_one(&mut ledger, reading(successor(), 1, 0), named(2, "db"));
    assert_eq!((received(&ledger, &web()), received(&ledger, &named(2, "db"))), (5, 1));
    assert_eq!(ledger.open().count(), 1);
}

#[test]
fn a_closed_meter_is_not_booked_twice() {
    let mut ledger = Ledger::default();
    post_one(&mut ledger, reading(meter(7), 5, 0), web());
    ledger.close(meter_id(&meter(7)), at(2));
    let posted = post_one(&mut ledger, reading(meter(7), 5, 0), web());
    assert_eq!(posted.refused, [(meter_id(&meter(7)), Refusal::Closed)]);
    assert_eq!(received(&ledger, &web()), 5);
}

#[test]
fn counter_reset_is_refused_and_what_was_booked_stands() {
    let mut ledger = Ledger::default();
    post_one(&mut ledger, reading(meter(7), 5, 2), web());
    let posted = post_one(&mut ledger, reading(meter(7), 6, 1), web());
    assert!(matches!(posted.refused[..], [(_, Refusal::CounterReset(_))]), "{posted:?}");
    assert_eq!(total(&ledger, &web()), PerDirection { rx: packets(5), tx: packets(2) });

    assert_eq!(post_one(&mut ledger, reading(meter(7), 6, 2), web()), Posted::default());
    assert_eq!(received(&ledger, &web()), 6);
}

#[test]
fn a_port_that_is_missing_is_a_counter_that_went_down() {
    let mut ledger = Ledger::default();
    post_one(&mut ledger, reading(meter(7), 5, 2), web());
    let without = MeterReading { ports: Sorted::default(), ..reading(meter(7), 6, 2) };
    assert_eq!(post_one(&mut ledger, without, web()).refused.len(), 1);
}

#[test]
fn bytes_read_a_moment_before_their_packet_are_no_reset() {
    let mut ledger = Ledger::default();
    let mut early = reading(meter(7), 5, 0);
    for amount in early.scopes.rx.values_mut() {
        let frames = amount.frames.as_mut().unwrap();
        frames.ip_bytes += 14;
        frames.wire_bytes += 8;
    }
    post_one(&mut ledger, early, web());
    assert_eq!(post_one(&mut ledger, reading(meter(7), 5, 0), web()), Posted::default());
    assert_eq!(total(&ledger, &web()).rx, packets(5));
}

#[test]
fn a_meter_moves_with_all_its_counts_when_its_container_is_known() {
    let mut ledger = Ledger::default();
    post_one(&mut ledger, reading(meter(7), 5, 0), nobody());
    assert_eq!(received(&ledger, &nobody()), 5);
    let posted = post_one(&mut ledger, reading(meter(7), 6, 0), web());
    let moved = Moved { meter: meter_id(&meter(7)), from: Holder::from(&nobody()), to: Holder::from(&web()) };
    assert_eq!(posted.moved, [moved]);
    assert_eq!((received(&ledger, &nobody()), received(&ledger, &web())), (0, 6));
}

#[test]
fn a_container_does_not_lose_a_meter_to_nobody() {
    let mut ledger = Ledger::default();
    post_one(&mut ledger, reading(meter(7), 5, 0), web());
    assert_eq!(post_one(&mut ledger, reading(meter(7), 6, 0), nobody()), Posted::default());
    assert_eq!((received(&ledger, &nobody()), received(&ledger, &web())), (0, 6));
}

#[test]
fn what_nobody_owned_stays_visible_after_it_is_closed() {
    let mut ledger = Ledger::default();
    post_one(&mut ledger, reading(meter(7), 5, 0), nobody());
    ledger.close(meter_id(&meter(7)), at(2));
    assert_eq!(received(&ledger, &nobody()), 5);
}

#[test]
fn a_container_is_known_by_its_id_and_called_by_its_last_name() {
    let mut ledger = Ledger::default();
    post_one(&mut ledger, reading(meter(7), 5, 0), web());
    post_one(&mut ledger, reading(meter(7), 6, 0), named(1, "web-new"));
    assert_eq!(received(&ledger, &web()), 6);
    assert_eq!(ledger.accounts()[&Holder::from(&web())].name(), Some("web-new"));
    ledger.close(meter_id(&meter(7)), at(2));
    assert_eq!(ledger.accounts()[&Holder::from(&web())].name(), Some("web-new"));
}

#[test]
fn shortfalls_add_up_and_are_settled_together() {
    let short = |number, settled| {
        let shortfall = Shortfall { skb_bytes: 100, skbs: 1, settled };
        Meter { shortfall: Some(PerDirection { rx: shortfall, tx: Shortfall::default() }), ..meter(number) }
    };
    let mut ledger = Ledger::default();
    post_one(&mut ledger, reading(short(7, true), 5, 0), web());
    post_one(&mut ledger, reading(short(8, false), 5, 0), web());
    let sum = |ledger: &Ledger| ledger.accounts()[&Holder::from(&web())].book().shortfall.unwrap().rx;
    assert_eq!(sum(&ledger), Shortfall { skb_bytes: 200, skbs: 2, settled: false });
    post_one(&mut ledger, reading(short(8, true), 5, 0), web());
    assert_eq!(sum(&ledger), Shortfall { skb_bytes: 200, skbs: 2, settled: true });
}

#[test]
fn containers_removed_long_ago_become_one_sum() {
    let mut ledger = Ledger::default();
    for number in 1..=5_u8 {
        let meter = meter(u16::from(number));
        post_one(&mut ledger, reading(meter.clone(), 1, 0), named(number, "job"));
        ledger.close(meter_id(&meter), at(u64::from(number)));
    }
    ledger.forget_removed(2, |container| *container == id(1));
    let left: Vec<_> = ledger.accounts().into_keys().collect();
    let forgotten = Holder::Unattributed(Reason::Forgotten);
    assert_eq!(
        left,
        [1, 4, 5]
            .map(|number| Holder::Container(id(number)))
            .into_iter()
            .chain([forgotten])
            .collect::<Vec<_>>()
    );
    let sum = ledger.accounts()[&forgotten].book();
    assert_eq!((sum.total().rx, sum.ports.len()), (packets(2), 0));
}
