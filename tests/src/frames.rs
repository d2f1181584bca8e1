//! Ethernet frames byte by byte: builds what no ordinary socket sends, and sends it from a [`Place`] or a [`Container`].
//!
//! [`Container`]: crate::Container

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::place::{Place, feed};

pub type Mac = [u8; 6];

pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const ICMP: u8 = 1;
pub const ICMPV6: u8 = 58;
/// Next header values of IPv6.
pub const HOP_BY_HOP: u8 = 0;
pub const DESTINATION_OPTIONS: u8 = 60;
pub const ETHERTYPE_IPV4: u16 = 0x0800;
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Shortest Ethernet frame on a wire, without its checksum.
pub const SHORTEST_FRAME: usize = 60;
/// A customer's and a provider's VLAN tag.
pub const TAG: [u8; 4] = [0x81, 0, 0, 5];
pub const PROVIDER_TAG: [u8; 4] = [0x88, 0xa8, 0, 7];

/// Parses an address as `/sys/class/net/*/address` has it.
pub fn mac(text: &str) -> Result<Mac> {
    let octets: Vec<u8> = text
        .trim()
        .split(':')
        .map(|octet| u8::from_str_radix(octet, 16))
        .collect::<Result<_, _>>()
        .with_context(|| format!("read the MAC address {text:?}"))?;
    octets.try_into().ok().context("a MAC address has six octets")
}

/// One IP packet or something else, with all in front of it.
#[derive(Debug, Clone)]
pub struct Frame {
    pub bytes: Vec<u8>,
    /// Where the packet begins.
    pub network_offset: usize,
}

impl Frame {
    pub fn new(destination: Mac, source: Mac, ethertype: u16, packet: &[u8]) -> Self {
        let bytes = [&destination[..], &source, &ethertype.to_be_bytes(), packet].concat();
        Self { bytes, network_offset: 14 }
    }

    /// A frame with an IP packet, of the family that the packet's first nibble says.
    pub fn ip(destination: Mac, source: Mac, packet: &[u8]) -> Self {
        let is_v6 = packet.first().is_some_and(|first| first >> 4 == 6);
        Self::new(destination, source, if is_v6 { ETHERTYPE_IPV6 } else { ETHERTYPE_IPV4 }, packet)
    }

    /// The same with VLAN tags in front of its type, the outermost first.
    #[must_use]
    pub fn tagged(mut self, tags: &[[u8; 4]]) -> Self {
        let tags = tags.concat();
        self.network_offset += tags.len();
        drop(self.bytes.splice(12..12, tags));
        self
    }

    /// The same with zeros at its end, as a network card fills it up.
    #[must_use]
    pub fn padded(mut self, length: usize) -> Self {
        self.bytes.resize(self.bytes.len().max(length), 0);
        self
    }

    /// The same without its end.
    #[must_use]
    pub fn cut(mut self, length: usize) -> Self {
        self.bytes.truncate(length);
        self
    }

    /// Its length as an amount.
    pub fn length(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or(u64::MAX)
    }

    /// Sends it `count` times.
    pub fn times(self, count: u32) -> Sending {
        Sending { count, offload: None, frame: self.bytes }
    }

    /// Sends it `count` times, and lets the kernel cut each after the headers into segments of `size` bytes.
    pub fn times_cut(self, count: u32, kind: Offload, headers: usize, size: u16) -> Sending {
        let transport = headers - kind.header_bytes();
        let start = u16::try_from(self.network_offset + transport).unwrap_or(u16::MAX);
        let hdr_len = u16::try_from(self.network_offset + headers).unwrap_or(u16::MAX);
        // The checksum is left to the device, as for whatever is to be cut (`include/uapi/linux/virtio_net.h`).
        let mut header = vec![1, kind as u8];
        for word in [hdr_len, size, start, kind.checksum_offset()] {
            header.extend(word.to_ne_bytes());
        }
        Sending { count, offload: Some(header), frame: self.bytes }
    }
}

/// How the kernel cuts a frame: `gso_type` of a `virtio_net_hdr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offload {
    TcpV4 = 1,
    TcpV6 = 4,
    Udp = 5,
}

impl Offload {
    const fn header_bytes(self) -> usize {
        if matches!(self, Self::Udp) { 8 } else { 20 }
    }

    const fn checksum_offset(self) -> u16 {
        if matches!(self, Self::Udp) { 6 } else { 16 }
    }
}

/// A frame to be sent a number of times.
#[derive(Debug, Clone)]
pub struct Sending {
    pub count: u32,
    offload: Option<Vec<u8>>,
    pub frame: Vec<u8>,
}

/// How many frames the sender's kernel took, and how many it refused as invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct SendingResult {
    pub sent: u64,
    pub refused: u64,
}

impl SendingResult {
    /// Demands that none was refused, and returns how many there were.
    pub fn all(self) -> Result<u64> {
        anyhow::ensure!(self.refused == 0, "the kernel refused {} of the frames", self.refused);
        Ok(self.sent)
    }
}

impl Place {
    /// Sends frames by a link of this place.
    pub fn send_frames(&self, link: &str, frames: &[Sending]) -> Result<SendingResult> {
        let tool = self.tool.clone();
        send_frames(self.command(tool).args(["frames", link]), frames)
    }
}

/// Hands frames to a `dtraf-lab frames` that is to be started.
pub(crate) fn send_frames(command: &mut Command, frames: &[Sending]) -> Result<SendingResult> {
    let mut lines = String::new();
    for Sending { count, offload, frame } in frames {
        let header = offload.as_deref().map_or_else(|| "-".to_owned(), hex);
        lines.extend([&count.to_string(), " ", &header, " ", &hex(frame), "\n"]);
    }
    let answer = feed(command, &lines, "dtraf-lab frames")?;
    serde_json::from_str(answer.trim()).with_context(|| format!("read dtraf-lab's answer {answer:?}"))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// An IP packet: of IPv6, unless both addresses are of IPv4.
pub fn ip(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => v4(source, destination, protocol, payload),
        _ => v6(as_v6(source), as_v6(destination), protocol, payload),
    }
}

fn as_v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// An IPv4 packet without options, with a right checksum.
pub fn v4(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    v4_with(source, destination, protocol, payload, |_| {})
}

/// The same with the header changed before its checksum is made.
pub fn v4_with(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    payload: &[u8],
    change: impl FnOnce(&mut [u8]),
) -> Vec<u8> {
    let total = u16::try_from(20 + payload.len()).unwrap_or(0);
    let mut header = vec![0x45, 0];
    header.extend(total.to_be_bytes());
    header.extend([0, 7, 0, 0, 64, protocol, 0, 0]);
    header.extend(source.octets());
    header.extend(destination.octets());
    change(&mut header);
    let words = header.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    let checksum = !u16::try_from(sum).unwrap_or(0);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    [&header[..], payload].concat()
}

pub fn v6(source: Ipv6Addr, destination: Ipv6Addr, next: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(0);
    let mut header = vec![0x60, 0, 0, 0];
    header.extend(length.to_be_bytes());
    header.extend([next, 64]);
    header.extend(source.octets());
    header.extend(destination.octets());
    header.extend(payload);
    header
}

/// A datagram without a checksum.
pub fn udp(source: u16, destination: u16, payload: usize) -> Vec<u8> {
    let length = u16::try_from(8 + payload).unwrap_or(0);
    let mut datagram = [source, destination, length, 0].map(u16::to_be_bytes).concat();
    datagram.resize(8 + payload, b'x');
    datagram
}

pub const SYN: u8 = 0x02;
pub const ACK: u8 = 0x10;

/// A TCP segment without options and without a checksum.
pub fn tcp(source: u16, destination: u16, flags: u8, payload: usize) -> Vec<u8> {
    let mut segment = [source, destination].map(u16::to_be_bytes).concat();
    segment.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.resize(20 + payload, b'x');
    segment
}

/// An echo request of ICMP or, with `next` [`ICMPV6`], of `ICMPv6`; without a checksum.
pub fn echo_request(next: u8, payload: usize) -> Vec<u8> {
    let mut message = vec![if next == ICMPV6 { 128 } else { 8 }, 0, 0, 0, 0, 1, 0, 1];
    message.resize(8 + payload, b'x');
    message
}

/// A chain of destination options, each of 8 bytes, before a payload of the kind `last`: the next header value that leads to
/// it, and its bytes.
pub fn chained(count: usize, last: u8, payload: &[u8]) -> (u8, Vec<u8>) {
    let mut bytes = Vec::new();
    for at in 1..=count {
        let next = if at == count { last } else { DESTINATION_OPTIONS };
        // One option that pads six bytes.
        bytes.extend([next, 0, 1, 4, 0, 0, 0, 0]);
    }
    bytes.extend(payload);
    (if count == 0 { last } else { DESTINATION_OPTIONS }, bytes)
}
