//! Two containers of one network: one sends forged frames, the other one is to pay for them.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::container::{Container, ContainerSpec};
use crate::deadline::eventually;
use crate::firewall::Tally;
use crate::frames::{Frame, ICMP, Mac, ip, mac};
use crate::lab::Lab;
use crate::place::Place;

/// Port of frames that nobody answers ([`Sink`]).
pub const DISCARD: u16 = 9;

/// Two containers of a network that has IPv6, too.
#[derive(Debug)]
pub struct Neighbours<'a> {
    pub sender: Container<'a>,
    pub receiver: Container<'a>,
    pub network: String,
    pub sender_mac: Mac,
    pub receiver_mac: Mac,
}

impl<'a> Neighbours<'a> {
    /// Starts them on a network of their own, which is named after them. The receiver is started with `option`s.
    pub fn start(lab: &'a Lab, name: &str, options: &[&str]) -> Result<Self> {
        let network = network_with_v6(lab, name)?;
        let sender = lab.container(&format!("{name}-sender")).network(&network).with_sender()?.start()?;
        let receiver = lab.container(&format!("{name}-receiver")).network(&network);
        let receiver = options.iter().fold(receiver, |spec, option| spec.option(option));
        Self::of(sender, receiver, network)
    }

    fn of(sender: Container<'a>, receiver: ContainerSpec<'a>, network: String) -> Result<Self> {
        let receiver = receiver.start()?;
        for container in [&sender, &receiver] {
            settled(&container.place()?)?;
        }
        let (sender_mac, receiver_mac) = (sender.mac()?, receiver.mac()?);
        Ok(Self { sender, receiver, network, sender_mac, receiver_mac })
    }

    /// The receiver's address of the family of `other`.
    pub fn receiver_address(&self, other: IpAddr) -> Result<IpAddr> {
        address_like(&self.receiver, &self.network, other)
    }

    /// A frame to the receiver that names `source` as the sender of its packet.
    pub fn frame(&self, source: IpAddr, protocol: u8, payload: &[u8]) -> Result<Frame> {
        let packet = ip(source, self.receiver_address(source)?, protocol, payload);
        Ok(Frame::ip(self.receiver_mac, self.sender_mac, &packet))
    }
}

/// A container's address on a network, of the family of `other`.
pub fn address_like(container: &Container<'_>, network: &str, other: IpAddr) -> Result<IpAddr> {
    if other.is_ipv4() { container.address(network) } else { container.address_v6(network) }
}

/// Makes a network with both families. Its name tells its IPv6 addresses, and each test has a network of its own.
pub fn network_with_v6(lab: &Lab, name: &str) -> Result<String> {
    let sum = name.bytes().fold(0_u16, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let subnet = format!("--subnet=fd00:dead:{sum:x}::/64");
    lab.docker(&["network", "create", "--ipv6", &subnet, name])?;
    Ok(name.to_owned())
}

/// Waits until a place's IPv6 addresses are usable: duplicate detection has ended, and its frames are under way no more.
pub fn settled(place: &Place) -> Result<()> {
    eventually("the IPv6 addresses", Duration::from_secs(20), || {
        let tentative = place.run("ip", &["-6", "address", "show", "tentative"])?;
        Ok(tentative.trim().is_empty().then_some(()))
    })
}

/// The MAC address of the bridge that a container's way out leads to.
pub fn bridge_mac(container: &Container<'_>, network: &str) -> Result<Mac> {
    let inspected = container.inspect()?;
    let gateway = inspected["NetworkSettings"]["Networks"][network]["Gateway"].as_str();
    let gateway = gateway.context("a gateway")?;
    container.exec(&["ping", "-c", "1", gateway])?;
    let neighbours = container.place()?.run("ip", &["neighbour", "show", gateway])?;
    let address = neighbours.split_whitespace().skip_while(|word| *word != "lladdr").nth(1);
    mac(address.context("the bridge's address")?)
}

/// The link that is a network's bridge.
pub fn bridge_link(lab: &Lab, network: &str) -> Result<String> {
    let id = lab.docker(&["network", "inspect", "--format={{.Id}}", network])?;
    Ok(format!("br-{}", id.trim().get(..12).context("a network's number")?))
}

/// The MAC address of a link. Asked of netlink: `/sys` may be that of another network.
pub fn link_mac(place: &Place, link: &str) -> Result<Mac> {
    let text = place.run("ip", &["-oneline", "link", "show", "dev", link])?;
    let address = text.split_whitespace().skip_while(|word| *word != "link/ether").nth(1);
    mac(address.with_context(|| format!("the MAC address of {link}"))?)
}

/// Takes what comes for the port [`DISCARD`] and echo requests before the stack sees them, and counts them: so nothing is
/// answered. Dropping it ends that.
#[derive(Debug)]
pub struct Sink {
    place: Place,
}

/// Comment of the rule that takes what is not counted.
const REST: &str = "the-rest";
const PROGRAMS: [&str; 2] = ["iptables", "ip6tables"];

impl Sink {
    pub fn open(container: &Container<'_>) -> Result<Self> {
        let sink = Self { place: container.place()? };
        for program in PROGRAMS {
            for rule in rules(program) {
                sink.place.run(program, &[&["-w", "-t", "raw", "-A", "PREROUTING"], &rule[..]].concat())?;
            }
        }
        Ok(sink)
    }

    /// One that takes all else as well, uncounted: nothing that comes is answered, however odd.
    pub fn of_everything(container: &Container<'_>) -> Result<Self> {
        let sink = Self::open(container)?;
        for program in PROGRAMS {
            let all =
                ["-w", "-t", "raw", "-A", "PREROUTING", "-m", "comment", "--comment", REST, "-j", "DROP"];
            sink.place.run(program, &all)?;
        }
        Ok(sink)
    }

    /// What it has taken: packets, and bytes from the IP header on.
    pub fn taken(&self) -> Result<Tally> {
        let mut taken = Tally::default();
        for program in PROGRAMS {
            let list = self.place.run(program, &["-w", "-t", "raw", "-vnxL", "PREROUTING"])?;
            for line in list.lines().filter(|line| line.contains("DROP") && !line.contains(REST)) {
                let mut numbers = line.split_whitespace().map(str::parse::<u64>);
                let (packets, bytes) = numbers.next().zip(numbers.next()).context("a rule's counters")?;
                taken.packets += packets?;
                taken.bytes += bytes?;
            }
        }
        Ok(taken)
    }

    /// Demands that it has taken so much.
    pub fn has(&self, packets: u64, bytes: u64) -> Result<()> {
        let taken = self.taken()?;
        ensure!(
            (taken.packets, taken.bytes) == (packets, bytes),
            "{taken:?}, not {packets} of {bytes} bytes"
        );
        Ok(())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        for program in PROGRAMS {
            // It goes with the container's network, too.
            drop(self.place.run(program, &["-w", "-t", "raw", "-F", "PREROUTING"]));
        }
    }
}

/// Which packets it takes.
fn rules(program: &str) -> [[&'static str; 6]; 3] {
    let is_v4 = program == PROGRAMS[0];
    let echo = if is_v4 {
        ["-p", "icmp", "--icmp-type", "echo-request", "-j", "DROP"]
    } else {
        ["-p", "icmpv6", "--icmpv6-type", "echo-request", "-j", "DROP"]
    };
    [["-p", "udp", "--dport", "9", "-j", "DROP"], ["-p", "tcp", "--dport", "9", "-j", "DROP"], echo]
}

/// The protocol of echo requests in the family of an address.
pub fn echo_protocol(address: IpAddr) -> u8 {
    if address.is_ipv4() { ICMP } else { crate::frames::ICMPV6 }
}
