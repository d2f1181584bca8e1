use jiff::tz::TimeZone;

use super::*;
use crate::accounting::fixtures::{at, packets};
use crate::view::Paint;
use crate::view::units::Units;

fn look(format: Format) -> Look {
    Look { format, units: Units::Si, width: Some(120), paint: Paint::Plain }
}

const FORMATS: [Format; 3] = [Format::Table, Format::Json, Format::Csv];

#[test]
fn baselines() {
    let baseline = |name: &str, rx| Baseline {
        name: name.to_owned(),
        account: "shop/web".to_owned(),
        made_at: at(65),
        written_at: at(60),
        amounts: PerDirection { rx: packets(rx), tx: packets(1) },
    };
    let baselines = [baseline("shop/web", 3), baseline("@old\u{1b}[2J", 1_000_000)];
    let all = FORMATS.map(|format| list(&baselines, &look(format), &TimeZone::UTC.into()));
    insta::assert_snapshot!(all.concat());
    assert_eq!(list(&[], &look(Format::Table), &TimeZone::UTC.into()), "Nothing was ever reset.\n");
}

#[test]
fn what_came_after() {
    let sum = |account: &str, was_reset, frames| SinceReset {
        account: account.to_owned(),
        was_reset,
        since: at(60),
        amounts: Some(PerDirection { rx: Amount { frames, ..packets(3) }, tx: packets(1) }),
    };
    let sums = [sum("shop/web", true, packets(3).frames), sum("\u{1b}db", false, packets(3).frames)];
    let all = FORMATS.map(|format| since(&sums, Some(at(90)), &look(format), &TimeZone::UTC.into()));
    insta::assert_snapshot!(all.concat());
    // Counted by rules: no frames.
    let by_rules = [sum("shop/web", true, None)];
    insta::assert_snapshot!(since(&by_rules, None, &look(Format::Table), &TimeZone::UTC.into()));
}
