//! Effects of other people's rules: whether every packet that meets one goes on to the next line.
//!
//! A rule that may end a packet's way hides it from all rules below. Nothing is assumed of matches: one that could hold for
//! some packet does. Targets that are not known to let packets go on are taken for verdicts.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::chain::{DOCKER_USER, FORWARD};

/// Targets of extensions after which a packet goes on to the next rule.
const PASSING: [&str; 29] = [
    "AUDIT",
    "CHECKSUM",
    "CLASSIFY",
    "CONNMARK",
    "CONNSECMARK",
    "CT",
    "DSCP",
    "ECN",
    "HL",
    "HMARK",
    "IDLETIMER",
    "LED",
    "LOG",
    "MARK",
    "NFLOG",
    "NOTRACK",
    "RATEEST",
    "SECMARK",
    "SET",
    "TCPMSS",
    "TCPOPTSTRIP",
    "TEE",
    "TOS",
    "TRACE",
    "TTL",
    "ULOG",
    "ACCOUNT",
    "DNETMAP",
    "SYSRQ",
];

/// Possible fates of the packets that meet a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effect {
    /// All of them go on to the next line.
    Passes,
    /// Some may not.
    MayEnd,
    /// None does.
    Ends,
}

/// The way of forwarded packets to `DOCKER-USER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// All do.
    Open,
    /// Some may not, because of this rule.
    Hidden(Verdict),
    /// None does.
    Closed,
}

/// A rule of somebody else's that keeps packets from those behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Verdict {
    pub(crate) chain: String,
    /// As iptables numbers it, from 1.
    pub(crate) number: usize,
    /// As it stands behind the chain's name.
    pub(crate) spec: String,
}

/// A rule as it was printed.
#[derive(Debug)]
pub(super) struct Printed<'a> {
    pub(super) words: Vec<String>,
    pub(super) spec: &'a str,
}

/// Every chain of a table with all of its rules.
#[derive(Debug, Default)]
pub(super) struct Chains<'a> {
    pub(super) rules: BTreeMap<&'a str, Vec<Printed<'a>>>,
    effects: RefCell<BTreeMap<String, Effect>>,
}

/// Destination of the packets that a rule matches.
struct Target<'a> {
    name: &'a str,
    is_goto: bool,
    /// It matches every packet.
    is_always: bool,
}

impl Chains<'_> {
    /// Effect of a rule on packets that are to reach the lines below it in the same chain.
    pub(super) fn effect(&self, words: &[String]) -> Effect {
        let Some(target) = Target::of(words) else { return Effect::Passes };
        let at_all = match self.rules.contains_key(target.name) {
            // Its end is the end of the chain that it stands in.
            true if target.is_goto => Effect::Ends,
            true => self.through(target.name),
            false if PASSING.contains(&target.name) => Effect::Passes,
            false => Effect::Ends,
        };
        if target.is_always { at_all } else { at_all.min(Effect::MayEnd) }
    }

    /// Effect of a whole chain on packets that are to come back from it.
    fn through(&self, chain: &str) -> Effect {
        if let Some(known) = self.effects.borrow().get(chain) {
            return *known;
        }
        // The kernel takes no loop; text may hold one.
        self.effects.borrow_mut().insert(chain.to_owned(), Effect::MayEnd);
        let effect = self.walk(chain);
        self.effects.borrow_mut().insert(chain.to_owned(), effect);
        effect
    }

    fn walk(&self, chain: &str) -> Effect {
        let mut so_far = Effect::Passes;
        let mut some_left = false;
        for rule in self.rules.get(chain).into_iter().flatten() {
            let Some(target) = Target::of(&rule.words) else { continue };
            let is_return = target.name == "RETURN";
            let effect = match self.rules.contains_key(target.name) {
                true => self.through(target.name),
                false if is_return || PASSING.contains(&target.name) => Effect::Passes,
                false => Effect::Ends,
            };
            let leaves = is_return || target.is_goto;
            if target.is_always && (leaves || effect == Effect::Ends) {
                return if effect == Effect::Ends && !some_left {
                    effect
                } else {
                    so_far.max(effect.min(Effect::MayEnd))
                };
            }
            some_left |= leaves;
            so_far = so_far.max(effect.min(Effect::MayEnd));
        }
        so_far
    }

    /// Follows forwarded packets to `DOCKER-USER`.
    pub(super) fn way(&self) -> Way {
        self.way_through(FORWARD, &mut BTreeSet::new())
    }

    fn way_through<'s>(&'s self, chain: &'s str, seen: &mut BTreeSet<&'s str>) -> Way {
        let mut hidden = None;
        if !seen.insert(chain) {
            return Way::Closed;
        }
        let mut leads_for_some = false;
        for (number, rule) in (1..).zip(self.rules.get(chain).into_iter().flatten()) {
            let Some(target) = Target::of(&rule.words) else { continue };
            let verdict = || Verdict { chain: chain.to_owned(), number, spec: rule.spec.replace('\n', " ") };
            let way = if target.name == DOCKER_USER {
                Way::Open
            } else if self.rules.contains_key(target.name) {
                self.way_through(target.name, seen)
            } else {
                Way::Closed
            };
            match way {
                Way::Open if target.is_always => return hidden.map_or(Way::Open, Way::Hidden),
                Way::Hidden(inner) if target.is_always => return Way::Hidden(hidden.unwrap_or(inner)),
                Way::Open | Way::Hidden(_) => {
                    leads_for_some = true;
                    hidden.get_or_insert_with(verdict);
                }
                Way::Closed if self.effect(&rule.words) != Effect::Passes => {
                    hidden.get_or_insert_with(verdict);
                }
                Way::Closed => {}
            }
        }
        hidden.filter(|_| leads_for_some).map_or(Way::Closed, Way::Hidden)
    }
}

impl<'a> Target<'a> {
    /// `None` for a rule that only counts.
    fn of(words: &'a [String]) -> Option<Self> {
        let mut rest = words;
        let mut is_always = true;
        loop {
            match rest {
                [match_option, comment, option, _, more @ ..]
                    if [match_option.as_str(), comment, option] == ["-m", "comment", "--comment"] =>
                {
                    rest = more;
                }
                [jump, name, ..] if jump == "-j" || jump == "-g" => {
                    return Some(Self { name, is_goto: jump == "-g", is_always });
                }
                [_, more @ ..] => {
                    is_always = false;
                    rest = more;
                }
                [] => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chains<'a>(rules: &[(&'a str, &'a str)]) -> Chains<'a> {
        let mut chains = Chains::default();
        for (chain, spec) in rules {
            let printed = Printed { words: shlex::split(spec).unwrap(), spec };
            chains.rules.entry(chain).or_default().push(printed);
        }
        chains
    }

    fn effect(spec: &str) -> Effect {
        let chains = chains(&[
            ("EMPTY", "-p tcp"),
            ("LOGS", "-j LOG --log-prefix \"x: \""),
            ("LOGS", "-j RETURN"),
            ("LOGS", "-j DROP"),
            ("SOME", "-p udp -j REJECT --reject-with icmp-port-unreachable"),
            ("ALL", "-j EMPTY"),
            ("ALL", "-j ACCEPT"),
            ("RETURNS", "-p tcp -j RETURN"),
            ("RETURNS", "-j DROP"),
            ("NESTED", "-j LOGS"),
            ("NESTED", "-j SOME"),
            ("GOES", "-g EMPTY"),
            ("GOES", "-j DROP"),
            ("GOES-ALL", "-p tcp -g ALL"),
            ("LOOP", "-j LOOP"),
        ]);
        chains.effect(&shlex::split(spec).unwrap())
    }

    #[test]
    fn a_rule_hides_when_some_packet_may_not_come_past_it() {
        use Effect::{Ends, MayEnd, Passes};
        for (spec, expected) in [
            ("-s 10.0.0.1/32", Passes),
            ("-s 10.0.0.1/32 -m comment --comment \"-j DROP\"", Passes),
            ("-j LOG", Passes),
            ("-j MARK --set-xmark 0x1/0xffffffff", Passes),
            ("-j EMPTY", Passes),
            ("-j LOGS", Passes),
            ("-j GOES", Passes),
            ("-m state --state RELATED,ESTABLISHED -j ACCEPT", MayEnd),
            ("-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", MayEnd),
            ("-i eth0 -j RETURN", MayEnd),
            ("-s 203.0.113.0/24 -j DROP", MayEnd),
            ("-p tcp -j REJECT --reject-with tcp-reset", MayEnd),
            ("-p tcp -j NFQUEUE --queue-num 1", MayEnd),
            ("-p tcp -j SOMETHING-NEW", MayEnd),
            ("-j SOME", MayEnd),
            ("-j NESTED", MayEnd),
            ("-j RETURNS", MayEnd),
            ("-j GOES-ALL", MayEnd),
            ("-j LOOP", MayEnd),
            ("-p tcp -j ALL", MayEnd),
            ("-p tcp -g EMPTY", MayEnd),
            ("-g EMPTY", Ends),
            ("-j ALL", Ends),
            ("-j RETURN", Ends),
            ("-j REJECT --reject-with icmp-port-unreachable", Ends),
            ("-m comment --comment \"all of it\" -j ACCEPT", Ends),
        ] {
            assert_eq!(effect(spec), expected, "{spec}");
        }
    }

    #[test]
    fn all_forwarded_packets_come_to_docker_user_only_by_a_jump_that_no_verdict_precedes() {
        let way = |rules: &[(&str, &str)]| {
            let declared = [("DOCKER-USER", "-j RETURN"), ("LOGS", "-j LOG")];
            chains(&[&declared[..], rules].concat()).way()
        };
        let hidden = |chain: &str, number, spec: &str| {
            Way::Hidden(Verdict { chain: chain.to_owned(), number, spec: spec.to_owned() })
        };
        let jump = ("FORWARD", "-j DOCKER-USER");
        let state = "-m state --state RELATED,ESTABLISHED -j ACCEPT";
        assert_eq!(way(&[]), Way::Closed);
        assert_eq!(way(&[jump]), Way::Open);
        assert_eq!(way(&[("FORWARD", "-j LOGS"), ("FORWARD", "-p tcp"), jump]), Way::Open);
        assert_eq!(way(&[("FORWARD", "-p tcp"), ("FORWARD", state), jump]), hidden("FORWARD", 2, state));
        assert_eq!(way(&[("FORWARD", "-j ACCEPT"), jump]), hidden("FORWARD", 1, "-j ACCEPT"));
        let some = "-i eth0 -j DOCKER-USER";
        assert_eq!(way(&[("FORWARD", some), ("FORWARD", "-j ACCEPT")]), hidden("FORWARD", 1, some));
        assert_eq!(way(&[("FORWARD", "-j A"), ("A", "-j DOCKER-USER")]), Way::Open);
        assert_eq!(
            way(&[("FORWARD", "-j A"), ("A", "-p udp -j RETURN"), ("A", "-j DOCKER-USER")]),
            hidden("A", 1, "-p udp -j RETURN")
        );
        assert_eq!(way(&[("FORWARD", "-j A"), ("A", "-j A")]), Way::Closed);
    }
}
