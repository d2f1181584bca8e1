//! The rows of each table: what is in them, which are shown, and in which order. Made once for each event that changes them.

mod containers;
mod order;
mod peers;
mod ports;
mod sums;

use std::borrow::Cow;

use dtraf_common::abi::{Role, Scope};

pub(super) use self::containers::remark;
pub(super) use self::order::{both, packets, sort};
pub(super) use self::peers::are_known;
use super::columns::Column;
use super::filter::Filter;
use super::growth::Pace;
use super::measure::Measure;
use super::scene::Scene;
use super::sheet::{Focus, Sheet};
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::kept::KeptAccount;
use crate::accounting::ledger::Holder;
use crate::accounting::report::{ContainerRow, RowState};
use crate::accounting::snapshot::Bucket;

/// One line of a table, whoever it speaks of.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(super) key: RowKey,
    /// Harmless already.
    pub(super) texts: Vec<(Column, String)>,
    /// What stands in the place of figures.
    pub(super) remark: Option<String>,
    pub(super) tone: RowTone,
    /// How many containers it is about, where that may be several.
    pub(super) count: Option<usize>,
    pub(super) total: Option<PerDirection<Amount>>,
    pub(super) pace: Option<PerDirection<Pace>>,
    /// Of its account, where it is a container and a ledger knows it.
    pub(super) kept: Option<KeptAccount>,
}

/// Whom a row speaks of: the same one in the next report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RowKey {
    Holder(Holder),
    Port(Holder, Counted),
    Bucket(Holder, Bucket),
    /// `None`: what is in no pair.
    Peer(Holder, Option<Holder>),
    Scope(Option<Scope>),
    Group(Group),
}

/// A port, both address families together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Counted {
    pub(super) protocol: u8,
    pub(super) port: u16,
    pub(super) role: Role,
    pub(super) scope: Option<Scope>,
}

/// What several containers may have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    Named(String),
    /// In none, or in several, or nobody knows: said in words.
    Other(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowTone {
    Plain,
    /// Not running, or counted elsewhere.
    Faint,
    /// It is not counted, or nobody owns it.
    Warning,
}

/// Which containers are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Present {
    Running,
    /// Those that were ever counted, too.
    All,
}

/// What is to be shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    pub(super) sheet: Sheet,
    /// Whose ports, in [`Sheet::Detail`].
    pub(super) of: Option<Holder>,
    pub(super) filter: &'a Filter,
    pub(super) present: Present,
    pub(super) focus: Focus,
    pub(super) measure: Measure,
}

/// The rows that were asked for, and how many containers were left out because they do not run.
pub(super) fn rows(scene: &Scene, ask: &Ask<'_>) -> (Vec<Row>, usize) {
    match ask.sheet {
        Sheet::Containers => containers::rows(scene, ask),
        Sheet::Ports => ports::of_everyone(scene, ask),
        Sheet::Peers => peers::rows(scene, ask),
        Sheet::Scopes => (sums::scopes(scene, ask.filter), 0),
        Sheet::Networks => (sums::networks(scene, ask.filter), 0),
        Sheet::Projects => (sums::projects(scene, ask.filter), 0),
        Sheet::Detail => (ask.of.map(|holder| ports::of(scene, holder, ask.filter)).unwrap_or_default(), 0),
    }
}

impl Row {
    pub(super) fn text(&self, column: Column) -> Option<&str> {
        let mut texts = self.texts.iter();
        texts.find(|(other, _)| *other == column).map(|(_, text)| text.as_str())
    }

    /// Whose it is, where it is one container's.
    pub(super) fn holder(&self) -> Option<Holder> {
        match self.key {
            RowKey::Holder(holder)
            | RowKey::Port(holder, _)
            | RowKey::Bucket(holder, _)
            | RowKey::Peer(holder, _) => Some(holder),
            RowKey::Scope(_) | RowKey::Group(_) => None,
        }
    }

    /// Received and transmitted in one, by what is ranked.
    pub(super) fn weight(&self, focus: Focus, measure: Measure) -> Option<u64> {
        let both = |rx: &Amount, tx: &Amount| Some(measure.bytes(rx)?.saturating_add(measure.bytes(tx)?));
        match focus {
            Focus::Rate => self.pace.and_then(|pace| both(pace.rx.amount(), pace.tx.amount())),
            Focus::Total => self.total.and_then(|total| both(&total.rx, &total.tx)),
        }
    }
}

impl Present {
    /// A container that does not run and never counted has nothing to say.
    fn admits(self, row: &ContainerRow) -> bool {
        match self {
            // Where Docker does not answer, it may run.
            Self::Running => matches!(row.state, RowState::Running | RowState::Unknown),
            Self::All => row.state == RowState::Running || row.figures.is_some(),
        }
    }
}

/// The project of Docker Compose that it belongs to.
fn project(row: &ContainerRow) -> Option<&str> {
    row.described.as_ref()?.labels.get("com.docker.compose.project").map(String::as_str)
}

/// What a filter looks at of a container, beside its ports.
fn words(row: &ContainerRow) -> Vec<Cow<'_, str>> {
    let mut words: Vec<Cow<'_, str>> = vec![Cow::Borrowed(&row.name), Cow::Owned(row.id.to_short())];
    words.extend(row.networks.iter().map(|network| Cow::Borrowed(network.as_str())));
    if let Some(described) = &row.described {
        words.push(Cow::Borrowed(&described.image));
        words.extend(described.labels.iter().map(|(name, value)| Cow::Owned(format!("{name}={value}"))));
        words.extend(described.addresses.iter().map(|address| Cow::Owned(address.to_string())));
    }
    words
}
