//! A filter table that does what `iptables-restore` is told, and that packets can be sent through.
//!
//! It does only what plans ask for. That the real programs do the same was compared by hand, on both variants.

use std::collections::BTreeMap;
use std::net::IpAddr;

use dtraf_common::abi::Family;

use crate::source::iptables::plan::Plan;
use crate::source::iptables::standing::{Presets, Standing, Table};
use crate::source::rules::{Tally, family_of};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) family: Family,
    pub(super) presets: Presets,
    pub(super) chains: BTreeMap<String, Vec<Rule>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) counter: Tally,
    pub(super) spec: String,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// Protocol, source port, destination port.
    pub(super) ports: (&'static str, u16, u16),
    pub(super) bytes: u64,
}

/// What a packet met.
#[derive(Debug, Default)]
pub(super) struct Met {
    /// Rules that were compared with it.
    pub(super) rules: usize,
    /// Specs of those without target that it matched.
    pub(super) counters: Vec<String>,
}

impl Model {
    /// As Docker makes it.
    pub(super) fn new(family: Family, presets: Presets) -> Self {
        let mut model = Self { family, presets, chains: BTreeMap::new() };
        model.chain("FORWARD").push(Rule::of("-j DOCKER-USER"));
        model.chain("DOCKER-USER").push(Rule::of("-j RETURN"));
        model
    }

    pub(super) fn chain(&mut self, name: &str) -> &mut Vec<Rule> {
        self.chains.entry(name.to_owned()).or_default()
    }

    pub(super) fn save(&self) -> String {
        let declared = self.chains.keys().map(|chain| format!(":{chain} - [0:0]\n"));
        let rules = self.chains.iter().flat_map(|(chain, rules)| {
            rules.iter().map(move |Rule { counter, spec }| {
                format!("[{}:{}] -A {chain} {spec}\n", counter.packets, counter.bytes)
            })
        });
        ["*filter\n".to_owned()]
            .into_iter()
            .chain(declared)
            .chain(rules)
            .chain(["COMMIT\n".to_owned()])
            .collect()
    }

    pub(super) fn standing(&self) -> Standing {
        let table = Some(Table::parse(&self.save(), self.family, self.presets));
        match self.family {
            Family::V4 => Standing { v4: table, v6: None },
            Family::V6 => Standing { v4: None, v6: table },
        }
    }

    /// All or nothing.
    pub(super) fn carry_out(&mut self, plan: &Plan) {
        if let Some(script) = plan.script(self.family) {
            self.restore(&script);
        }
    }

    pub(super) fn restore(&mut self, script: &str) {
        let mut lines = script.lines();
        assert_eq!(lines.next(), Some("*filter"));
        for line in lines.by_ref().take_while(|line| *line != "COMMIT") {
            self.command(line).unwrap_or_else(|| panic!("`{line}` fails in\n{}", self.save()));
        }
        assert_eq!(lines.next(), None, "nothing comes behind COMMIT");
    }

    fn command(&mut self, line: &str) -> Option<()> {
        if let Some(declared) = line.strip_prefix(':') {
            let name = declared.strip_suffix(" - [0:0]")?;
            assert!(name.len() <= 28);
            self.chains.insert(name.to_owned(), Vec::new());
            return Some(());
        }
        let (counter, line) = match line.strip_prefix('[') {
            Some(line) => {
                line.split_once("] ").map(|(counter, line)| (super::super::rule::tally(counter), line))?
            }
            None => (Some(Tally::default()), line),
        };
        let counter = if self.presets == Presets::Kept { counter? } else { Tally::default() };
        let (command, rest) = line.split_once(' ')?;
        let (chain, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let rule = |spec: &str| Rule { counter, spec: spec.to_owned() };
        if let Some(target) = target(rest) {
            assert!(
                ["RETURN", "ACCEPT", "DROP"].contains(&target) || self.chains.contains_key(target),
                "{target} is not there yet"
            );
        }
        match command {
            "-A" => self.chains.get_mut(chain)?.push(rule(rest)),
            "-I" => {
                let (number, spec) = rest.split_once(' ')?;
                let rules = self.chains.get_mut(chain)?;
                let index =
                    number.parse::<usize>().ok()?.checked_sub(1).filter(|index| *index <= rules.len())?;
                rules.insert(index, rule(spec));
            }
            "-D" => {
                let rules = self.chains.get_mut(chain)?;
                let index = rules.iter().position(|rule| rule.spec == rest)?;
                rules.remove(index);
            }
            "-X" => {
                let is_used = self.chains.values().flatten().any(|rule| target(&rule.spec) == Some(chain));
                return self.chains.remove(chain).filter(|rules| rules.is_empty() && !is_used).map(|_| ());
            }
            "-Z" => {
                let index = rest.parse::<usize>().ok()?.checked_sub(1)?;
                self.chains.get_mut(chain)?.get_mut(index)?.counter = Tally::default();
            }
            _ => return None,
        }
        Some(())
    }

    /// Forwards a packet.
    pub(super) fn send(&mut self, packet: Packet) -> Met {
        let mut met = Met::default();
        self.walk("FORWARD", packet, &mut met, 0);
        met
    }

    /// Whether the packet's way ends here.
    fn walk(&mut self, chain: &str, packet: Packet, met: &mut Met, depth: usize) -> bool {
        assert!(depth < 200, "a loop");
        for index in 0..self.chains.get(chain).map_or(0, Vec::len) {
            let rule = &mut self.chain(chain)[index];
            met.rules += 1;
            if !packet.matches(&rule.spec) {
                continue;
            }
            rule.counter = rule.counter + Tally { packets: 1, bytes: packet.bytes };
            let spec = rule.spec.clone();
            match target(&spec) {
                None => met.counters.push(spec),
                Some("RETURN") => return false,
                Some("DROP" | "ACCEPT") => return true,
                Some(next) => {
                    let is_over = self.walk(next, packet, met, depth + 1);
                    if is_over || spec.contains("-g ") {
                        return is_over;
                    }
                }
            }
        }
        false
    }
}

impl Rule {
    pub(super) fn of(spec: &str) -> Self {
        Self { counter: Tally::default(), spec: spec.to_owned() }
    }
}

impl Packet {
    pub(super) fn new(source: IpAddr, destination: IpAddr, ports: (&'static str, u16, u16)) -> Self {
        assert_eq!(family_of(source), family_of(destination));
        Self { source, destination, ports, bytes: 100 }
    }

    fn matches(&self, spec: &str) -> bool {
        let words = spec.split(" --comment ").next().unwrap();
        let words: Vec<&str> = words.split(' ').collect();
        let (protocol, source, destination) = self.ports;
        let within = |prefix: &str, address| prefix.parse::<ipnet::IpNet>().unwrap().contains(&address);
        words.windows(2).all(|pair| match pair[0] {
            "-s" => within(pair[1], self.source),
            "-d" => within(pair[1], self.destination),
            "-p" => pair[1] == protocol,
            "--sport" => pair[1] == source.to_string(),
            "--dport" => pair[1] == destination.to_string(),
            _ => true,
        })
    }
}

fn target(spec: &str) -> Option<&str> {
    let (_, target) = spec.rsplit_once("-j ").or_else(|| spec.rsplit_once("-g "))?;
    Some(target)
}
