//! The tables that there are, and how each is sorted.

use super::columns::Column;

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sheet {
    Containers,
    /// Every port of every container.
    Ports,
    Scopes,
    Networks,
    Projects,
    /// Which container talks to which.
    Peers,
    /// The ports of one container.
    Detail,
}

impl Sheet {
    /// Those that Tab goes through.
    pub(super) const TABS: [Self; 6] =
        [Self::Containers, Self::Ports, Self::Scopes, Self::Networks, Self::Projects, Self::Peers];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Containers => "Containers",
            Self::Ports => "Ports",
            Self::Scopes => "Scopes",
            Self::Networks => "Networks",
            Self::Projects => "Projects",
            Self::Peers => "Peers",
            Self::Detail => "Container",
        }
    }

    /// The tab `steps` further on.
    pub(super) fn turn(self, steps: usize) -> Self {
        let at = Self::TABS.iter().position(|tab| *tab == self).unwrap_or_default();
        Self::TABS[(at + steps) % Self::TABS.len()]
    }
}

/// What is ranked: how fast it is now, or how much it is in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Focus {
    Rate,
    Total,
}

impl Focus {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Rate => Self::Total,
            Self::Total => Self::Rate,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sorting {
    pub(super) column: Column,
    pub(super) order: Order,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// As people expect it: texts from A, figures from the greatest.
    Usual,
    Reverse,
}

impl Sorting {
    pub(super) fn by(column: Column) -> Self {
        Self { column, order: Order::Usual }
    }

    pub(super) fn reversed(self) -> Self {
        let order = match self.order {
            Order::Usual => Order::Reverse,
            Order::Reverse => Order::Usual,
        };
        Self { order, ..self }
    }

    /// The same direction's other figure, for a sheet that is sorted by a figure.
    pub(super) fn refocused(self) -> Self {
        let column = match self.column {
            Column::RxRate => Column::RxTotal,
            Column::TxRate => Column::TxTotal,
            Column::RxTotal => Column::RxRate,
            Column::TxTotal => Column::TxRate,
            other => other,
        };
        Self { column, ..self }
    }
}
