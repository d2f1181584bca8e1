//! Accounts and who had which address, as text.

use std::net::IpAddr;

use serde::Serialize;

use super::json::line as one_line;
use super::listing::{in_columns, seconds, text};
use super::names::rfc3339;
use super::neutral::neutral;
use super::statement::csv::{cell, written};
use super::statement::table::civil;
use super::statement::{Format, Look, moment};
use super::table::layout::{Cell, Line, Tone};
use crate::accounting::history::register::{Account, Held, Lease, Tenant};
use crate::accounting::history::zones::Zones;
use crate::accounting::identity::Timestamp;
use crate::accounting::statement::period::Range;

const VERSION: u32 = 1;

#[derive(Serialize)]
struct Register<'a> {
    version: u32,
    accounts: Vec<AccountObject<'a>>,
}

#[derive(Serialize)]
struct AccountObject<'a> {
    name: &'a str,
    since: String,
    keys: &'a [String],
    containers: Vec<ContainerObject<'a>>,
    former_containers: u64,
}

#[derive(Serialize)]
struct ContainerObject<'a> {
    id: String,
    name: Option<&'a str>,
    is_there: bool,
    since: Option<String>,
    until: Option<String>,
    addresses: Vec<LeaseObject<'a>>,
}

#[derive(Serialize)]
struct LeaseObject<'a> {
    address: &'a str,
    network: &'a str,
    since: String,
    until: Option<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    version: u32,
    address: IpAddr,
    from: String,
    to: String,
    tenants: Vec<TenantObject<'a>>,
}

#[derive(Serialize)]
struct TenantObject<'a> {
    account: &'a str,
    id: String,
    name: Option<&'a str>,
    network: &'a str,
    since: String,
    until: Option<String>,
}

/// All accounts, as text that ends with a line feed.
pub(crate) fn list(accounts: &[Account], look: &Look, zones: &Zones) -> String {
    match look.format {
        Format::Table => {
            let columns = [
                text("ACCOUNT", Some(10), None),
                text("SINCE", None, Some(1)),
                text("KEYS", Some(8), Some(2)),
                text("CONTAINER", Some(10), None),
                text("ID", None, Some(3)),
                text("ADDRESS", None, None),
                text("FROM", None, None),
                text("UNTIL", None, None),
            ];
            in_columns(&columns, &accounts.iter().flat_map(|it| rows(it, zones)).collect::<Vec<_>>(), look)
        }
        Format::Json => {
            one_line(&Register { version: VERSION, accounts: accounts.iter().map(object).collect() })
        }
        Format::Csv => {
            let titles = [
                "account",
                "account_since",
                "keys",
                "container",
                "id",
                "is_there",
                "address",
                "network",
                "since",
                "until",
            ];
            written(&titles, accounts.iter().flat_map(records))
        }
    }
}

/// What is said where nobody had an address.
pub(crate) fn nobody(address: IpAddr, time: Range, zones: &Zones) -> String {
    format!(
        "nobody is known to have had {address} {}; `dtraf account list` has all addresses",
        said(time, zones)
    )
}

/// Who had an address, as text that ends with a line feed.
pub(crate) fn who(address: IpAddr, time: Range, tenants: &[Tenant], look: &Look, zones: &Zones) -> String {
    match look.format {
        Format::Table => {
            let columns = [
                text("ACCOUNT", Some(10), None),
                text("CONTAINER", Some(10), None),
                text("ID", None, None),
                text("NETWORK", Some(8), Some(1)),
                text("FROM", None, None),
                text("UNTIL", None, None),
            ];
            let row = |tenant: &Tenant| {
                let Tenant { lease, id, account, name } = tenant;
                let (from, until) = times(Some(lease.since), lease.until, zones);
                line([
                    neutral(account).into_owned(),
                    called(name.as_deref()),
                    id.to_short(),
                    neutral(&lease.network).into_owned(),
                    from,
                    until,
                ])
            };
            in_columns(&columns, &tenants.iter().map(row).collect::<Vec<_>>(), look)
        }
        Format::Json => one_line(&Answer {
            version: VERSION,
            address,
            from: moment(time.from, zones),
            to: moment(time.to, zones),
            tenants: tenants.iter().map(tenant_object).collect(),
        }),
        Format::Csv => {
            let record = |Tenant { lease, id, account, name }: &Tenant| {
                let mut record =
                    vec![field(account), field(name.as_deref().unwrap_or_default()), id.to_string()];
                record.extend(lease_fields(lease));
                record
            };
            let titles = ["account", "container", "id", "address", "network", "since", "until"];
            written(&titles, tenants.iter().map(record))
        }
    }
}

fn said(Range { from, to }: Range, zones: &Zones) -> String {
    if to == from + 1 {
        format!("at {}", civil(from, zones))
    } else {
        format!("from {} to {}", civil(from, zones), civil(to, zones))
    }
}

fn object(account: &Account) -> AccountObject<'_> {
    AccountObject {
        name: &account.name,
        since: rfc3339(account.since),
        keys: &account.keys,
        containers: account.containers.iter().map(container_object).collect(),
        former_containers: account.former,
    }
}

fn container_object(held: &Held) -> ContainerObject<'_> {
    let Held { id, name, since, until, is_there, addresses } = held;
    ContainerObject {
        id: id.to_string(),
        name: name.as_deref(),
        is_there: *is_there,
        since: since.map(rfc3339),
        until: until.map(rfc3339),
        addresses: addresses.iter().map(lease_object).collect(),
    }
}

fn tenant_object(tenant: &Tenant) -> TenantObject<'_> {
    let Tenant { lease, id, account, name } = tenant;
    let Lease { network, since, until, .. } = lease;
    TenantObject {
        account,
        id: id.to_string(),
        name: name.as_deref(),
        network,
        since: rfc3339(*since),
        until: until.map(rfc3339),
    }
}

fn lease_object(lease: &Lease) -> LeaseObject<'_> {
    let Lease { address, network, since, until } = lease;
    LeaseObject { address, network, since: rfc3339(*since), until: until.map(rfc3339) }
}

/// A line for each address of each container. What a line shares with the one before it is named once.
fn rows(account: &Account, zones: &Zones) -> Vec<Line> {
    let keys = account.keys.iter().map(|key| neutral(key).into_owned()).collect();
    let mut first = vec![
        Cell::Text(neutral(&account.name).into_owned()),
        Cell::Text(civil(seconds(account.since), zones)),
        Cell::List(keys),
    ];
    let mut lines = Vec::new();
    for held in &account.containers {
        let mut container = [called(held.name.as_deref()), held.id.to_short()];
        for (address, since, until) in leases(held) {
            let blank = || vec![Cell::Text(String::new()); 3];
            let mut cells = std::mem::replace(&mut first, blank());
            let (from, until) = times(since, until, zones);
            cells.extend(std::mem::take(&mut container).map(Cell::Text));
            cells.extend([address.to_owned(), from, until].map(Cell::Text));
            lines.push(Line { cells, remark: None, tone: Tone::Plain });
        }
    }
    if account.former > 0 {
        let mut cells = std::mem::replace(&mut first, vec![Cell::Text(String::new()); 3]);
        cells.push(Cell::Text(format!("({} former)", account.former)));
        cells.extend(std::iter::repeat_n(Cell::Text("-".to_owned()), 4));
        lines.push(Line { cells, remark: None, tone: Tone::Plain });
    }
    if lines.is_empty() {
        first.extend(std::iter::repeat_n(Cell::Text("-".to_owned()), 5));
        lines.push(Line { cells: first, remark: None, tone: Tone::Plain });
    }
    lines
}

/// A container without an address has one line all the same.
fn leases(held: &Held) -> Vec<(&str, Option<Timestamp>, Option<Timestamp>)> {
    if held.addresses.is_empty() {
        return vec![("-", held.since, held.until)];
    }
    held.addresses.iter().map(|lease| (lease.address.as_str(), Some(lease.since), lease.until)).collect()
}

fn records(account: &Account) -> Vec<Vec<String>> {
    let beginning = vec![field(&account.name), rfc3339(account.since), field(&account.keys.join(" "))];
    let mut records = Vec::new();
    for held in &account.containers {
        let mut container = beginning.clone();
        container.extend([
            field(held.name.as_deref().unwrap_or_default()),
            held.id.to_string(),
            held.is_there.to_string(),
        ]);
        let time = |at: Option<Timestamp>| at.map_or_else(String::new, rfc3339);
        if held.addresses.is_empty() {
            let none = [String::new(), String::new(), time(held.since), time(held.until)];
            records.push([container.clone(), none.to_vec()].concat());
        }
        for lease in &held.addresses {
            records.push([container.clone(), lease_fields(lease).to_vec()].concat());
        }
    }
    if records.is_empty() {
        records.push([beginning, vec![String::new(); 7]].concat());
    }
    records
}

fn lease_fields(lease: &Lease) -> [String; 4] {
    let Lease { address, network, since, until } = lease;
    [field(address), field(network), rfc3339(*since), until.map_or_else(String::new, rfc3339)]
}

/// A name in a spreadsheet.
fn field(name: &str) -> String {
    cell(neutral(name).into_owned())
}

fn called(name: Option<&str>) -> String {
    name.map_or_else(|| "-".to_owned(), |name| neutral(name).into_owned())
}

/// From when, and until when: `now` while it lasts.
fn times(since: Option<Timestamp>, until: Option<Timestamp>, zones: &Zones) -> (String, String) {
    let civil = |at| civil(seconds(at), zones);
    let Some(since) = since else { return ("-".to_owned(), "-".to_owned()) };
    (civil(since), until.map_or_else(|| "now".to_owned(), civil))
}

fn line<const N: usize>(cells: [String; N]) -> Line {
    Line { cells: cells.map(Cell::Text).into(), remark: None, tone: Tone::Plain }
}

#[cfg(test)]
mod tests;
