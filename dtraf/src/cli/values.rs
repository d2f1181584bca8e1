//! Values of options, as far as each can be judged alone.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::accounting::statement::period::{CycleDay, PeriodError};
use crate::zone;
use clap::ValueEnum;
use dtraf_common::abi::Scope;
use ipnet::IpNet;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendChoice {
    /// The best one that this host can do
    Auto,
    /// An eBPF program on the host's end of each container's interfaces
    Ebpf,
    /// Rules in the chain DOCKER-USER; where Docker has none, a table of nftables
    Iptables,
    /// A table of nftables, of dtraf's own
    Nft,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AttachChoice {
    Auto,
    Tcx,
    Clsact,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatChoice {
    Table,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormatChoice {
    Table,
    Json,
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum UnitsChoice {
    Si,
    Iec,
}

/// A network that the user puts into a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UserScope {
    pub(crate) network: IpNet,
    pub(crate) scope: Scope,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidUserScope {
    #[error("expected CIDR=SCOPE, such as 203.0.113.0/24=lan")]
    NoScope,
    #[error("`{text}` is not a network in CIDR notation")]
    Network { text: String, source: ipnet::AddrParseError },
    #[error("`{0}` has bits set beyond its prefix; the network is {network}", network = .0.trunc())]
    HostBits(IpNet),
    #[error("`{0}` is not a scope: use internet, lan, host or container")]
    Scope(String),
}

impl FromStr for UserScope {
    type Err = InvalidUserScope;

    fn from_str(text: &str) -> Result<Self, InvalidUserScope> {
        let (network, scope) = text.split_once('=').ok_or(InvalidUserScope::NoScope)?;
        let network: IpNet = network
            .parse()
            .map_err(|source| InvalidUserScope::Network { text: network.to_owned(), source })?;
        if network != network.trunc() {
            return Err(InvalidUserScope::HostBits(network));
        }
        let scope = match scope {
            "internet" => Scope::Internet,
            "lan" => Scope::Lan,
            "host" => Scope::Host,
            "container" => Scope::Container,
            other => return Err(InvalidUserScope::Scope(other.to_owned())),
        };
        Ok(Self { network, scope })
    }
}

/// Reading more often than this would count dtraf's own work.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidInterval {
    #[error(transparent)]
    Duration(#[from] humantime::DurationError),
    #[error("must be at least {}", humantime::format_duration(SHORTEST_INTERVAL))]
    TooShort,
}

pub(super) fn interval(text: &str) -> Result<Duration, InvalidInterval> {
    let interval = humantime::parse_duration(text)?;
    if interval < SHORTEST_INTERVAL { Err(InvalidInterval::TooShort) } else { Ok(interval) }
}

pub(super) fn cycle_day(text: &str) -> Result<CycleDay, PeriodError> {
    text.parse().ok().ok_or(PeriodError::CycleDay).and_then(CycleDay::new)
}

/// A time zone by its name.
pub(crate) fn time_zone(text: &str) -> Result<TimeZone, InvalidTimeZone> {
    zone::named(text).ok_or_else(|| InvalidTimeZone(text.to_owned()))
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time zone; write a name of the IANA database, such as Europe/Berlin or UTC")]
pub(crate) struct InvalidTimeZone(String);

/// Bytes: `500GB`, `1.5 TiB`.
pub(crate) fn size(text: &str) -> Result<u64, InvalidSize> {
    let size = parse_size::parse_size(text);
    size.map_err(|source| InvalidSize { text: text.to_owned(), reason: source.to_string() })
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no number of bytes ({reason}); write 500GB or 1.5TiB")]
pub(crate) struct InvalidSize {
    text: String,
    reason: String,
}

pub(crate) fn percent(text: &str) -> Result<u32, InvalidPercent> {
    text.trim_end_matches('%').parse().ok().filter(|percent| *percent > 0).ok_or(InvalidPercent)
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write whole per cent, from 1 on: 80")]
pub(crate) struct InvalidPercent;

/// Of a GB: not negative, and with no more digits than a price has.
pub(crate) fn price(text: &str) -> Result<Decimal, InvalidPrice> {
    let price = Decimal::from_str_exact(text).ok().map(|price| price.normalize());
    price
        .filter(|price| !price.is_sign_negative() && price.scale() <= 6 && *price < Decimal::from(1_000_000))
        .ok_or_else(|| InvalidPrice(text.to_owned()))
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no price of a GB: write one like 0.05, below 1,000,000 and with 6 decimals at most")]
pub(crate) struct InvalidPrice(String);

#[derive(Debug, thiserror::Error)]
#[error("must begin with /")]
pub(crate) struct RelativePath;

pub(super) fn absolute_path(text: &str) -> Result<PathBuf, RelativePath> {
    let path = Path::new(text);
    if path.is_absolute() { Ok(path.to_owned()) } else { Err(RelativePath) }
}
