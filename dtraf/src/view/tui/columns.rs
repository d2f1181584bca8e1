//! The columns of each table, and which of them there is room for.
//!
//! A wider screen has more columns, in the order of their rank.

use super::sheet::{Focus, Sheet};
use super::spelling::Spelling;

/// Between two columns.
pub(super) const GAP: usize = 2;
/// The widest that a name is shown when nothing has to be whole.
const WIDEST_TEXT: usize = 40;
const WIDEST_TREND: usize = 30;
/// Before the per cent of a quota.
pub(super) const QUOTA_BAR: usize = 6;
/// How much of the first column is shown wherever there is room for more than one.
const FIRST: usize = 18;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Column {
    Name,
    /// The container at the other end.
    Peer,
    Port,
    Role,
    Scope,
    Network,
    Project,
    /// How many containers.
    Count,
    Networks,
    Address,
    Published,
    RxRate,
    TxRate,
    /// Both directions over the last readings.
    Trend,
    RxTotal,
    TxTotal,
    /// What the ledger has of the account since midnight, both directions.
    Today,
    /// In the billing cycle that is under way.
    Cycle,
    /// How much of its quota the account has used.
    Quota,
    Packets,
    Busiest,
    Share,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A column on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(super) column: Column,
    pub(super) begins: usize,
    pub(super) width: usize,
}

impl Column {
    /// In the order in which they stand beside one another.
    pub(super) fn of(sheet: Sheet, focus: Focus) -> Vec<Self> {
        let texts: &[Self] = match sheet {
            Sheet::Containers => &[Self::Name, Self::Project, Self::Networks, Self::Address, Self::Published],
            Sheet::Ports => &[Self::Name, Self::Port, Self::Role, Self::Scope, Self::Published],
            Sheet::Peers => &[Self::Name, Self::Peer],
            Sheet::Scopes => &[Self::Scope],
            Sheet::Networks => &[Self::Network, Self::Count],
            Sheet::Projects => &[Self::Project, Self::Count],
            Sheet::Detail => &[Self::Port, Self::Role, Self::Scope, Self::Published],
        };
        let trend: &[Self] = if sheet == Sheet::Containers { &[Self::Trend] } else { &[] };
        let rates = [&[Self::RxRate, Self::TxRate], trend].concat();
        let totals = vec![Self::RxTotal, Self::TxTotal];
        let figures = match focus {
            Focus::Rate => [rates, totals],
            Focus::Total => [totals, rates],
        };
        let last = match sheet {
            Sheet::Containers => &[Self::Today, Self::Cycle, Self::Quota, Self::Packets, Self::Busiest][..],
            Sheet::Ports | Sheet::Peers | Sheet::Detail => &[Self::Packets],
            Sheet::Scopes | Sheet::Networks | Sheet::Projects => &[Self::Packets, Self::Share],
        };
        [texts, &figures.concat(), last].concat()
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Name => "CONTAINER",
            Self::Peer => "PEER",
            Self::Port => "PORT",
            Self::Role => "ROLE",
            Self::Scope => "SCOPE",
            Self::Network => "NETWORK",
            Self::Project => "PROJECT",
            Self::Count => "CONTAINERS",
            Self::Networks => "NETWORKS",
            Self::Address => "ADDRESS",
            Self::Published => "PORTS",
            Self::RxRate => "RX/S",
            Self::TxRate => "TX/S",
            Self::Trend => "TREND",
            Self::RxTotal => "RX TOTAL",
            Self::TxTotal => "TX TOTAL",
            Self::Today => "TODAY",
            Self::Cycle => "CYCLE",
            Self::Quota => "QUOTA",
            Self::Packets => "PKTS/S",
            Self::Busiest => "BUSIEST",
            Self::Share => "SHARE",
        }
    }

    pub(super) fn align(self) -> Align {
        match self {
            Self::Count
            | Self::RxRate
            | Self::TxRate
            | Self::RxTotal
            | Self::TxTotal
            | Self::Today
            | Self::Cycle
            | Self::Quota
            | Self::Packets
            | Self::Share => Align::Right,
            _ => Align::Left,
        }
    }

    pub(super) fn is_text(self) -> bool {
        self.align() == Align::Left && self != Self::Trend
    }

    /// What is shown first where not everything can be: the lowest.
    fn rank(self, focus: Focus) -> usize {
        let order = [
            Self::Name,
            Self::Peer,
            Self::Port,
            Self::Network,
            Self::RxRate,
            Self::TxRate,
            Self::RxTotal,
            Self::TxTotal,
            Self::Role,
            Self::Scope,
            Self::Busiest,
            Self::Trend,
            Self::Project,
            Self::Count,
            Self::Share,
            Self::Published,
            Self::Today,
            Self::Cycle,
            Self::Packets,
            Self::Networks,
            Self::Address,
            Self::Quota,
        ];
        let swapped = match (focus, self) {
            (Focus::Total, Self::RxRate) => Self::RxTotal,
            (Focus::Total, Self::TxRate) => Self::TxTotal,
            (Focus::Total, Self::RxTotal) => Self::RxRate,
            (Focus::Total, Self::TxTotal) => Self::TxRate,
            _ => self,
        };
        order.iter().position(|column| *column == swapped).unwrap_or(order.len())
    }

    /// The least that is of use. `natural` is the width of the longest text.
    fn least(self, spelling: Spelling, natural: usize) -> usize {
        let text = |least: usize| least.min(natural);
        let least = match self {
            Self::Name | Self::Peer => text(16),
            Self::Network | Self::Project => text(12),
            Self::Port | Self::Role | Self::Scope => natural,
            Self::Published => text(14),
            Self::Networks => text(10),
            Self::Address => text(15),
            Self::RxRate | Self::TxRate => spelling.rate_width(),
            Self::RxTotal | Self::TxTotal | Self::Today | Self::Cycle => spelling.total_width(),
            Self::Quota => QUOTA_BAR + 1 + "100 %".len(),
            Self::Trend => 10,
            Self::Packets | Self::Share => 7,
            Self::Busiest => 9.max(natural.min(12)),
            Self::Count => self.title().len(),
        };
        least.max(self.title().len())
    }

    fn most(self, natural: usize, whole: bool) -> usize {
        match self {
            Self::Trend => WIDEST_TREND,
            _ if self.is_text() && whole => natural,
            _ if self.is_text() => natural.min(WIDEST_TEXT),
            _ => 0,
        }
    }
}

/// The columns that fit into `width`, where they stand, and how wide they are. `natural` knows the longest text of each;
/// `whole` asks for all of it.
pub(super) fn fit(
    columns: &[Column],
    width: usize,
    focus: Focus,
    spelling: Spelling,
    natural: impl Fn(Column) -> usize,
    whole: bool,
) -> Vec<Placed> {
    let mut ranked: Vec<_> = columns.to_vec();
    // Whom a row speaks of is always said.
    ranked.sort_by_key(|column| (columns.first() != Some(column), column.rank(focus)));
    let mut widths = Vec::new();
    let mut left = width + GAP;
    for column in ranked {
        let natural = natural(column);
        let least = if whole && column.is_text() { natural } else { 0 };
        let first = if columns.first() == Some(&column) { natural.min(FIRST) } else { 0 };
        let least = least.max(column.least(spelling, natural)).max(first);
        if left >= least + GAP {
            left -= least + GAP;
            widths.push((column, least));
        } else if widths.is_empty() {
            widths.push((column, width));
            left = 0;
        } else {
            // One that is narrower and matters less must not stand where this one should.
            break;
        }
    }
    for (column, width) in &mut widths {
        let more = column.most(natural(*column), whole).saturating_sub(*width).min(left);
        *width += more;
        left -= more;
    }
    let mut begins = 0;
    let placed = columns.iter().filter_map(|column| {
        let (_, width) = widths.iter().find(|(shown, _)| shown == column)?;
        let placed = Placed { column: *column, begins, width: *width };
        begins += width + GAP;
        Some(placed)
    });
    placed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::RateUnit;
    use crate::view::units::Units;

    const SI: Spelling = Spelling { units: Units::Si, rate_unit: RateUnit::Bytes };

    fn titles(sheet: Sheet, width: usize, focus: Focus) -> String {
        let columns = fit(&Column::of(sheet, focus), width, focus, SI, |_| 20, false);
        let titles: Vec<_> = columns.iter().map(|placed| placed.column.title()).collect();
        titles.join(" ")
    }

    #[test]
    fn a_wider_screen_has_more_columns_and_never_fewer() {
        for sheet in Sheet::TABS.into_iter().chain([Sheet::Detail]) {
            for focus in [Focus::Rate, Focus::Total] {
                let mut before = Vec::new();
                for width in 1..300 {
                    let placed = fit(&Column::of(sheet, focus), width, focus, SI, |_| 20, false);
                    let end = placed.last().map_or(0, |last| last.begins + last.width);
                    assert!(end <= width, "{sheet:?} {width}: {placed:?}");
                    let now: Vec<_> = placed.iter().map(|placed| placed.column).collect();
                    assert!(before.iter().all(|column| now.contains(column)), "{sheet:?} {width}");
                    before = now;
                }
                assert_eq!(before.len(), Column::of(sheet, focus).len());
            }
        }
    }

    #[test]
    fn rates_and_totals_are_on_one_narrow_screen() {
        assert_eq!(titles(Sheet::Containers, 30, Focus::Rate), "CONTAINER RX/S");
        assert_eq!(titles(Sheet::Containers, 30, Focus::Total), "CONTAINER RX TOTAL");
        assert_eq!(
            titles(Sheet::Containers, 80, Focus::Rate),
            "CONTAINER RX/S TX/S RX TOTAL TX TOTAL BUSIEST"
        );
    }

    #[test]
    fn whole_names_take_the_room_of_other_columns() {
        let natural = |column| if column == Column::Name { 60 } else { 20 };
        let columns = fit(&Column::of(Sheet::Containers, Focus::Rate), 80, Focus::Rate, SI, natural, true);
        assert_eq!((columns[0].column, columns[0].width, columns.len()), (Column::Name, 60, 2));
    }
}
