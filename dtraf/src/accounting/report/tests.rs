use std::time::Duration;

use dtraf_common::abi::{Family, Scope};

use super::*;
use crate::accounting::attribution::{Attributed, AttributedSnapshot, Owner, Uncounted};
use crate::accounting::called::NoSuchContainer;
use crate::accounting::fixtures::{
    at, container, endpoint, id, in_mode, inventory, meter, packets, port, published, reading, stopped,
};
use crate::accounting::identity::{Generation, Slot};
use crate::accounting::inventory::NetworkMode;

use crate::accounting::snapshot::{ContainerName, MeterId, MeterReading};

fn origin() -> Origin {
    Origin {
        backend: Backend::Ebpf,
        host: "host1".to_owned(),
        kernel: "6.12.0".to_owned(),
        blind_spots: Vec::new(),
        refused: Vec::new(),
    }
}

fn web() -> Owner {
    Owner::Container(ContainerName { id: id(1), name: "web".to_owned() })
}

fn post(ledger: &mut Ledger, reading: MeterReading, owner: Owner) {
    let meters = vec![Attributed { reading, owner, network: Some("bridge".to_owned()) }];
    ledger.post(AttributedSnapshot { taken_at: at(1), meters });
}

fn report(ledger: &Ledger, inventory: &Inventory, earlier: Option<Earlier<'_>>) -> Report {
    Report::new(ledger, inventory, origin(), at(10), earlier)
}

fn received_per_second(ledger: &Ledger, marks: &Marks, elapsed: Duration) -> Option<u64> {
    let report = report(ledger, &inventory([container(1, "web")]), Some(Earlier { marks, elapsed }));
    let rate = report.containers[0].figures.as_ref().unwrap().rate;
    rate.and_then(|rate| rate.rx.wire_bytes)
}

#[test]
fn a_container_that_is_not_counted_has_no_figures() {
    let inventory = inventory([in_mode(container(1, "web"), NetworkMode::Host)]);
    let report = report(&Ledger::default(), &inventory, None);
    assert!(report.containers[0].figures.is_none());
    assert_eq!(report.containers[0].coverage, Coverage::NotCounted(Uncounted::HostNetwork));
    assert_eq!(report.census(), Census { counted: 0, elsewhere: 0, not_counted: 1 });
}

#[test]
fn a_container_that_carried_nothing_has_figures_and_they_are_zero() {
    let mut ledger = Ledger::default();
    post(&mut ledger, reading(meter(7), 0, 0), web());
    let report = report(&ledger, &inventory([container(1, "web")]), None);
    let figures = report.containers[0].figures.as_ref().unwrap();
    assert!(figures.total.rx.is_zero() && figures.rate.is_none());
}

#[test]
fn rows_are_in_order_of_state_and_name() {
    let mut ledger = Ledger::default();
    let gone = Owner::Container(ContainerName { id: id(9), name: "aaa".to_owned() });
    post(&mut ledger, reading(meter(7), 1, 0), gone);
    post(&mut ledger, reading(meter(8), 1, 0), Owner::Unattributed(Reason::NoContainer));
    let inventory = inventory([container(1, "web"), stopped(container(2, "old")), container(3, "db")]);
    let report = report(&ledger, &inventory, None);
    let rows: Vec<_> = report.containers.iter().map(|row| (row.name.as_str(), row.state)).collect();
    assert_eq!(
        rows,
        [
            ("db", RowState::Running),
            ("web", RowState::Running),
            ("old", RowState::Stopped),
            ("aaa", RowState::Removed)
        ]
    );
    assert_eq!(report.unattributed[0].reason, Reason::NoContainer);
}

#[test]
fn a_rate_is_what_was_added_by_the_time_that_passed() {
    let mut ledger = Ledger::default();
    post(&mut ledger, reading(meter(7), 10, 0), web());
    let marks = Marks::of(&ledger, at(1));
    post(&mut ledger, reading(meter(7), 15, 0), web());
    assert_eq!(received_per_second(&ledger, &marks, Duration::from_millis(500)), Some(10_000));
    assert_eq!(received_per_second(&ledger, &marks, Duration::from_secs(3)), Some(1667));
    assert_eq!(received_per_second(&ledger, &marks, Duration::ZERO), None);
}

#[test]
fn a_meter_found_late_does_not_bring_all_its_life_as_rate() {
    let mut ledger = Ledger::default();
    post(&mut ledger, reading(meter(7), 500, 0), Owner::Unattributed(Reason::NoContainer));
    let marks = Marks::of(&ledger, at(1));
    post(&mut ledger, reading(meter(7), 501, 0), web());
    assert_eq!(received_per_second(&ledger, &marks, Duration::from_secs(1)), Some(1000));
}

#[test]
fn a_meter_older_than_the_marks_but_not_among_them_has_no_rate() {
    let marks = Marks::of(&Ledger::default(), at(1));
    let mut ledger = Ledger::default();
    post(&mut ledger, reading(meter(7), 500, 0), web());
    assert_eq!(received_per_second(&ledger, &marks, Duration::from_secs(1)), None);

    let newer = Meter { id: MeterId::Slot(Slot(8), Generation(8)), attached_at: at(2), ..meter(8) };
    post(&mut ledger, reading(newer, 3, 0), web());
    assert_eq!(received_per_second(&ledger, &marks, Duration::from_secs(1)), Some(3000));
}

#[test]
fn closed_meters_are_in_the_total_and_not_among_the_meters() {
    let mut ledger = Ledger::default();
    let first = reading(meter(7), 5, 0);
    let closed = first.meter.id;
    post(&mut ledger, first, web());
    ledger.close(closed, at(2));
    post(&mut ledger, reading(meter(8), 1, 0), web());
    let report = report(&ledger, &inventory([container(1, "web")]), None);
    let figures = report.containers[0].figures.as_ref().unwrap();
    assert_eq!((figures.total.rx, figures.meters.len()), (packets(6), 1));
    assert_eq!(figures.book.since, Some(at(0)));
}

#[test]
fn only_a_ports_own_side_is_labelled_with_the_mapping() {
    let mut web = container(1, "web");
    web.published = vec![published(8443, 443), published(8080, 80)];
    let report = report(&Ledger::default(), &inventory([web]), None);
    let row = &report.containers[0];
    let labels = |port| row.mappings(&port).map(|published| published.host_port).collect::<Vec<_>>();
    assert_eq!(labels(port(80, Role::Server, Scope::Internet)), [8080]);
    assert_eq!(labels(Port { family: Family::V6, ..port(80, Role::Server, Scope::Host) }), [8080]);
    assert_eq!(labels(port(80, Role::Client, Scope::Internet)), [0_u16; 0]);
    assert_eq!(labels(Port { protocol: 17, ..port(80, Role::Server, Scope::Internet) }), [0_u16; 0]);
}

#[test]
fn containers_are_selected_as_docker_does() {
    let mut web = container(1, "web");
    web.endpoints.push(endpoint("front", [10, 0, 0, 1]));
    let report = report(&Ledger::default(), &inventory([web, container(2, "db"), container(3, "02")]), None);
    let names = |wanted: &[&str]| {
        let wanted: Vec<_> = wanted.iter().map(|name| (*name).to_owned()).collect();
        let selected = report.clone().select(&wanted)?;
        Ok(selected.containers.into_iter().map(|row| row.name).collect::<Vec<_>>())
    };
    assert_eq!(names(&[]).unwrap().len(), 3);
    assert_eq!(names(&["web"]).unwrap(), ["web"]);
    assert_eq!(names(&["0101"]).unwrap(), ["web"]);
    assert_eq!(names(&["02"]).unwrap(), ["02"]);
    assert_eq!(names(&["db", "we"]), Err(NoSuchContainer("we".to_owned())));
    assert!(names(&[""]).is_err());
}
