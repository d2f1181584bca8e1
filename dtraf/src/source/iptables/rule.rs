//! A rule that counts: what it matches, and its comment, which says whose it is and since when it counts.
//!
//! Both are written in one form only, the one in which `iptables-save` prints them. What reads otherwise is not dtraf's.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use dtraf_common::abi::{Direction, Family};
use dtraf_common::packet::protocol::{SCTP, TCP, UDP};

use crate::accounting::identity::{ContainerId, Timestamp};
use crate::accounting::inventory::PortNumber;
use crate::source::rules::{CounterKey, Matched, Tally, family_of};

/// `XT_MAX_COMMENT_LEN` less its NUL.
const LONGEST_COMMENT: usize = 255;
/// Last word of a shadow's comment.
const SHADOW: &str = "-";
const PROTOCOLS: [(u8, &str); 3] = [(TCP, "tcp"), (UDP, "udp"), (SCTP, "sctp")];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) key: CounterKey,
    /// Of safe characters only, and no longer than the comment has room for.
    name: String,
    pub(super) address: IpAddr,
    /// In whole seconds.
    since: Duration,
    /// What was counted before this rule's own counter began; not zero only where that could not be preset.
    pub(super) carried: Tally,
    /// It stands beside a superseded counter and counts what that one has counted since.
    pub(super) is_shadow: bool,
}

/// One counter among all: copies of a rule have the same.
pub(super) type Identity = (CounterKey, IpAddr, Timestamp);

impl Rule {
    pub(super) fn new(
        key: CounterKey,
        name: &str,
        address: IpAddr,
        since: Timestamp,
        carried: Tally,
    ) -> Self {
        let since = Duration::from_secs(Duration::from_nanos(since.unix_ns()).as_secs());
        let safe = |it: char| if it.is_ascii_alphanumeric() || "_.-".contains(it) { it } else { '_' };
        let mut rule = Self { key, name: String::new(), address, since, carried, is_shadow: false };
        rule.name = name.chars().map(safe).collect();
        rule.fit_name();
        rule
    }

    fn fit_name(&mut self) {
        let room = LONGEST_COMMENT - (self.comment().len() - self.name.len());
        self.name.truncate(room);
        if self.name.is_empty() {
            self.name.push('_');
        }
    }

    /// The rule that these words specify, if they are exactly what dtraf writes.
    pub(super) fn parse(words: &[String], family: Family) -> Option<Self> {
        let [_, address, rest @ ..] = words else { return None };
        let address = host(address).filter(|address| family_of(*address) == family)?;
        let rule = Self::described(rest.last()?, address)?;
        let written = rule.words();
        (words.len() == written.len() && words[0] == written[0] && *rest == written[2..]).then_some(rule)
    }

    /// The rule that has this comment.
    fn described(comment: &str, address: IpAddr) -> Option<Self> {
        let words: Vec<&str> = comment.split(' ').collect();
        let (["dtraf", direction, matched, name, id, since], carried) = words.split_at_checked(6)? else {
            return None;
        };
        let direction = Direction::ALL.into_iter().find(|it| direction_word(*it) == *direction)?;
        let container: ContainerId = id.parse().ok()?;
        let since = humantime::parse_rfc3339(since).ok()?.duration_since(UNIX_EPOCH).ok()?;
        let (carried, is_shadow) = match carried {
            [] => (Tally::default(), false),
            [word] if *word == SHADOW => (Tally::default(), true),
            [carried] => (tally(carried.strip_prefix('+')?)?, false),
            _ => return None,
        };
        let key =
            CounterKey { container, family: family_of(address), direction, matched: matched_by(matched)? };
        let mut rule = Self::new(key, name, address, Timestamp(since), carried);
        if is_shadow {
            rule = rule.shadow();
        }
        (rule.comment() == comment).then_some(rule)
    }

    /// The same rule, as it goes on from another count.
    pub(super) fn carrying(&self, carried: Tally) -> Self {
        Self::new(self.key, &self.name, self.address, self.since(), carried)
    }

    /// Returns the rule that counts beside this one from now on.
    pub(super) fn shadow(&self) -> Self {
        let mut shadow = Self { is_shadow: true, ..self.carrying(Tally::default()) };
        shadow.fit_name();
        shadow
    }

    pub(super) fn identity(&self) -> Identity {
        (self.key, self.address, self.since())
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn since(&self) -> Timestamp {
        Timestamp(self.since)
    }

    /// As it stands behind the name of a chain.
    pub(super) fn spec(&self) -> String {
        let mut words = self.words();
        if let Some(comment) = words.last_mut() {
            *comment = format!("\"{comment}\"");
        }
        words.join(" ")
    }

    fn words(&self) -> Vec<String> {
        let (address, port) = match self.key.direction {
            Direction::Received => ("-d", "--dport"),
            Direction::Transmitted => ("-s", "--sport"),
        };
        let bits = match self.address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        let mut words = vec![address.to_owned(), format!("{}/{bits}", self.address)];
        if let Matched::Port(number) = self.key.matched {
            let protocol = protocol_word(number.protocol);
            let matched = ["-p", &protocol, "-m", &protocol, port].map(str::to_owned);
            words.extend(matched.into_iter().chain([number.port.to_string()]));
        }
        words.extend(["-m", "comment", "--comment"].map(str::to_owned));
        words.push(self.comment());
        words
    }

    fn comment(&self) -> String {
        let CounterKey { container, direction, matched, .. } = self.key;
        let matched = match matched {
            Matched::All => "all".to_owned(),
            Matched::Port(number) => format!("{}/{}", number.port, protocol_word(number.protocol)),
        };
        let since = humantime::format_rfc3339_seconds(UNIX_EPOCH + self.since);
        let direction = direction_word(direction);
        let mut comment = format!("dtraf {direction} {matched} {} {container} {since}", self.name);
        if self.carried != Tally::default() {
            write!(comment, " +{}:{}", self.carried.packets, self.carried.bytes)
                .expect("a String takes whatever is written");
        }
        if self.is_shadow {
            comment.push(' ');
            comment.push_str(SHADOW);
        }
        comment
    }
}

/// `rx` or `tx`.
pub(super) fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Received => "rx",
        Direction::Transmitted => "tx",
    }
}

/// `PACKETS:BYTES`
pub(super) fn tally(text: &str) -> Option<Tally> {
    let (packets, bytes) = text.split_once(':')?;
    Some(Tally { packets: packets.parse().ok()?, bytes: bytes.parse().ok()? })
}

/// An address that may be written as a network of one.
fn host(text: &str) -> Option<IpAddr> {
    let (address, bits) = text.split_once('/').unwrap_or((text, ""));
    let address: IpAddr = address.parse().ok()?;
    matches!((address, bits), (_, "") | (IpAddr::V4(_), "32") | (IpAddr::V6(_), "128")).then_some(address)
}

fn protocol_word(protocol: u8) -> String {
    let known = PROTOCOLS.into_iter().find(|(number, _)| *number == protocol);
    known.map_or_else(|| protocol.to_string(), |(_, word)| word.to_owned())
}

fn matched_by(word: &str) -> Option<Matched> {
    if word == "all" {
        return Some(Matched::All);
    }
    let (port, protocol) = word.split_once('/')?;
    let (protocol, _) = PROTOCOLS.into_iter().find(|(_, word)| *word == protocol)?;
    Some(Matched::Port(PortNumber { protocol, port: port.parse().ok()? }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::fixtures::{at, id};

    fn key(direction: Direction, matched: Matched) -> CounterKey {
        CounterKey { container: id(2), family: Family::V4, direction, matched }
    }

    fn rule(name: &str) -> Rule {
        let matched = Matched::Port(PortNumber { protocol: 6, port: 80 });
        let key = key(Direction::Received, matched);
        Rule::new(key, name, "172.17.0.2".parse().unwrap(), at(0), Tally::default())
    }

    fn parsed(spec: &str) -> Option<Rule> {
        Rule::parse(&shlex::split(spec).unwrap(), Family::V4)
    }

    #[test]
    fn a_rule_is_the_one_of_the_recipe_with_its_owner_beside_it() {
        let id = "02".repeat(32);
        assert_eq!(
            rule("web").spec(),
            format!(
                "-d 172.17.0.2/32 -p tcp -m tcp --dport 80 -m comment --comment \
                 \"dtraf rx 80/tcp web {id} 2026-09-21T14:13:20Z\""
            )
        );
        let all = Rule { key: key(Direction::Transmitted, Matched::All), ..rule("web") };
        assert_eq!(
            all.spec(),
            format!("-s 172.17.0.2/32 -m comment --comment \"dtraf tx all web {id} 2026-09-21T14:13:20Z\"")
        );
    }

    #[test]
    fn a_rule_comes_back_as_it_was_written() {
        for (protocol, direction) in PROTOCOLS.into_iter().zip([0, 1, 0].map(|it| Direction::ALL[it])) {
            let matched = Matched::Port(PortNumber { protocol: protocol.0, port: 65_535 });
            let rule = Rule { key: key(direction, matched), ..rule("a-b.c_d") };
            assert_eq!(parsed(&rule.spec()), Some(rule));
        }
        let carrying = Rule { carried: Tally { packets: 5, bytes: u64::MAX }, ..rule("web") };
        assert_eq!(parsed(&carrying.spec()), Some(carrying));
        let shadow = rule("web").shadow();
        assert!(shadow.spec().ends_with("20Z -\""), "{}", shadow.spec());
        assert_eq!(parsed(&shadow.spec()), Some(shadow));
        assert_eq!(parsed(&rule("web").spec().replace("/32", "")), Some(rule("web")));
    }

    #[test]
    fn a_rule_that_does_not_do_what_it_says_is_not_dtrafs() {
        let spec = rule("web").spec();
        for (changed, from, to) in [
            ("another port", "--dport 80", "--dport 81"),
            ("another protocol", "-p tcp -m tcp", "-p udp -m udp"),
            ("another side", "-d ", "-s "),
            ("the other direction", "dtraf rx", "dtraf tx"),
            ("a network", "/32", "/24"),
            ("the other family", "172.17.0.2/32", "fd00::2/128"),
            ("no container", "0202", "02"),
            ("no time", "2026-", "20x6-"),
            ("a time that was written otherwise", "20Z", "20.0Z"),
            ("one more word", "20Z", "20Z x"),
            ("nothing carried on", "20Z", "20Z +0:0"),
            ("a name that dtraf would not write", " web ", " w*b "),
            ("no name", " web ", "  "),
            ("somebody else's", "dtraf", "btraf"),
            ("a port written otherwise", "80/tcp", "080/tcp"),
        ] {
            assert_eq!(parsed(&spec.replace(from, to)), None, "{changed}");
        }
        assert_eq!(parsed(&format!("{spec} -j DROP")), None);
        assert_eq!(parsed(&format!("! {spec}")), None);
        assert_eq!(parsed(&format!("-i eth0 {spec}")), None);
    }

    #[test]
    fn a_hostile_name_cannot_leave_its_word() {
        let long = "x".repeat(255);
        for name in
            ["", "\"", "a b", "a\nb", "--dport", "$(id)`id`'\\", "x\" -j DROP\n[0:0] -A INPUT", &long, "ü"]
        {
            let rule = rule(name);
            let spec = rule.spec();
            assert!(!spec.contains(['\n', '$', '`', '\'', '\\']), "{spec}");
            assert_eq!(spec.matches('"').count(), 2, "{spec}");
            assert!(rule.comment().len() <= LONGEST_COMMENT);
            assert_eq!(parsed(&spec), Some(rule));
        }
        let carried = Tally { packets: u64::MAX, bytes: u64::MAX };
        let longest = Rule::new(rule("").key, &long, rule("").address, at(0), carried);
        assert_eq!(longest.comment().len(), LONGEST_COMMENT);
    }
}
