//! The list of rules as one line of JSON. `docs/json.md` describes it.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::Serialize;

use super::Listing;
use crate::accounting::inventory::PortNumber;
use crate::source::iptables::standing::Listed;
use crate::source::iptables::verdict::Verdict;
use crate::source::rules::Matched;
use crate::source::rules::set::Hiding;
use crate::view::{json, names};

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    taken_at: String,
    taken_at_unix_ns: u64,
    programs: &'a [String],
    hiding: Vec<HidingObject<'a>>,
    rules: Vec<RuleObject<'a>>,
}

/// Somebody else's rule that may keep packets from dtraf's.
#[derive(Serialize)]
struct HidingObject<'a> {
    family: &'static str,
    chain: &'a str,
    number: usize,
    spec: &'a str,
}

#[derive(Serialize)]
struct RuleObject<'a> {
    family: &'static str,
    chain: &'a str,
    number: usize,
    spec: &'a str,
    container_id: String,
    name: &'a str,
    address: IpAddr,
    direction: &'static str,
    protocol: Option<Cow<'static, str>>,
    port: Option<u16>,
    life: &'static str,
    since: String,
    since_unix_ns: u64,
    packets: u64,
    bytes: u64,
}

pub(super) fn render(listing: &Listing) -> String {
    json::line(&Document {
        version: json::VERSION,
        taken_at: names::rfc3339(listing.taken_at),
        taken_at_unix_ns: listing.taken_at.unix_ns(),
        programs: &listing.programs,
        hiding: listing.hiding.iter().map(HidingObject::of).collect(),
        rules: listing.rules.iter().map(RuleObject::of).collect(),
    })
}

impl<'a> HidingObject<'a> {
    fn of(Hiding { family, verdict }: &'a Hiding) -> Self {
        let Verdict { chain, number, spec } = verdict;
        Self { family: names::family(*family), chain, number: *number, spec }
    }
}

impl<'a> RuleObject<'a> {
    fn of(rule: &'a Listed) -> Self {
        let counted = &rule.counted;
        let port = match counted.key.matched {
            Matched::All => None,
            Matched::Port(number) => Some(number),
        };
        Self {
            family: names::family(counted.key.family),
            chain: &rule.chain,
            number: rule.number,
            spec: &rule.spec,
            container_id: counted.key.container.to_string(),
            name: &counted.name,
            address: counted.address,
            direction: names::direction(counted.key.direction),
            protocol: port.map(|PortNumber { protocol, .. }| names::protocol(protocol)),
            port: port.map(|PortNumber { port, .. }| port),
            life: names::life(counted.life),
            since: names::rfc3339(counted.since),
            since_unix_ns: counted.since.unix_ns(),
            packets: counted.tally.packets,
            bytes: counted.tally.bytes,
        }
    }
}
