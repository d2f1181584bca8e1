use proptest::prelude::*;

use super::*;
use crate::accounting::amount::Frames;
use crate::accounting::fixtures::id;
use crate::accounting::identity::Timestamp;
use crate::accounting::statement::plan::Plan;

const ALL: Range = Range { from: 0, to: 3600 };

fn question() -> Question {
    Question { range: ALL, step: None, boundaries: vec![0, 3600], by: By::Account, top: None }
}

fn bytes(wire_bytes: u64) -> Amount {
    let frames = Frames { wire_bytes, packets: 1, ip_bytes: wire_bytes, skb_bytes: wire_bytes };
    Amount { frames: Some(frames), skb_ip_bytes: wire_bytes, skbs: 1 }
}

fn sum(account: &str, scope: Option<Scope>, rx: u64, tx: u64) -> Sum<Billed> {
    let name = HolderName::Container {
        id: id(1),
        name: account.to_owned(),
        account: account.to_owned(),
        project: None,
    };
    Sum { start: 0, of: (name, scope), amounts: PerDirection { rx: bytes(rx), tx: bytes(tx) } }
}

fn price(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn bill(tariff: &Tariff, sums: Vec<Sum<Billed>>) -> Bill {
    let found = Found { plan: Plan::default(), sums, around: Vec::new() };
    let since = Some(Timestamp::default());
    Bill::new(&question(), tariff, found, &Circumstances { since, ..Circumstances::default() })
}

/// Billable, over and cost of each line, and of the host.
fn dues(tariff: &Tariff, sums: Vec<Sum<Billed>>) -> Vec<Option<(u64, u64, Option<String>)>> {
    let bill = bill(tariff, sums);
    let lines = bill.lines.iter().chain(&bill.totals);
    lines
        .map(|line| line.due.map(|due| (due.billable, due.over, due.cost.map(|it| it.to_string()))))
        .collect()
}

#[test]
fn each_way_of_counting_is_what_it_says() {
    let sums = || vec![sum("web", Some(Scope::Internet), 300, 500), sum("web", Some(Scope::Lan), 9, 20)];
    let billed = |counts, scopes: Option<&[Scope]>| {
        let scopes = scopes.map(|scopes| scopes.iter().copied().collect());
        let tariff = Tariff {
            host: Terms { counts: Some(counts), scopes, ..Terms::default() },
            accounts: BTreeMap::new(),
        };
        dues(&tariff, sums())[0].clone().unwrap().0
    };
    assert_eq!(
        [Counts::Sum, Counts::Max, Counts::Rx, Counts::Tx].map(|counts| billed(counts, None)),
        [829, 520, 309, 520]
    );
    assert_eq!(billed(Counts::Sum, Some(&[Scope::Internet])), 800);
    assert_eq!(billed(Counts::Rx, Some(&[Scope::Lan, Scope::Host])), 9);
}

#[test]
fn flooded_frames_are_billed_to_nobody_even_where_terms_name_them() {
    let sums = || vec![sum("web", Some(Scope::Internet), 300, 500), sum("web", Some(Scope::Flooded), 9, 0)];
    for (scopes, billable) in
        [(None, 800), (Some(vec![Scope::Internet, Scope::Flooded]), 800), (Some(vec![Scope::Flooded]), 0)]
    {
        let scopes = scopes.map(|scopes| scopes.into_iter().collect());
        let tariff = Tariff { host: Terms { scopes, ..Terms::default() }, accounts: BTreeMap::new() };
        assert_eq!(
            dues(&tariff, sums()),
            [Some((billable, billable, None)), Some((billable, billable, None))]
        );
    }
}

#[test]
fn an_account_goes_by_its_own_terms_and_the_allowance_is_the_hosts() {
    let tariff = Tariff {
        host: Terms { price: Some(price("0.05")), allowance: Some(1_000_000_000), ..Terms::default() },
        accounts: BTreeMap::from([(
            "db".to_owned(),
            Terms { price: Some(price("0.1")), allowance: Some(400_000_000), ..Terms::default() },
        )]),
    };
    let sums = vec![
        sum("web", Some(Scope::Internet), 1_000_000_000, 500_000_001),
        sum("db", Some(Scope::Internet), 500_000_000, 0),
    ];
    assert_eq!(
        dues(&tariff, sums),
        [
            Some((1_500_000_001, 1_500_000_001, Some("0.07500000005".to_owned()))),
            Some((500_000_000, 100_000_000, Some("0.01".to_owned()))),
            Some((2_000_000_001, 1_000_000_001, Some("0.05000000005".to_owned()))),
        ]
    );
}

#[test]
fn where_nobody_looked_who_the_other_end_was_a_rule_that_asks_knows_nothing() {
    let asking = Terms { scopes: Some(BTreeSet::from([Scope::Internet])), ..Terms::default() };
    let tariff = Tariff { host: asking, accounts: BTreeMap::new() };
    assert_eq!(dues(&tariff, vec![sum("web", None, 5, 5)]), [None, None]);
    let all = Tariff::default();
    assert_eq!(dues(&all, vec![sum("web", None, 5, 5)]), [Some((10, 10, None)), Some((10, 10, None))]);
}

#[test]
fn nobody_is_billed_for_counts_of_nobody() {
    let tariff =
        Tariff { host: Terms { price: Some(price("1")), ..Terms::default() }, accounts: BTreeMap::new() };
    let nobody = Sum {
        of: (HolderName::Nobody { reason: "no_container".to_owned() }, None),
        ..sum("", None, 1_000_000_000, 0)
    };
    assert_eq!(
        dues(&tariff, vec![nobody]),
        [
            Some((1_000_000_000, 1_000_000_000, None)),
            Some((1_000_000_000, 1_000_000_000, Some("1".to_owned())))
        ]
    );
}

proptest! {
    /// Checked with whole numbers: bytes times millionths, in millionths of a billionth.
    #[test]
    fn a_cost_is_exact(over in any::<u64>(), millionths in 0_u32..=1_000_000_000) {
        let cost = cost(over, Decimal::new(i64::from(millionths), 6)).unwrap();
        let exact = u128::from(over) * u128::from(millionths);
        prop_assert_eq!(cost, Decimal::from_i128_with_scale(i128::try_from(exact).unwrap(), 15).normalize());
    }
}
