//! Former containers of an account are one, and no report of accounts knows the difference.

use proptest::prelude::*;

use super::*;
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::bill::declared::Declared;
use crate::accounting::fixtures::port;
use crate::accounting::history::key::Part;
use crate::accounting::history::tier::Tier;
use crate::accounting::snapshot::{Life, MeterReading, Shortfall};
use crate::accounting::sorted::Sorted;
use crate::accounting::statement::period::Range;
use crate::accounting::statement::plan::Plan;
use crate::accounting::statement::{By, Circumstances, Found, Group, Question, Statement, Sums};
use dtraf_common::abi::{Role, Scope};

const ACCOUNTS: [&str; 3] = ["customer 7", "shop", "x\u{1b}[2J"];
const EVER: Range = Range { from: 0, to: i64::MAX };
const DAY: u64 = 86_400;

/// A container that counts: packets from the internet at its port 80, and to a port of somebody's in the lan.
#[derive(Clone, Debug)]
struct Live {
    container: Container,
    began: Timestamp,
    internet: u64,
    lan: u64,
}

/// A ledger and the host that it is of.
struct Host {
    bench: Bench,
    calendar: Calendar,
    live: BTreeMap<u8, Live>,
    stopped: usize,
}

#[derive(Clone, Debug)]
enum Event {
    Start(u8),
    Stop(u8),
    Count(u8, u64),
    Reset(usize),
    Merge(usize, usize),
    Days(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (1..30_u8).prop_map(Event::Start),
        2 => (1..30_u8).prop_map(Event::Stop),
        4 => (1..30_u8, 1..9_u64).prop_map(|(number, packets)| Event::Count(number, packets)),
        1 => (0..ACCOUNTS.len()).prop_map(Event::Reset),
        1 => (0..ACCOUNTS.len(), 0..ACCOUNTS.len()).prop_map(|(from, into)| Event::Merge(from, into)),
        2 => (1..40_u64).prop_map(Event::Days),
    ]
}

/// Its name, its account and what else it says of itself.
fn labelled(number: u8) -> Container {
    let mut labels = BTreeMap::from([
        ("com.docker.compose.project".to_owned(), format!("project{}", number % 2)),
        ("com.docker.compose.service".to_owned(), "web".to_owned()),
        ("dtraf.account".to_owned(), ACCOUNTS[usize::from(number) % ACCOUNTS.len()].to_owned()),
    ]);
    if number.is_multiple_of(3) {
        labels.insert("dtraf.price".to_owned(), format!("0.{}", number % 4));
    }
    Container { labels, ..container(number, &format!("web-{}", number % 5)) }
}

impl Live {
    fn reading(&self, number: u8) -> MeterReading {
        let missed = u64::from(number % 2) * 100;
        let short = Shortfall { skb_bytes: missed, skbs: missed / 50, settled: !number.is_multiple_of(4) };
        let meter = crate::accounting::snapshot::Meter {
            attached_at: self.began,
            shortfall: Some(PerDirection { rx: short, tx: short }),
            life: Life::Live,
            ..meter(u16::from(number))
        };
        let (internet, lan) = (packets(self.internet), packets(self.lan));
        let both = |rx: Amount, tx: Amount| PerDirection { rx, tx };
        MeterReading {
            scopes: PerDirection {
                rx: BTreeMap::from([
                    (Some(Scope::Internet), internet),
                    (Some(Scope::Lan), Amount::default()),
                ]),
                tx: BTreeMap::from([(Some(Scope::Lan), lan)]),
            },
            ports: Sorted::from_iter([
                (port(80, Role::Server, Scope::Internet), both(internet, Amount::default())),
                (port(1000 + u16::from(number), Role::Client, Scope::Lan), both(Amount::default(), lan)),
            ]),
            ..reading(meter, 0, 0)
        }
    }
}

impl Host {
    fn new(calendar: Calendar) -> Self {
        let mut bench = Bench::new();
        bench.inventory = inventory([]);
        Self { bench, calendar, live: BTreeMap::new(), stopped: 0 }
    }

    fn act(&mut self, event: &Event, now: Timestamp) {
        match *event {
            Event::Start(number) if !self.live.contains_key(&number) && number > 0 => {
                let container = labelled(number);
                self.bench.inventory.containers.insert(container.id, container.clone());
                self.live.insert(number, Live { container, began: now, internet: 0, lan: 0 });
                self.flush(now);
            }
            Event::Stop(number) => {
                let Some(live) = self.live.remove(&number) else { return };
                let id = meter(u16::from(number)).id;
                let ended = self.bench.ledger.open().find(|(open, _)| *open == id);
                if let Some((_, entry)) = ended {
                    self.bench.journal.end(id, entry);
                    self.bench.ledger.close(id, now);
                }
                self.bench.inventory.containers.remove(&live.container.id);
                self.stopped += 1;
                self.flush(now);
            }
            Event::Count(number, packets) => {
                if let Some(live) = self.live.get_mut(&number) {
                    live.internet += packets;
                    live.lan += 2 * packets;
                    self.flush(now);
                }
            }
            Event::Reset(account) => {
                drop(self.bench.editor().reset(&[ACCOUNTS[account].to_owned()], now));
            }
            Event::Merge(from, into) => drop(self.bench.editor().merge(ACCOUNTS[from], ACCOUNTS[into])),
            Event::Days(_) | Event::Start(_) => self.flush(now),
        }
    }

    fn flush(&mut self, now: Timestamp) {
        let meters = self.live.iter().map(|(number, live)| Attributed {
            reading: live.reading(*number),
            owner: Owner::Container(ContainerName {
                id: live.container.id,
                name: live.container.name.clone(),
            }),
            network: None,
        });
        let posted = self.bench.ledger.post(AttributedSnapshot { taken_at: now, meters: meters.collect() });
        assert_eq!(posted.refused, []);
        let batch =
            self.bench.journal.any_batch(self.bench.ledger.open(), &self.bench.inventory, Vec::new(), now);
        let sequence = self.bench.store.write(&batch, self.calendar).unwrap();
        self.bench.journal.settle(sequence).unwrap();
    }

    /// Everything that is said of months, and of days, which are kept for ever but for their ports.
    fn said(&self) -> Vec<String> {
        let archive = self.bench.archive();
        let selection = Selection { tier: Tier::Month, range: EVER, accounts: None };
        let days = Selection { tier: Tier::Day, range: EVER, accounts: None };
        let lines = |by, sums| {
            let question =
                Question { range: EVER, step: None, boundaries: vec![EVER.from, EVER.to], by, top: None };
            let statement = Statement::new(&question, found(sums), Circumstances::default());
            let mut lines: Vec<_> =
                statement.lines.iter().map(|line| format!("{:?} {:?}", line.group, line.amounts)).collect();
            lines.sort();
            lines.push(format!("{:?}", statement.total));
            lines
        };
        let keys = |part| archive.by_key(&selection, part).unwrap();
        let totals = archive.totals(&selection).unwrap();
        let containers = archive.by_container(&selection).unwrap();
        let mut said = [
            lines(By::Account, Sums::Holders(archive.by_account(&selection).unwrap())),
            lines(By::Account, Sums::Holders(containers.clone())),
            lines(By::Project, Sums::Holders(containers)),
            lines(By::Scope, Sums::Scopes(keys(Part::Scopes))),
            lines(By::Port, Sums::Ports { keys: keys(Part::Ports), totals }),
            lines(By::Account, Sums::Holders(archive.by_container(&days).unwrap())),
            lines(By::Project, Sums::Holders(archive.by_container(&days).unwrap())),
            lines(By::Scope, Sums::Scopes(archive.by_key(&days, Part::Scopes).unwrap())),
        ]
        .concat();
        let resets = archive.since_reset(None).unwrap();
        said.extend(resets.iter().map(|reset| format!("{reset:?}")));
        said.extend(archive.baselines(None).unwrap().iter().map(|baseline| format!("{baseline:?}")));
        let mut billed: Vec<_> =
            archive.by_account_and_scope(&selection).unwrap().iter().map(|sum| format!("{sum:?}")).collect();
        billed.sort();
        said.extend(billed);
        let terms = archive.terms(&Declared::default()).unwrap();
        said.push(format!("{:?}", terms.accounts));
        let circumstances = archive.circumstances(EVER).unwrap();
        said.push(format!("{:?} {:?}", circumstances.missed, circumstances.since));
        said
    }
}

fn found(sums: Sums) -> Found<Sums> {
    Found { plan: Plan::default(), sums, around: Vec::new() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn folding_changes_no_report_of_accounts_scopes_ports_or_projects(
        events in proptest::collection::vec(event(), 1..40)
    ) {
        let mut folding = Host::new(Calendar::Trusted);
        let retention = Retention { days: Duration::from_secs(62 * DAY), ..Retention::default() };
        folding.bench.store.retention = retention;
        let mut keeping = Host::new(Calendar::Doubtful);
        let (mut now, mut used) = (DAY, std::collections::BTreeSet::new());
        for event in &events {
            // No container comes back under the id that it had.
            if let Event::Start(number) = event && !used.insert(*number) {
                continue;
            }
            now += if let Event::Days(days) = event { days * DAY } else { 60 };
            for host in [&mut folding, &mut keeping] {
                host.act(event, at(now));
            }
            prop_assert_eq!(folding.said(), keeping.said());
        }
        for _ in 0..4 {
            now += 63 * DAY;
            for host in [&mut folding, &mut keeping] {
                host.flush(at(now));
            }
        }
        prop_assert_eq!(folding.said(), keeping.said());
        let store = &folding.bench.store;
        let kept = number(store, "SELECT count(*) FROM holder WHERE container IS NOT NULL");
        prop_assert_eq!(usize::try_from(kept).unwrap(), folding.live.len());
        let folded = number(store, "SELECT coalesce(sum(folded), 0) FROM holder");
        prop_assert_eq!(usize::try_from(folded).unwrap(), folding.stopped);
        let former: u64 =
            folding.bench.archive().register().unwrap().iter().map(|account| account.former).sum();
        prop_assert_eq!(usize::try_from(former).unwrap(), folding.stopped);
        prop_assert_eq!(number(store, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    }
}

#[test]
fn container_is_named_until_days_are_dropped_and_is_then_one_of_the_accounts_former_ones() {
    let mut host = Host::new(Calendar::Trusted);
    host.act(&Event::Start(1), at(0));
    host.act(&Event::Count(1, 5), at(60));
    host.act(&Event::Stop(1), at(120));
    host.act(&Event::Start(4), at(180));
    host.act(&Event::Count(4, 2), at(240));
    let groups = |host: &Host| -> Vec<Group> {
        let selection = Selection { tier: Tier::Month, range: EVER, accounts: None };
        let sums = Sums::Holders(host.bench.archive().by_container(&selection).unwrap());
        let boundaries = vec![EVER.from, EVER.to];
        let question = Question { range: EVER, step: None, boundaries, by: By::Container, top: None };
        let statement = Statement::new(&question, found(sums), Circumstances::default());
        statement.lines.into_iter().map(|line| line.group).collect()
    };
    let who = |host: &Host, day: u64| {
        let from = i64::try_from(at(day * DAY).0.as_secs()).unwrap();
        let time = Range { from, to: from + 100 };
        host.bench.archive().tenants("172.17.0.1".parse().unwrap(), time).unwrap().len()
    };
    let named = |number: u8| {
        let Container { id, name, .. } = labelled(number);
        Group::Container { id, name }
    };
    host.flush(at(186 * DAY));
    assert_eq!(groups(&host), [named(1), named(4)]);
    assert_eq!(who(&host, 0), 1);
    host.flush(at(187 * DAY));
    host.flush(at(188 * DAY));
    assert_eq!(groups(&host), [Group::Former("shop".to_owned()), named(4)]);
    assert_eq!(who(&host, 0), 0);
}

#[test]
fn one_batch_folds_few_containers() {
    let mut host = Host::new(Calendar::Trusted);
    for container in 1..=40 {
        host.act(&Event::Start(container), at(u64::from(container)));
        host.act(&Event::Stop(container), at(u64::from(container)));
    }
    let kept =
        |host: &Host| number(&host.bench.store, "SELECT count(*) FROM holder WHERE container IS NOT NULL");
    let mut left = Vec::new();
    for batch in 0..4 {
        host.flush(at(200 * DAY + batch));
        left.push(kept(&host));
    }
    assert_eq!(left, [24, 8, 0, 0]);
}
