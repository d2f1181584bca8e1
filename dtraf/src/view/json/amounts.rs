//! Amounts and rates as objects; null where a backend cannot know.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::ledger::Book;
use crate::accounting::report::Rate;
use crate::accounting::snapshot::{Bucket, HookKind};

#[derive(Serialize)]
pub(in crate::view) struct AmountObject {
    wire_bytes: Option<u64>,
    packets: Option<u64>,
    ip_bytes: Option<u64>,
    skb_bytes: Option<u64>,
    skb_ip_bytes: u64,
    skbs: u64,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "a field of JSON says its unit")]
pub(super) struct RateObject {
    wire_bytes_per_second: Option<u64>,
    packets_per_second: Option<u64>,
    skb_ip_bytes_per_second: u64,
    skbs_per_second: u64,
}

/// Something was counted without looking who the other end was: then no scope is known to be complete.
pub(super) fn has_unknown_scope(book: &Book) -> bool {
    [&book.scopes.rx, &book.scopes.tx].iter().any(|scopes| scopes.contains_key(&None))
}

/// The buckets that there are where `book` was counted.
pub(super) fn buckets_of(book: &Book) -> Vec<Bucket> {
    let by_program = |hook: &HookKind| matches!(hook, HookKind::Tc(_));
    let program = if book.hooks.iter().any(by_program) { &Bucket::PROGRAM[..] } else { &[] };
    let rules = if book.hooks.iter().all(by_program) { &[] } else { &Bucket::RULES[..] };
    [program, rules].concat()
}

/// A field for each key: where there is no amount nothing was counted, and that is zero.
pub(super) fn all<K: Copy>(
    keys: impl IntoIterator<Item = K>,
    name: fn(K) -> &'static str,
    amount: impl Fn(&K) -> Option<Amount>,
) -> BTreeMap<&'static str, AmountObject> {
    keys.into_iter().map(|key| (name(key), amount(&key).unwrap_or_default().into())).collect()
}

pub(in crate::view) fn of_each<T: Copy, O: From<T>>(values: &PerDirection<T>) -> PerDirection<O> {
    PerDirection::from_fn(|direction| (*values.get(direction)).into())
}

impl From<Rate> for RateObject {
    fn from(rate: Rate) -> Self {
        Self {
            wire_bytes_per_second: rate.wire_bytes,
            packets_per_second: rate.packets,
            skb_ip_bytes_per_second: rate.skb_ip_bytes,
            skbs_per_second: rate.skbs,
        }
    }
}

impl From<Amount> for AmountObject {
    fn from(amount: Amount) -> Self {
        let Amount { frames, skb_ip_bytes, skbs } = amount;
        Self {
            wire_bytes: frames.map(|frames| frames.wire_bytes),
            packets: frames.map(|frames| frames.packets),
            ip_bytes: frames.map(|frames| frames.ip_bytes),
            skb_bytes: frames.map(|frames| frames.skb_bytes),
            skb_ip_bytes,
            skbs,
        }
    }
}
