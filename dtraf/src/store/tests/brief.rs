//! Containers that begin and end between two batches.

use super::*;

fn acme() -> BTreeMap<String, String> {
    BTreeMap::from([("dtraf.account".to_owned(), "acme".to_owned())])
}

fn brief() -> Owner {
    Owner::Container(ContainerName { id: id(1), name: "brief".to_owned() })
}

/// A bench whose container came, counted, and is gone from the inventory.
fn gone() -> Bench {
    let mut bench = Bench::new();
    bench.inventory = inventory([]);
    bench.count(&brief(), 3, 1);
    bench
}

fn end_meter(bench: &mut Bench) {
    let (id, entry) = bench.ledger.open().next().unwrap();
    bench.journal.end(id, entry);
    bench.ledger.close(id, at(9));
}

fn received(bench: &Bench, account: &str) -> i64 {
    let text = format!(
        "SELECT coalesce(sum(rx_packets), 0) FROM readable WHERE account = '{account}' AND tier = 3 AND part = 0"
    );
    number(&bench.store, &text)
}

#[test]
fn removed_container_is_booked_to_the_account_of_its_label() {
    let mut bench = gone();
    let known = bench.journal.known();
    known.announce(id(1), "brief", ("busybox", &acme()), at(1));
    known.connect(id(1), "brief", "bridge", ["172.17.0.2".to_owned()], at(2));
    known.remove(id(1), at(4));
    end_meter(&mut bench);
    bench.flush(at(10));
    assert_eq!((accounts(&bench.store), received(&bench, "acme")), (vec!["acme".to_owned()], 3));
    let lease = "SELECT count(*) FROM attribute WHERE kind = 'address' AND value = '172.17.0.2' AND network = 'bridge' AND \
                 since_ns = 1790000002000000000 AND until_ns = 1790000004000000000";
    assert_eq!(number(&bench.store, lease), 1);
    assert_eq!(number(&bench.store, "SELECT count(*) FROM attribute WHERE until_ns IS NULL"), 0);
    // Nothing is left to be said of it.
    assert!(bench.journal.batch(bench.ledger.open(), &bench.inventory, Vec::new(), at(20)).is_none());
}

#[test]
fn removed_container_whose_batch_failed_is_booked_by_its_label_later() {
    let mut bench = gone();
    let known = bench.journal.known();
    known.announce(id(1), "brief", ("busybox", &acme()), at(1));
    known.remove(id(1), at(4));
    end_meter(&mut bench);
    bench.batch(at(10));
    bench.journal.settle(Sequence(0)).unwrap();
    bench.flush(at(3_000));
    assert_eq!((accounts(&bench.store), received(&bench, "acme")), (vec!["acme".to_owned()], 3));
}

#[test]
fn container_that_nobody_counted_makes_no_account() {
    let mut bench = Bench::new();
    bench.inventory = inventory([]);
    let known = bench.journal.known();
    known.announce(id(1), "brief", ("busybox", &acme()), at(1));
    known.remove(id(1), at(4));
    assert!(bench.journal.batch(bench.ledger.open(), &bench.inventory, Vec::new(), at(10)).is_none());
}

#[test]
fn container_whose_interface_is_identified_after_its_removal_is_booked_by_its_label() {
    let mut bench = Bench::new();
    bench.inventory = inventory([]);
    bench.count(&Owner::Unattributed(Reason::NoContainer), 3, 1);
    let known = bench.journal.known();
    known.announce(id(1), "brief", ("busybox", &acme()), at(1));
    known.remove(id(1), at(4));
    bench.flush(at(10));
    bench.count(&brief(), 3, 1);
    bench.flush(at(20));
    assert_eq!((accounts(&bench.store), received(&bench, "acme")), (vec!["acme".to_owned()], 3));
}

#[test]
fn name_of_a_container_with_a_label_leads_nobody_to_its_account() {
    let mut bench = Bench::new();
    bench.inventory = inventory([Container { labels: acme(), ..container(1, "brief") }]);
    bench.count(&brief(), 3, 1);
    bench.flush(at(0));
    // Another process, which knows no more than the kernel: an id and a name.
    (bench.journal, bench.inventory) = (Journal::default(), inventory([]));
    bench.journal.resume(bench.store.resume().unwrap());
    bench.count(&brief(), 5, 1);
    bench.flush(at(60));
    assert_eq!(received(&bench, "acme"), 5);
    // Somebody else's container of that name.
    bench.inventory = inventory([container(2, "brief")]);
    bench.flush(at(120));
    assert_eq!(accounts(&bench.store), ["acme", "brief"]);
}

#[test]
fn label_moves_a_container_only_from_an_account_that_its_name_had_chosen() {
    let mut bench = gone();
    bench.flush(at(0));
    assert_eq!(accounts(&bench.store), ["brief"]);
    bench.journal.known().announce(id(1), "brief", ("busybox", &acme()), at(1));
    bench.flush(at(10));
    assert_eq!((accounts(&bench.store), received(&bench, "acme")), (vec!["acme".to_owned()], 3));
    // Whoever has merged the account since has the last word.
    let edited = "UPDATE holder SET account = (SELECT account FROM account_key WHERE key = 'other')";
    bench.store.connection.execute_batch(&format!(
        "INSERT INTO account (name, since_ns) VALUES ('other', 0); INSERT INTO account_key VALUES ('other', last_insert_rowid()); {edited}"
    ))
    .unwrap();
    (bench.journal, bench.inventory) = (Journal::default(), inventory([]));
    bench.journal.resume(bench.store.resume().unwrap());
    bench.journal.known().announce(id(1), "brief", ("busybox", &acme()), at(1));
    bench.count(&brief(), 5, 1);
    bench.flush(at(60));
    assert_eq!(received(&bench, "other"), 5);
}
