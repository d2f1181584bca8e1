//! Whom a container exchanged traffic with.

use std::collections::BTreeMap;

use serde::Serialize;

use super::amounts::AmountObject;
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::identity::ContainerId;
use crate::accounting::ledger::Holder;
use crate::accounting::report::{Peers, Report};

/// What the containers of a report are called.
pub(super) struct Known<'a>(BTreeMap<ContainerId, &'a str>);

#[derive(Serialize)]
pub(super) struct PeerObject<'a> {
    kind: &'static str,
    id: Option<String>,
    name: Option<&'a str>,
    rx: AmountObject,
    tx: AmountObject,
}

impl<'a> Known<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        Self(report.containers.iter().map(|row| (row.id, row.name.as_str())).collect())
    }

    /// Each peer, and what belongs to none.
    pub(super) fn peers(&self, peers: &Peers) -> Vec<PeerObject<'a>> {
        let object = |kind, id: Option<ContainerId>, amounts: &PerDirection<Amount>| PeerObject {
            kind,
            id: id.map(|id| id.to_string()),
            name: id.and_then(|id| self.0.get(&id).copied()),
            rx: amounts.rx.into(),
            tx: amounts.tx.into(),
        };
        let each = peers.each.iter().map(|(holder, amounts)| match holder {
            Holder::Container(id) => object("container", Some(*id), amounts),
            Holder::Unattributed(_) => object("unattributed", None, amounts),
        });
        each.chain([object("elsewhere", None, &peers.elsewhere)]).collect()
    }
}
