//! Amounts as the ledger's tables have them: see the schema for what the columns mean.

use std::sync::Once;

use rusqlite::{Row, ToSql};

use super::error::StoreError;
use crate::accounting::amount::{Amount, Frames, PerDirection};

/// Of an Ethernet header.
const ETHERNET: i128 = dtraf_common::abi::ETHERNET_BYTES as i128;

/// One direction's columns, or sums of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    ip_bytes: i128,
    skbs: i128,
    /// Extra, added, added packets, link.
    frames: Option<[i128; 4]>,
}

/// Columns of a direction in the order of the tables.
pub(super) const NAMES: [&str; 6] =
    ["ip_bytes", "skbs", "extra_bytes", "added_bytes", "added_packets", "link_bytes"];

impl Columns {
    fn of(amount: &Amount) -> Result<Self, StoreError> {
        // As SQLite has room for.
        let number = |value: u64| match i64::try_from(value) {
            Ok(value) => Ok(i128::from(value)),
            Err(_) => Err(StoreError::TooLarge(value)),
        };
        let (ip_bytes, skbs) = (number(amount.skb_ip_bytes)?, number(amount.skbs)?);
        let frames = |frames: Frames| -> Result<[i128; 4], StoreError> {
            let (wire, packets) = (number(frames.wire_bytes)?, number(frames.packets)?);
            let (billed, skb_bytes) = (number(frames.ip_bytes)?, number(frames.skb_bytes)?);
            Ok([
                skb_bytes - ip_bytes - ETHERNET * skbs,
                wire - skb_bytes,
                packets - skbs,
                wire - billed - ETHERNET * packets,
            ])
        };
        Ok(Self { ip_bytes, skbs, frames: amount.frames.map(frames).transpose()? })
    }

    fn amount(self) -> Result<Amount, StoreError> {
        let number = |value: i128| match u64::try_from(value) {
            Ok(value) => Ok(value),
            // No counter comes so far.
            Err(_) if value > 0 => Ok(u64::MAX),
            Err(_) => Err(StoreError::Negative),
        };
        let frames = |[extra, added, added_packets, link]: [i128; 4]| -> Result<Frames, StoreError> {
            let skb_bytes = self.ip_bytes + ETHERNET * self.skbs + extra;
            let packets = self.skbs + added_packets;
            let wire = skb_bytes + added;
            Ok(Frames {
                wire_bytes: number(wire)?,
                packets: number(packets)?,
                ip_bytes: number(wire - ETHERNET * packets - link)?,
                skb_bytes: number(skb_bytes)?,
            })
        };
        Ok(Amount {
            frames: self.frames.map(frames).transpose()?,
            skb_ip_bytes: number(self.ip_bytes)?,
            skbs: number(self.skbs)?,
        })
    }

    /// Returns what people are shown: nothing fails because somebody has changed the ledger.
    fn shown(self) -> Amount {
        static WARN: Once = Once::new();
        self.amount().unwrap_or_else(|_| {
            WARN.call_once(|| {
                log::warn!("the ledger has amounts below zero, which are not shown: somebody has changed it");
            });
            let number = |value: i128| u64::try_from(value.max(0)).unwrap_or(u64::MAX);
            Amount { frames: None, skb_ip_bytes: number(self.ip_bytes), skbs: number(self.skbs) }
        })
    }

    fn values(&self) -> Result<[Option<i64>; 6], StoreError> {
        let [extra, added, packets, link] = self.frames.map_or([None; 4], |frames| frames.map(Some));
        let mut values = [None; 6];
        let columns = [Some(self.ip_bytes), Some(self.skbs), extra, added, packets, link];
        for (value, column) in values.iter_mut().zip(columns) {
            *value = match column.map(i64::try_from) {
                Some(Ok(number)) => Some(number),
                Some(Err(_)) => return Err(StoreError::TooLarge(u64::MAX)),
                None => None,
            };
        }
        Ok(values)
    }
}

/// The twelve values of a row, received first.
pub(super) fn values(amounts: &PerDirection<Amount>) -> Result<[Option<i64>; 12], StoreError> {
    let (rx, tx) = (Columns::of(&amounts.rx)?.values()?, Columns::of(&amounts.tx)?.values()?);
    let mut values = [None; 12];
    values[..6].copy_from_slice(&rx);
    values[6..].copy_from_slice(&tx);
    Ok(values)
}

/// As parameters of a statement, behind others.
pub(super) fn parameters<'a>(first: &[&'a dyn ToSql], values: &'a [Option<i64>; 12]) -> Vec<&'a dyn ToSql> {
    first.iter().copied().chain(values.iter().map(|value| value as &dyn ToSql)).collect()
}

/// Sum of a column by halves, as [`half_sum`] reads it.
pub(super) fn halves(name: &str) -> String {
    format!("coalesce(sum({name} >> 32), 0), coalesce(sum({name} & 4294967295), 0)")
}

/// A sum by halves, as far as a number goes that people are shown.
pub(super) fn half_sum(row: &Row<'_>, first: usize) -> rusqlite::Result<u64> {
    let (upper, lower) = (row.get::<_, i64>(first)?, row.get::<_, i64>(first + 1)?);
    let sum = ((i128::from(upper) << 32) + i128::from(lower)).max(0);
    Ok(u64::try_from(sum).unwrap_or(u64::MAX))
}

/// The amounts in a row's columns from `first` on.
pub(super) fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<PerDirection<Columns>> {
    let columns = |first: usize| -> rusqlite::Result<Columns> {
        let number = |at: usize| Ok::<_, rusqlite::Error>(i128::from(row.get::<_, i64>(first + at)?));
        let frames = match row.get::<_, Option<i64>>(first + 2)? {
            Some(extra) => Some([i128::from(extra), number(3)?, number(4)?, number(5)?]),
            None => None,
        };
        Ok(Columns { ip_bytes: number(0)?, skbs: number(1)?, frames })
    };
    Ok(PerDirection { rx: columns(first)?, tx: columns(first + NAMES.len())? })
}

impl PerDirection<Columns> {
    pub(super) fn amounts(self) -> Result<PerDirection<Amount>, StoreError> {
        Ok(PerDirection { rx: self.rx.amount()?, tx: self.tx.amount()? })
    }

    /// The same for people.
    pub(super) fn shown(self) -> PerDirection<Amount> {
        PerDirection { rx: self.rx.shown(), tx: self.tx.shown() }
    }
}

/// `rx_ip_bytes, …, tx_link_bytes`, each through `of`.
pub(super) fn list(mut of: impl FnMut(&str) -> String) -> String {
    let names = ["rx", "tx"]
        .into_iter()
        .flat_map(|direction| NAMES.into_iter().map(move |name| format!("{direction}_{name}")));
    names.map(|name| of(&name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn amount()(
            skb_ip_bytes in 0..1_u64 << 60,
            skbs in 0..1_u64 << 50,
            frames in proptest::option::of((0..1_u64 << 60, 0..1_u64 << 50, 0..1_u64 << 60, 0..1_u64 << 60)),
        ) -> Amount {
            let frames = frames.map(|(wire_bytes, packets, ip_bytes, skb_bytes)| {
                Frames { wire_bytes, packets, ip_bytes, skb_bytes }
            });
            Amount { frames, skb_ip_bytes, skbs }
        }
    }

    proptest! {
        #[test]
        fn an_amount_comes_back_as_it_was(amount in amount()) {
            prop_assert_eq!(Columns::of(&amount).unwrap().amount().unwrap(), amount);
        }
    }

    #[test]
    fn most_columns_of_a_plain_packet_are_nothing() {
        let frames = Frames { wire_bytes: 1514, packets: 1, ip_bytes: 1500, skb_bytes: 1514 };
        let packet = Amount { frames: Some(frames), skb_ip_bytes: 1500, skbs: 1 };
        assert_eq!(Columns::of(&packet).unwrap().values().unwrap(), [1500, 1, 0, 0, 0, 0].map(Some));
    }

    #[test]
    fn an_amount_that_is_too_large_is_refused() {
        let amount = Amount { skbs: u64::MAX, ..Amount::default() };
        assert!(matches!(Columns::of(&amount), Err(StoreError::TooLarge(u64::MAX))));
    }
}
