//! Which of the host's interfaces are network cards, and what they have carried.
//!
//! Asked of `/proc` and `/sys`: while the kernel takes namespaces down, netlink keeps everybody waiting who asks for a link.
//! Refuses to change anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketType, netdevice, socket};

use crate::accounting::amount::PerDirection;
use crate::accounting::card::{CardReading, Carried, First};
use crate::accounting::identity::{IfIndex, Timestamp};

/// Of the network that the calling thread is in.
const NET: &str = "/proc/thread-self/net";
const CLASS: &str = "/sys/class/net";

#[derive(Debug, thiserror::Error)]
pub(crate) enum CardsError {
    #[error("read {path} for what network cards have carried")]
    Read { path: PathBuf, source: io::Error },
    #[error("open a socket for the numbers of network cards")]
    Socket(#[source] io::Error),
}

/// What was read first of each.
#[derive(Debug, Default)]
pub(crate) struct Cards {
    first: BTreeMap<IfIndex, First>,
}

impl Cards {
    /// What all of them say now.
    pub(crate) fn read(&mut self, now: Timestamp) -> Result<Vec<CardReading>, CardsError> {
        let net = Path::new(NET);
        let counters = counters(&text(&net.join("dev"))?);
        let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)
            .map_err(|errno| CardsError::Socket(errno.into()))?;
        let index = |name: &str| netdevice::name_to_index(&socket, name).ok().and_then(NonZeroU32::new);
        let class = Class { path: Path::new(CLASS), index: &index };
        let mut names: BTreeSet<&str> =
            counters.keys().map(String::as_str).filter(|name| class.is_card(name)).collect();
        let routes;
        if names.is_empty() {
            routes = default_routes(&text(&net.join("route"))?, &v6_routes(net)?);
            names.extend(routes.iter().map(String::as_str));
        }
        // One that is gone since has no number any more.
        let there = names.into_iter().filter_map(|name| Some((name, *counters.get(name)?, index(name)?)));
        let reading = |(name, carried, number): (&str, _, _)| {
            let ifindex = IfIndex(number);
            let first = *self.first.entry(ifindex).or_insert(First { at: now, carried });
            CardReading { name: name.to_owned(), ifindex, carried, first }
        };
        Ok(there.map(reading).collect())
    }
}

/// What `/sys` says of interfaces.
struct Class<'a> {
    path: &'a Path,
    index: &'a dyn Fn(&str) -> Option<NonZeroU32>,
}

impl Class<'_> {
    /// It has a device behind it, lies on no other interface, and no other card counts for it: a virtual machine's card may have
    /// a faster one below it whose traffic is its own, too.
    fn is_card(&self, name: &str) -> bool {
        let own = self.path.join(name);
        let number = |file: &str| fs::read_to_string(own.join(file)).ok()?.trim().parse::<u32>().ok();
        let has_device = |own: &Path| own.join("device").exists();
        let is_below_another = || {
            let master = fs::read_link(own.join("master")).ok();
            master
                .and_then(|path| Some(self.path.join(path.file_name()?)))
                .is_some_and(|path| has_device(&path))
        };
        // A `/sys` of another network may have other interfaces of the same names.
        let is_ours = || number("ifindex") == (self.index)(name).map(NonZeroU32::get);
        has_device(&own) && is_ours() && number("iflink") == number("ifindex") && !is_below_another()
    }
}

fn text(path: &Path) -> Result<String, CardsError> {
    fs::read_to_string(path).map_err(|source| CardsError::Read { path: path.to_owned(), source })
}

/// A host without IPv6 has no such file.
fn v6_routes(net: &Path) -> Result<String, CardsError> {
    match text(&net.join("ipv6_route")) {
        Err(CardsError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

/// `/proc/net/dev`: two lines of titles, then eight numbers received and eight transmitted.
fn counters(text: &str) -> BTreeMap<String, PerDirection<Carried>> {
    let counters = |line: &str| {
        let (name, numbers) = line.rsplit_once(':')?;
        let numbers: Vec<u64> = numbers.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
        let carried =
            |first: usize| Some(Carried { bytes: *numbers.get(first)?, packets: *numbers.get(first + 1)? });
        Some((name.trim().to_owned(), PerDirection { rx: carried(0)?, tx: carried(8)? }))
    };
    text.lines().skip(2).filter_map(counters).collect()
}

/// A route that refuses what is sent there (`RTF_REJECT`).
const REJECT: u32 = 0x200;

/// The interfaces of default routes, by `/proc/net/route` and `/proc/net/ipv6_route`.
fn default_routes(v4: &str, v6: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let flags = |text: &str| u32::from_str_radix(text, 16).unwrap_or(REJECT);
    for line in v4.lines().skip(1) {
        let words: Vec<_> = line.split_whitespace().collect();
        if let [name, "00000000", _, bits, _, _, _, "00000000", ..] = words[..]
            && flags(bits) & REJECT == 0
        {
            names.insert(name.to_owned());
        }
    }
    for line in v6.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        if let [to, "00", _, "00", _, _, _, _, bits, name] = words[..]
            && to.bytes().all(|digit| digit == b'0')
            && flags(bits) & REJECT == 0
            && name != "lo"
        {
            names.insert(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn counters_are_read_whatever_a_name_has_in_it() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes    packets errs drop\n    lo:     270       3    0    0    0     0 \
                    0         0      270       3    0    0    0     0       0          0\n eth0:1:99 7 0 0 0 0 0 0 18446744073709551615 \
                    5 0 0 0 0 0 0\n";
        let read = counters(text);
        let carried = |bytes, packets| Carried { bytes, packets };
        assert_eq!(read["lo"], PerDirection { rx: carried(270, 3), tx: carried(270, 3) });
        assert_eq!(read["eth0:1"], PerDirection { rx: carried(99, 7), tx: carried(u64::MAX, 5) });
    }

    #[test]
    fn default_routes_are_those_to_everywhere_that_lead_somewhere() {
        let v4 = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
                  ens3\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                  tun0\t00000000\t0100000A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n\
                  no\t00000000\t0100000A\t0201\t0\t0\t0\t00000000\t0\t0\t0\n";
        let zero = "0".repeat(32);
        let v6 = format!(
            "{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     ens4\n\
             {zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n\
             20010db8000000000000000000000000 20 {zero} 00 {zero} 00000400 00000001 00000000 00000003     ens5\n"
        );
        assert_eq!(default_routes(v4, &v6), BTreeSet::from(["ens3", "ens4"].map(str::to_owned)));
        assert!(default_routes("", "").is_empty());
    }

    #[test]
    fn a_card_has_a_device_and_counts_for_itself() {
        let directory = tempfile::tempdir().unwrap();
        let make = |name: &str, index: u32, link: u32, device: bool, master: Option<&str>| {
            let own = directory.path().join(name);
            fs::create_dir(&own).unwrap();
            fs::write(own.join("ifindex"), format!("{index}\n")).unwrap();
            fs::write(own.join("iflink"), format!("{link}\n")).unwrap();
            if device {
                fs::create_dir(own.join("device")).unwrap();
            }
            if let Some(master) = master {
                symlink(format!("../{master}"), own.join("master")).unwrap();
            }
        };
        make("eth0", 2, 2, true, None);
        make("bond0", 3, 3, false, None);
        make("eth1", 4, 4, true, Some("bond0"));
        make("veth1", 5, 2, false, None);
        make("lan1", 6, 2, true, None);
        make("vf", 7, 7, true, Some("eth0"));
        make("other", 8, 8, true, None);
        let numbers =
            [("eth0", 2), ("bond0", 3), ("eth1", 4), ("veth1", 5), ("lan1", 6), ("vf", 7), ("other", 9)];
        let index = |name: &str| numbers.iter().find(|it| it.0 == name).and_then(|it| NonZeroU32::new(it.1));
        let class = Class { path: directory.path(), index: &index };
        let cards: Vec<_> = numbers.iter().map(|it| it.0).filter(|name| class.is_card(name)).collect();
        assert_eq!(cards, ["eth0", "eth1"]);
    }

    #[test]
    fn what_was_read_first_stays() {
        let mut cards = Cards::default();
        let at = crate::accounting::fixtures::at;
        let before = cards.read(at(0)).unwrap();
        let after = cards.read(at(10)).unwrap();
        for (one, other) in before.iter().zip(&after) {
            assert_eq!((one.first, one.first.at, one.ifindex), (other.first, at(0), other.ifindex));
            assert!(other.carried.since(&one.carried).is_some());
        }
    }
}
