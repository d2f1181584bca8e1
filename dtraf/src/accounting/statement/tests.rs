use dtraf_common::abi;

use super::*;
use crate::accounting::fixtures::{id, packets, port};

fn question(by: By, boundaries: &[i64], top: Option<usize>) -> Question {
    let range = Range { from: boundaries[0], to: boundaries[boundaries.len() - 1] };
    Question { range, step: None, boundaries: boundaries.to_vec(), by, top }
}

fn holder_sum(start: i64, number: u8, account: &str, rx: u64, tx: u64) -> Sum<HolderName> {
    let name = HolderName::Container {
        id: id(number),
        name: format!("{account}-{number}"),
        account: account.to_owned(),
        project: None,
    };
    Sum { start, of: name, amounts: PerDirection { rx: packets(rx), tx: packets(tx) } }
}

fn found(sums: Sums) -> Found<Sums> {
    Found { plan: Plan::default(), sums, around: Vec::new() }
}

/// Of a ledger that was there before everything.
fn counted() -> Circumstances {
    Circumstances { since: Some(Timestamp::default()), ..Circumstances::default() }
}

fn shown(statement: &Statement) -> Vec<(i64, Group, u64, u64)> {
    let lines = statement.lines.iter();
    lines
        .map(|line| {
            let amounts = line.amounts.unwrap();
            (line.span.from, line.group.clone(), amounts.rx.skbs, amounts.tx.skbs)
        })
        .collect()
}

#[test]
fn containers_of_an_account_are_one_line_in_each_step() {
    let sums = vec![
        holder_sum(0, 1, "web", 1, 2),
        holder_sum(0, 2, "web", 10, 20),
        holder_sum(0, 3, "db", 500, 0),
        holder_sum(3600, 1, "web", 3, 4),
        // Out of the range.
        holder_sum(7200, 1, "web", 7, 7),
        holder_sum(-3600, 1, "web", 7, 7),
    ];
    let question = question(By::Account, &[0, 3600, 7200], None);
    let statement = Statement::new(&question, found(Sums::Holders(sums)), counted());
    let account = |name: &str| Group::Account(name.to_owned());
    let lines = [(0, account("db"), 500, 0), (0, account("web"), 11, 22), (3600, account("web"), 3, 4)];
    assert_eq!(shown(&statement), lines);
    assert_eq!(statement.total, Some(PerDirection { rx: packets(514), tx: packets(26) }));
}

#[test]
fn the_total_has_what_is_not_shown() {
    let sums = (1..=5).map(|number| holder_sum(0, number, &format!("a{number}"), number.into(), 0)).collect();
    let question = question(By::Account, &[0, 3600], Some(2));
    let statement = Statement::new(&question, found(Sums::Holders(sums)), counted());
    assert_eq!((statement.lines.len(), statement.left_out, statement.total.unwrap().rx), (2, 3, packets(15)));
    assert_eq!(statement.lines[0].group, Group::Account("a5".to_owned()));
}

#[test]
fn what_no_port_has_is_what_is_left_of_the_total() {
    let amounts = |rx| PerDirection { rx: packets(rx), tx: packets(0) };
    let keys = vec![
        Sum { start: 0, of: Key::Port(port(80, Role::Server, Scope::Internet)), amounts: amounts(3) },
        Sum { start: 0, of: Key::Port(port(80, Role::Server, Scope::Lan)), amounts: amounts(4) },
        Sum { start: 0, of: Key::Bucket(Bucket::Program(abi::Bucket::L2)), amounts: amounts(1) },
    ];
    let totals = vec![Sum { start: 0, of: (), amounts: amounts(10) }];
    let question = question(By::Port, &[0, 3600], None);
    let statement = Statement::new(&question, found(Sums::Ports { keys, totals }), counted());
    let http = Group::Port { protocol: 6, port: 80, role: Role::Server };
    let l2 = Group::NoPort(Bucket::Program(abi::Bucket::L2));
    assert_eq!(shown(&statement), [(0, http, 7, 0), (0, Group::NoPort(Bucket::NoRule), 2, 0), (0, l2, 1, 0)]);
    assert_eq!(statement.total.unwrap().rx, packets(10));
}

#[test]
fn wire_bytes_are_shown_where_all_of_them_are_known() {
    let known = holder_sum(0, 1, "web", 1, 1);
    let mut by_rules = known.clone();
    by_rules.amounts.rx.frames = None;
    for (sums, unit) in [(vec![known.clone()], Unit::Wire), (vec![known, by_rules], Unit::SkbIp)] {
        let question = question(By::Account, &[0, 3600], None);
        let statement = Statement::new(&question, found(Sums::Holders(sums)), counted());
        assert_eq!(statement.unit, unit);
    }
}
