use super::*;
use crate::accounting::fixtures::{at, container, endpoint, id, inventory, stopped};

fn labels(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn acme() -> BTreeMap<String, String> {
    labels(&[("dtraf.account", "acme"), ("dtraf.price", "0.05 EUR"), ("team", "blue")])
}

fn period(address: &str, since: u64, until: Option<u64>) -> AddressPeriod {
    let (network, address) = ("bridge".to_owned(), address.to_owned());
    AddressPeriod { network, address, since: at(since), until: until.map(at) }
}

#[test]
fn container_that_was_never_inspected_has_its_labels_and_its_address() {
    let mut known = KnownContainers::default();
    known.announce(id(1), "brief", ("busybox", &acme()), at(1));
    known.connect(id(1), "brief", "bridge", ["172.17.0.2".to_owned()], at(2));
    known.remove(id(1), at(3));
    let described = known.describe(id(1)).unwrap();
    assert_eq!((described.key.as_str(), described.since), ("acme", at(1)));
    assert_eq!(described.addresses(), [period("172.17.0.2", 2, Some(3))]);
    let circumstances = described.circumstances.unwrap();
    assert_eq!(circumstances.labels, [(TermLabel::Price, "0.05 EUR".to_owned())]);
    assert_eq!(circumstances.image, "busybox");
}

#[test]
fn name_alone_decides_until_labels_are_told() {
    let mut known = KnownContainers::default();
    known.connect(id(1), "brief", "bridge", [], at(1));
    assert_eq!(known.describe(id(1)).unwrap().circumstances, None);
    known.announce(id(1), "brief", ("busybox", &acme()), at(2));
    assert_eq!(known.describe(id(1)).unwrap().key.as_str(), "acme");
}

#[test]
fn labels_that_an_event_leaves_out_come_with_the_inspection() {
    let mut known = KnownContainers::default();
    known.announce(id(1), "web", ("", &BTreeMap::new()), at(1));
    known.observe(&Container { labels: acme(), ..container(1, "web") }, at(2));
    let described = known.describe(id(1)).unwrap();
    assert_eq!(
        (described.key.as_str(), described.circumstances.unwrap().image.as_str()),
        ("acme", "busybox")
    );
}

#[test]
fn replayed_events_do_not_bring_an_old_name_back() {
    let mut known = KnownContainers::default();
    known.announce(id(1), "new", ("busybox", &acme()), at(5));
    known.announce(id(1), "old", ("busybox", &acme()), at(3));
    let described = known.describe(id(1)).unwrap();
    assert_eq!((described.name.as_str(), described.since), ("new", at(3)));
}

#[test]
fn addresses_have_the_times_in_which_they_were_seen() {
    let mut known = KnownContainers::default();
    let first = container(1, "web");
    known.observe(&first, at(1));
    let moved = Container { endpoints: vec![endpoint("bridge", [172, 17, 0, 9])], ..first.clone() };
    known.observe(&moved, at(4));
    let described = known.describe(id(1)).unwrap();
    assert_eq!(described.addresses(), [period("172.17.0.1", 1, Some(4)), period("172.17.0.9", 4, None)]);
    // Once their end is written it is not written again.
    known.settle_addresses(&described);
    assert_eq!(known.describe(id(1)).unwrap().addresses(), [period("172.17.0.9", 4, None)]);
    // An answer that comes after the removal opens nothing.
    known.remove(id(1), at(6));
    known.observe(&first, at(7));
    let addresses = [period("172.17.0.1", 7, Some(6)), period("172.17.0.9", 4, Some(6))];
    assert_eq!(known.describe(id(1)).unwrap().addresses(), addresses);
}

#[test]
fn container_is_removed_when_docker_has_it_no_more_or_is_silent_about_it() {
    let mut known = KnownContainers::default();
    let web = inventory([container(1, "web")]).containers;
    known.list(&web, at(1));
    known.announce(id(2), "brief", ("busybox", &acme()), at(1));
    known.list(&web, at(10));
    assert_eq!(known.present().collect::<Vec<_>>(), [id(1), id(2)]);
    known.list(&BTreeMap::new(), at(20));
    assert_eq!(known.present().collect::<Vec<_>>(), [id(2)]);
    assert_eq!(known.removed_at(id(1)), Some(at(20)));
    known.list(&BTreeMap::new(), at(130));
    assert_eq!((known.present().count(), known.removed_at(id(2))), (0, Some(at(1))));
    // A list that had left it out was wrong.
    known.list(&web, at(131));
    assert_eq!(known.present().collect::<Vec<_>>(), [id(1)]);
}

#[test]
fn stopped_container_has_no_address() {
    let mut known = KnownContainers::default();
    known.observe(&container(1, "web"), at(1));
    known.stop(id(1), at(2));
    let bare = Container { endpoints: Vec::new(), ..stopped(container(1, "web")) };
    known.observe(&bare, at(3));
    assert_eq!(known.describe(id(1)).unwrap().addresses(), [period("172.17.0.1", 1, Some(2))]);
    // The event of its end was lost.
    known.observe(&container(1, "web"), at(20));
    known.observe(&bare, at(30));
    assert_eq!(known.describe(id(1)).unwrap().addresses(), [period("172.17.0.1", 1, Some(30))]);
}

#[test]
fn answer_from_before_a_container_got_its_address_does_not_end_it() {
    let mut known = KnownContainers::default();
    let created = Container { endpoints: Vec::new(), ..stopped(container(1, "web")) };
    known.connect(id(1), "web", "bridge", ["172.17.0.1".to_owned()], at(5));
    known.observe(&created, at(6));
    known.list(&inventory([created]).containers, at(7));
    assert_eq!(known.describe(id(1)).unwrap().addresses(), [period("172.17.0.1", 5, None)]);
    // Nor does what was known from before its end give it back.
    known.stop(id(1), at(8));
    known.recall(&container(1, "web"), at(9));
    known.list(&inventory([container(1, "web")]).containers, at(9));
    assert_eq!(known.describe(id(1)).unwrap().addresses(), [period("172.17.0.1", 5, Some(8))]);
}

#[test]
fn memory_is_bounded() {
    let mut known = KnownContainers::default();
    let long = "x".repeat(100_000);
    known.announce(id(1), "web", ("busybox", &labels(&[("dtraf.account", &long), ("other", &long)])), at(1));
    assert_eq!(known.describe(id(1)).unwrap().key.as_str().len(), LONGEST_LABEL);
    for number in 0..=MOST_REMOVED {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        let id = ContainerId::from_bytes(bytes);
        known.announce(id, "brief", ("busybox", &acme()), at(1));
        known.remove(id, at(2));
    }
    assert_eq!(known.removed().count(), MOST_REMOVED);
    assert_eq!(known.present().collect::<Vec<_>>(), [id(1)]);
    known.forget_idle(at(100), Duration::from_mins(1));
    assert_eq!(known.removed().count(), 0);
}
