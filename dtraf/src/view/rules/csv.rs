//! The list of rules as comma-separated values (RFC 4180), with a line of titles. Empty where there is no value.

use super::Listing;
use crate::source::iptables::standing::Listed;
use crate::source::rules::Matched;
use crate::view::names;

const TITLES: [&str; 13] = [
    "family",
    "chain",
    "number",
    "container",
    "container_id",
    "address",
    "direction",
    "protocol",
    "port",
    "life",
    "since",
    "packets",
    "bytes",
];

pub(super) fn render(listing: &Listing) -> String {
    const IN_MEMORY: &str = "values are written to memory";
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(TITLES).expect(IN_MEMORY);
    for rule in &listing.rules {
        writer.write_record(record(rule)).expect(IN_MEMORY);
    }
    String::from_utf8(writer.into_inner().expect(IN_MEMORY)).expect("all values are text")
}

fn record(rule: &Listed) -> [String; TITLES.len()] {
    let counted = &rule.counted;
    let (protocol, port) = match counted.key.matched {
        Matched::All => (String::new(), String::new()),
        Matched::Port(number) => (names::protocol(number.protocol).into_owned(), number.port.to_string()),
    };
    [
        names::family(counted.key.family).to_owned(),
        rule.chain.clone(),
        rule.number.to_string(),
        counted.name.clone(),
        counted.key.container.to_string(),
        counted.address.to_string(),
        names::direction(counted.key.direction).to_owned(),
        protocol,
        port,
        names::life(counted.life).to_owned(),
        names::second(counted.since),
        counted.tally.packets.to_string(),
        counted.tally.bytes.to_string(),
    ]
}
