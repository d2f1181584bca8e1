//! The name of a counter, which says everything that must be known of it later.
//!
//! Names may be 255 bytes long, in any kernel and any `nft`. A comment would hold less, and older ones drop it.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use dtraf_common::abi::{Direction, Family};

use crate::accounting::identity::{ContainerId, Timestamp};
use crate::accounting::inventory::PortNumber;
use crate::source::rules::{CounterKey, Matched};

/// How much of a container's name is kept.
const LONGEST_CONTAINER_NAME: usize = 100;
/// The last second of the year 9999: RFC 3339 knows none after it.
const LAST_SECOND: u64 = 253_402_300_799;

/// `rx4/tcp/80/<container id>/<since>/<number>/<container name>`, with `all` for a port where all packets are counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CounterName {
    pub(super) key: CounterKey,
    /// A full second.
    since: Timestamp,
    /// Tells counters apart that have all else in common: a container may have several addresses.
    number: u32,
    /// What a name in nftables may hold of it.
    container: String,
}

/// A text that names no counter of dtraf's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotOurs;

impl CounterName {
    pub(super) fn new(key: CounterKey, since: Timestamp, container: &str) -> Self {
        let harmless = |character: char| match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '.' | '-' => character,
            _ => '_',
        };
        let container = container.chars().take(LONGEST_CONTAINER_NAME).map(harmless).collect();
        Self { key, since: full_second(since), number: 0, container }
    }

    /// The same counter under the next number.
    pub(super) fn next(self) -> Self {
        Self { number: self.number.wrapping_add(1), ..self }
    }

    pub(super) fn since(&self) -> Timestamp {
        self.since
    }

    pub(super) fn container(&self) -> &str {
        &self.container
    }
}

/// What is left of a moment in a name.
pub(super) fn full_second(moment: Timestamp) -> Timestamp {
    Timestamp(Duration::from_secs(moment.0.as_secs().min(LAST_SECOND)))
}

impl fmt::Display for CounterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CounterKey { container: id, family, direction, matched } = self.key;
        let (direction, family) = (direction_text(direction), family_text(family));
        write!(f, "{direction}{family}/")?;
        match matched {
            Matched::All => f.write_str("all")?,
            Matched::Port(PortNumber { protocol: 6, port }) => write!(f, "tcp/{port}")?,
            Matched::Port(PortNumber { protocol: 17, port }) => write!(f, "udp/{port}")?,
            Matched::Port(PortNumber { protocol: 132, port }) => write!(f, "sctp/{port}")?,
            Matched::Port(PortNumber { protocol, port }) => write!(f, "{protocol}/{port}")?,
        }
        // A name may hold no colons.
        let since =
            humantime::format_rfc3339_seconds(UNIX_EPOCH + self.since.0).to_string().replace(':', ".");
        write!(f, "/{id}/{since}/{}/{}", self.number, self.container)
    }
}

impl FromStr for CounterName {
    type Err = NotOurs;

    /// Takes only what [`Self`] itself would be written as: names lead back to the counters they were read from.
    fn from_str(text: &str) -> Result<Self, NotOurs> {
        parse(text).filter(|name| name.to_string() == text).ok_or(NotOurs)
    }
}

fn parse(text: &str) -> Option<CounterName> {
    let mut parts = text.split('/');
    let view = parts.next()?;
    let direction = Direction::ALL.into_iter().find(|it| view.starts_with(direction_text(*it)))?;
    let family = Family::ALL.into_iter().find(|it| view.ends_with(family_text(*it)))?;
    let matched = match parts.next()? {
        "all" => Matched::All,
        protocol => {
            let protocol = protocol_number(protocol)?;
            Matched::Port(PortNumber { protocol, port: parts.next()?.parse().ok()? })
        }
    };
    let container = parts.next()?.parse::<ContainerId>().ok()?;
    let since = humantime::parse_rfc3339(&parts.next()?.replacen('.', ":", 2)).ok()?;
    let since = Timestamp(since.duration_since(UNIX_EPOCH).ok()?);
    let number = parts.next()?.parse().ok()?;
    let key = CounterKey { container, family, direction, matched };
    Some(CounterName { number, ..CounterName::new(key, since, parts.next()?) })
}

/// As `nft` may call them: by number, or by name where it was not asked for numbers.
pub(super) fn protocol_number(text: &str) -> Option<u8> {
    match text {
        "tcp" => Some(6),
        "udp" => Some(17),
        "sctp" => Some(132),
        number => number.parse().ok(),
    }
}

pub(super) fn direction_text(direction: Direction) -> &'static str {
    match direction {
        Direction::Received => "rx",
        Direction::Transmitted => "tx",
    }
}

pub(super) fn family_text(family: Family) -> &'static str {
    match family {
        Family::V4 => "4",
        Family::V6 => "6",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::accounting::fixtures::{at, id};

    fn key(matched: Matched) -> CounterKey {
        CounterKey { container: id(0xab), family: Family::V4, direction: Direction::Received, matched }
    }

    #[test]
    fn a_name_says_everything_of_its_counter() {
        let port = PortNumber { protocol: 6, port: 80 };
        let name = CounterName::new(key(Matched::Port(port)), at(5), "web").next();
        let text = format!("rx4/tcp/80/{}/2026-09-21T14.13.25Z/1/web", "ab".repeat(32));
        assert_eq!(name.to_string(), text);
        assert_eq!(text.parse(), Ok(name));
    }

    #[test]
    fn a_hostile_name_stays_a_name() {
        let name = CounterName::new(key(Matched::All), at(0), "a { } ; \"\n\u{1b}[2J/\u{e9}#$");
        assert_eq!(name.container(), "a___________2J____");
        assert_eq!(name.to_string().parse(), Ok(name));
    }

    #[test]
    fn what_dtraf_would_write_otherwise_is_not_its_own() {
        let id = "ab".repeat(32);
        let since = "2026-09-21T14.13.25Z";
        for text in [
            String::new(),
            "rx4".to_owned(),
            format!("rx4/all/{id}/{since}/0"),
            format!("rx4/all/{id}/{since}/00/web"),
            format!("rx4/all/{id}/{since}/0/web/more"),
            format!("rx4/6/80/{id}/{since}/0/web"),
            format!("rx4/tcp/080/{id}/{since}/0/web"),
            format!("rx4/all/{}/{since}/0/web", id.to_uppercase()),
            format!("rx4/all/{id}/2026-09-21T14.13.25.5Z/0/web"),
            format!("rxx4/all/{id}/{since}/0/web"),
        ] {
            assert_eq!(text.parse::<CounterName>(), Err(NotOurs), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_name_is_short_enough_for_nftables_and_comes_back(
            received: bool, v4: bool, all: bool, protocol: u8, port: u16, since: u64, number: u32, container: String
        ) {
            let matched = if all { Matched::All } else { Matched::Port(PortNumber { protocol, port }) };
            let key = CounterKey {
                container: id(protocol),
                family: if v4 { Family::V4 } else { Family::V6 },
                direction: if received { Direction::Received } else { Direction::Transmitted },
                matched,
            };
            let since = Timestamp(Duration::from_secs(since));
            let name = CounterName { number, ..CounterName::new(key, since, &container) };
            let text = name.to_string();
            prop_assert!(text.len() <= 255);
            prop_assert!(text.chars().all(|it| it.is_ascii_alphanumeric() || "/._-".contains(it)), "{}", text);
            prop_assert_eq!(text.parse(), Ok(name));
        }
    }
}
