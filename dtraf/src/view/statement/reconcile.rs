//! Containers beside network cards, as text.

use serde::Serialize;

use super::Look;
use super::table::civil;
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::card::{Card, Carried};
use crate::accounting::history::zones::Zones;
use crate::accounting::identity::Timestamp;
use crate::accounting::statement::reconcile::{BEYOND, Reconciliation, Rest, Unknown};
use crate::view::json::amounts::{AmountObject, of_each};
use crate::view::listing::{in_columns, number, seconds, text};
use crate::view::names;
use crate::view::neutral::neutral;
use crate::view::table::layout::{Cell, Line, Tone};

#[derive(Serialize)]
pub(super) struct ReconciliationObject<'a> {
    cards: Vec<CardObject<'a>>,
    carried: Option<PerDirection<CarriedObject>>,
    scopes: [&'static str; BEYOND.len()],
    containers: Option<PerDirection<AmountObject>>,
    unattributed: Option<PerDirection<RestObject>>,
}

#[derive(Serialize)]
struct CardObject<'a> {
    name: &'a str,
    since: String,
    rx: CarriedObject,
    tx: CarriedObject,
}

#[derive(Serialize)]
struct CarriedObject {
    bytes: u64,
    packets: u64,
}

#[derive(Serialize)]
struct RestObject {
    wire_bytes: i128,
    packets: i128,
    skb_bytes: i128,
    skbs: i128,
}

impl From<Carried> for CarriedObject {
    fn from(Carried { bytes, packets }: Carried) -> Self {
        Self { bytes, packets }
    }
}

impl From<Rest> for RestObject {
    fn from(Rest { wire_bytes, packets, skb_bytes, skbs }: Rest) -> Self {
        Self { wire_bytes, packets, skb_bytes, skbs }
    }
}

pub(super) fn object(reconciled: &Reconciliation) -> ReconciliationObject<'_> {
    let Reconciliation { cards, carried, containers, rest } = reconciled;
    ReconciliationObject {
        cards: cards
            .iter()
            .map(|Card { name, since, carried }| CardObject {
                name,
                since: names::rfc3339(*since),
                rx: carried.rx.into(),
                tx: carried.tx.into(),
            })
            .collect(),
        carried: carried.map(|carried| PerDirection { rx: carried.rx.into(), tx: carried.tx.into() }),
        scopes: BEYOND.map(names::scope),
        containers: containers.as_ref().map(of_each),
        unattributed: rest.ok().map(|rest| PerDirection { rx: rest.rx.into(), tx: rest.tx.into() }),
    }
}

/// What cards have carried, and below it twice what containers had of it and what is left: in either of the units that a card
/// may count in.
pub(super) fn table(reconciled: &Reconciliation, look: &Look) -> String {
    let Reconciliation { cards, carried, containers, rest } = reconciled;
    let columns = [
        text("CARD", Some(10), None),
        number("RX", None),
        number("TX", None),
        number("RX PKTS", Some(2)),
        number("TX PKTS", Some(1)),
    ];
    let mut rows: Vec<_> =
        cards.iter().map(|card| of_card(&neutral(&card.name), &card.carried, Tone::Plain, look)).collect();
    if let Some(carried) = carried.as_ref().filter(|_| cards.len() > 1) {
        rows.push(of_card("ALL CARDS", carried, Tone::Heading, look));
    }
    if carried.is_none() {
        rows.push(of_figures("ALL CARDS", None, Tone::Heading, look));
    }
    let had = |of: fn(&Amount) -> Option<Figures>| {
        containers.and_then(|both| Some(PerDirection { rx: of(&both.rx)?, tx: of(&both.tx)? }))
    };
    let left =
        |of: fn(&Rest) -> Figures| rest.ok().map(|rest| PerDirection { rx: of(&rest.rx), tx: of(&rest.tx) });
    let wire = (
        had(|amount| amount.frames.map(|frames| (frames.wire_bytes.into(), frames.packets.into()))),
        left(|rest| (rest.wire_bytes, rest.packets)),
    );
    let skb = (
        had(|amount| amount.frames.map(|frames| (frames.skb_bytes.into(), amount.skbs.into()))),
        left(|rest| (rest.skb_bytes, rest.skbs)),
    );
    for (unit, (had, left)) in [("wire bytes", wire), ("skb bytes", skb)] {
        rows.push(of_figures(&format!("containers, {unit}"), had, Tone::Plain, look));
        rows.push(of_figures(&format!("UNATTRIBUTED, {unit}"), left, Tone::Heading, look));
    }
    in_columns(&columns, &rows, look)
}

/// Bytes and packets.
type Figures = (i128, i128);

fn of_figures(name: &str, figures: Option<PerDirection<Figures>>, tone: Tone, look: &Look) -> Line {
    let cells = match figures {
        Some(PerDirection { rx, tx }) => {
            [signed(rx.0, look), signed(tx.0, look), rx.1.to_string(), tx.1.to_string()]
        }
        None => ["?"; 4].map(str::to_owned),
    };
    let cells = std::iter::once(name.to_owned()).chain(cells).map(Cell::Text);
    Line { cells: cells.collect(), remark: None, tone }
}

fn of_card(name: &str, carried: &PerDirection<Carried>, tone: Tone, look: &Look) -> Line {
    let PerDirection { rx, tx } = carried;
    let cells = [
        name.to_owned(),
        look.units.bytes(rx.bytes),
        look.units.bytes(tx.bytes),
        rx.packets.to_string(),
        tx.packets.to_string(),
    ];
    Line { cells: cells.map(Cell::Text).into(), remark: None, tone }
}

fn signed(bytes: i128, look: &Look) -> String {
    let size = look.units.bytes(u64::try_from(bytes.unsigned_abs()).unwrap_or(u64::MAX));
    if bytes < 0 { format!("-{size}") } else { size }
}

/// What is to be known of these figures.
pub(super) fn notes(reconciled: &Reconciliation, since: Option<Timestamp>, zones: &Zones) -> Vec<String> {
    let mut notes = Vec::new();
    match reconciled.rest {
        Err(Unknown::NoCard) => notes.push(
            "No network card was found in this ledger's time: no interface has a device behind it, and there was no default route."
                .to_owned(),
        ),
        Err(Unknown::Scopes) => notes.push(
            "Not known (?): rules have counted, and do not look who the other end was; some of it never came to a card.".to_owned(),
        ),
        // The report says since when such times are kept.
        Err(Unknown::LateCards | Unknown::NotKept) => {}
        Ok(_) => notes.extend(
            [
                "containers: with internet and lan. What passes between containers, or between them and the host, never comes to a \
                 card.",
                "UNATTRIBUTED: the host's own programs, Docker's proxy for published ports, and containers that are not counted \
                 (host network, macvlan: `dtraf stats` names them) make it more; what the firewall drops behind a container, and a \
                 lan that is on this host, make it less.",
                "A card's bytes have Ethernet headers and are what its driver counts: a virtual card (virtio, veth) mostly skb \
                 bytes, a device mostly wire bytes, some with 4 bytes of checksum a packet. The line of that unit is the one that \
                 holds.",
            ]
            .map(str::to_owned),
        ),
    }
    let is_late = |card: &&Card| since.is_some_and(|since| since < card.since);
    for Card { name, since, .. } in reconciled.cards.iter().filter(is_late) {
        let (name, since) = (neutral(name), civil(seconds(*since), zones));
        notes.push(match reconciled.rest {
            Err(Unknown::LateCards) => format!(
                "{name} is counted since {since}, containers since before that: what is unattributed can be said of a time from then on \
                 (--from)."
            ),
            _ => format!("{name} is counted since {since}."),
        });
    }
    notes
}
