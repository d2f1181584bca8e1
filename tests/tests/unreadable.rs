//! IP packets whose headers end early, go on for long or say what is not so: each has a scope and IP bytes all the same.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::{audited, counting, scope_since};
use dtraf_tests::frames::{Frame, Mac, SHORTEST_FRAME, TCP, UDP, chained, ip, tcp, udp, v4, v4_with, v6};
use dtraf_tests::ledger::Ledger;
use dtraf_tests::neighbours::{DISCARD, Sink, bridge_mac, link_mac, network_with_v6, settled};
use dtraf_tests::report::Figures;
use dtraf_tests::statements::agreeing;
use dtraf_tests::{Capture, Container, Dtraf, Outside, Shared, Veth};
use rustix::process::Signal;

const INTERNET: &str = "203.0.113.9";
const INTERNET_V6: &str = "2001:db8:9::9";
const COUNT: u32 = 10;

/// A container that sends frames to its bridge, and gets them by the host's end of its interface.
struct Bench<'a> {
    dtraf: &'a Dtraf<'a>,
    container: Container<'a>,
    veth: Veth,
    network: String,
    mac: Mac,
    bridge: Mac,
    sink: Sink,
    /// What was not counted as it should.
    wrong: RefCell<Vec<String>>,
}

impl<'a> Bench<'a> {
    fn start(lab: &'a Shared, dtraf: &'a Dtraf<'a>, name: &str) -> Result<Self> {
        let network = network_with_v6(lab, name)?;
        let container = lab.container(name).network(&network).with_sender()?.start()?;
        settled(&container.place()?)?;
        let (veth, mac, bridge) = (container.veth()?, container.mac()?, bridge_mac(&container, &network)?);
        let sink = Sink::of_everything(&container)?;
        audited(dtraf, &container)?;
        Ok(Self { dtraf, container, veth, network, mac, bridge, sink, wrong: RefCell::default() })
    }

    fn v4(&self) -> Result<Ipv4Addr> {
        let IpAddr::V4(address) = self.container.address(&self.network)? else { unreachable!() };
        Ok(address)
    }

    fn v6(&self) -> Result<Ipv6Addr> {
        let IpAddr::V6(address) = self.container.address_v6(&self.network)? else { unreachable!() };
        Ok(address)
    }

    /// Has a frame come in some times, and another one go out, and demands that all of it is in the scope of their addresses,
    /// with the IP bytes given.
    fn both_ways(&self, lab: &Shared, name: &str, packets: [&[u8]; 2], ip_bytes: Option<u64>) -> Result<()> {
        let [inbound, outbound] = packets;
        let inbound = Frame::ip(self.mac, self.bridge, inbound);
        let outbound = Frame::ip(self.bridge, self.mac, outbound);
        let lengths = (inbound.length(), outbound.length());
        let before = audited(self.dtraf, &self.container)?;
        lab.host().send_frames(&self.veth.name, &[inbound.times(COUNT)])?.all()?;
        self.container.send_frames(&[outbound.times(COUNT)])?.all()?;
        let after = audited(self.dtraf, &self.container).with_context(|| name.to_owned())?;
        let moved = scope_since(&before, &after, "internet");
        for (direction, amount, length) in [("rx", moved.rx, lengths.0), ("tx", moved.tx, lengths.1)] {
            let count = u64::from(COUNT);
            let expected = (count * length, count, ip_bytes.map(|bytes| count * bytes));
            let ip_bytes = ip_bytes.map(|_| amount.ip_bytes.max(amount.skb_ip_bytes));
            let found = (amount.wire_bytes, amount.packets, ip_bytes);
            if found != expected || ip_bytes.is_some() && amount.ip_bytes != amount.skb_ip_bytes {
                let text = format!("{name}, {direction}: in internet {amount:?}, not {expected:?}");
                self.wrong.borrow_mut().push(text);
            }
        }
        Ok(())
    }

    fn verdict(&self) -> Result<()> {
        let wrong = self.wrong.borrow();
        ensure!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
        Ok(())
    }

    /// An IPv6 packet of each direction.
    fn both_v6(&self, next: u8, payload: &[u8]) -> Result<[Vec<u8>; 2]> {
        let (own, other) = (self.v6()?, INTERNET_V6.parse()?);
        Ok([v6(other, own, next, payload), v6(own, other, next, payload)])
    }

    /// An IPv4 packet of each direction.
    fn both_v4(&self, payload: &[u8], change: impl Fn(&mut [u8])) -> Result<[Vec<u8>; 2]> {
        let (own, other) = (self.v4()?, INTERNET.parse()?);
        Ok([v4_with(other, own, UDP, payload, &change), v4_with(own, other, UDP, payload, &change)])
    }
}

fn length(bytes: &[u8]) -> Option<u64> {
    u64::try_from(bytes.len()).ok()
}

fn slices(packets: &[Vec<u8>; 2]) -> [&[u8]; 2] {
    [&packets[0], &packets[1]]
}

#[test]
fn a_long_chain_of_extension_headers_from_outside_is_in_the_scope_of_its_source() -> Result<()> {
    let lab = Shared::fresh()?;
    let (dtraf, ledger) = (Dtraf::new(&lab)?, Ledger::new()?);
    let mut running = counting(&dtraf, &[&ledger.option(), "--flush=1s"])?;
    let network = network_with_v6(&lab, "chains")?;
    let container = lab.container("chains").network(&network).option("--expose=9/udp").start()?;
    let sink = Sink::open(&container)?;
    settled(&container.place()?)?;
    let outside = lab.outside().place();
    let host = link_mac(lab.host(), Outside::HOST_LINK)?;
    let own = link_mac(outside, Outside::LINK)?;
    let mut wrong = Vec::new();
    let mut before = audited(&dtraf, &container)?;
    for count in [0, 1, 7, 8, 9, 20, 100] {
        let (next, payload) = chained(count, UDP, &udp(7, DISCARD, 200));
        let packet = ip(Outside::V6, container.address_v6(&network)?, next, &payload);
        let taken = sink.taken()?;
        let frame = Frame::ip(host, own, &packet);
        let bytes = frame.length();
        outside.send_frames(Outside::LINK, &[frame.times(COUNT)])?.all()?;
        let arrived = sink.taken()? - taken;
        // The judge: the container's own firewall reads through the chain, as its sockets do.
        ensure!(arrived.bytes == u64::from(COUNT) * (bytes - 14), "{count} headers: arrived {arrived:?}");
        match audited(&dtraf, &container) {
            Ok(after) => {
                let moved = scope_since(&before, &after, "internet").rx;
                if (moved.ip_bytes, moved.skb_ip_bytes) != (arrived.bytes, arrived.bytes) {
                    wrong.push(format!("{count} headers: {moved:?} of {arrived:?}"));
                }
                before = after;
            }
            Err(error) => {
                wrong.push(format!("{count} headers, {arrived:?}: {error:#}"));
                break;
            }
        }
    }
    running.process.stop(Signal::TERM, std::time::Duration::from_secs(20))?.success()?;
    if let Err(error) = agreeing(&dtraf, &ledger) {
        wrong.push(format!("{error:#}"));
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    ensure!(ledger.total("chains")?.rx == before.total.rx, "{:?}", before.total.rx);
    Ok(())
}

#[test]
fn extension_headers_cut_short_and_unknown_ones_have_a_scope_and_ip_bytes() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let bench = Bench::start(&lab, &dtraf, "cut-v6")?;
    for next in [50, 59, 134, 135, 139, 140, 253, 255] {
        let packets = bench.both_v6(next, &[0; 24])?;
        bench.both_ways(&lab, &format!("next header {next}"), slices(&packets), length(&packets[0]))?;
    }
    for chain in [9, 20] {
        let (next, payload) = chained(chain, TCP, &tcp(7, DISCARD, 0x10, 30));
        let packets = bench.both_v6(next, &payload)?;
        bench.both_ways(&lab, &format!("{chain} headers"), slices(&packets), length(&packets[0]))?;
    }
    // A header that says that it is longer than the packet.
    let packets = bench.both_v6(60, &[17, 200, 1, 4, 0, 0, 0, 0])?;
    bench.both_ways(&lab, "an endless header", slices(&packets), length(&packets[0]))?;
    let (next, payload) = chained(3, UDP, &udp(7, DISCARD, 8));
    for kept in 0..payload.len() {
        let packets = bench.both_v6(next, &payload[..kept])?;
        bench.both_ways(&lab, &format!("cut after {kept} bytes"), slices(&packets), length(&packets[0]))?;
    }
    bench.verdict()
}

#[test]
fn ipv4_with_lengths_that_are_not_so_has_a_scope_and_ip_bytes() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let bench = Bench::start(&lab, &dtraf, "cut-v4")?;
    let datagram = udp(7, DISCARD, 92);
    let whole = length(&datagram).map(|payload| 20 + payload);
    for words in 0..=15_u8 {
        let packets = bench.both_v4(&datagram, |header| header[0] = 0x40 | words)?;
        bench.both_ways(&lab, &format!("a header of {words} words"), slices(&packets), whole)?;
    }
    for words in [6_u8, 15] {
        let packets = bench.both_v4(&[], |header| header[0] = 0x40 | words)?;
        bench.both_ways(&lab, &format!("{words} words, none there"), slices(&packets), Some(20))?;
    }
    // What a length says that cannot be is not believed, neither more than there is nor less than a header.
    for total in [0_u16, 1, 19, 121, 1_500, 65_535] {
        let packets =
            bench.both_v4(&datagram, |header| header[2..4].copy_from_slice(&total.to_be_bytes()))?;
        bench.both_ways(&lab, &format!("a total length of {total}"), slices(&packets), whole)?;
    }
    for kept in 0..8 {
        let packets = bench.both_v4(&datagram[..kept], |_| {})?;
        bench.both_ways(&lab, &format!("{kept} bytes of UDP"), slices(&packets), length(&packets[0]))?;
    }
    for fragment in [0x2000_u16, 0x0001, 0x3fff, 0x1fff] {
        let packets =
            bench.both_v4(&datagram, |header| header[6..8].copy_from_slice(&fragment.to_be_bytes()))?;
        bench.both_ways(&lab, &format!("fragment {fragment:#x}"), slices(&packets), whole)?;
    }
    bench.verdict()
}

#[test]
fn padding_of_a_frame_is_no_ip_bytes() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let bench = Bench::start(&lab, &dtraf, "padded")?;
    let before = audited(&dtraf, &bench.container)?;
    let capture = Capture::start(&bench.container.place()?, "eth0", "udp dst port 9")?;
    let datagram = udp(7, DISCARD, 1);
    let packets = [
        v4(INTERNET.parse()?, bench.v4()?, UDP, &datagram),
        v6(INTERNET_V6.parse()?, bench.v6()?, UDP, &datagram),
    ];
    let taken = bench.sink.taken()?;
    for packet in &packets {
        let frame = Frame::ip(bench.mac, bench.bridge, packet).padded(SHORTEST_FRAME + 20);
        lab.host().send_frames(&bench.veth.name, &[frame.times(COUNT)])?.all()?;
    }
    let after = audited(&dtraf, &bench.container)?;
    let (arrived, captured) = (bench.sink.taken()? - taken, capture.finish()?);
    let moved = scope_since(&before, &after, "internet").rx;
    ensure!((moved.wire_bytes, moved.packets) == (captured.bytes, captured.frames), "{moved:?}");
    // The firewall behind the interface counts what IP says.
    ensure!(
        (moved.ip_bytes, moved.skb_ip_bytes) == (arrived.bytes, arrived.bytes),
        "{moved:?} of {arrived:?}"
    );
    Ok(())
}

#[test]
fn sources_that_are_nobodys_are_in_totals_as_they_are_in_ports() -> Result<()> {
    let lab = Shared::fresh()?;
    let (dtraf, ledger) = (Dtraf::new(&lab)?, Ledger::new()?);
    let mut running = counting(&dtraf, &[&ledger.option(), "--flush=1s"])?;
    let bench = Bench::start(&lab, &dtraf, "nobodys")?;
    let mut wrong = Vec::new();
    let mut last: Option<Figures> = None;
    for source in ["0.0.0.0", "0.0.0.1", "0.255.255.255", "::", "::2", "::ffff:8.8.8.8"] {
        let source: IpAddr = source.parse()?;
        let own = if source.is_ipv4() { bench.v4()?.into() } else { bench.v6()?.into() };
        let datagram = udp(7, DISCARD, 100);
        let inbound = Frame::ip(bench.mac, bench.bridge, &ip(source, own, UDP, &datagram));
        let outbound = Frame::ip(bench.bridge, bench.mac, &ip(own, source, UDP, &datagram));
        lab.host().send_frames(&bench.veth.name, &[inbound.times(COUNT)])?.all()?;
        bench.container.send_frames(&[outbound.times(COUNT)])?.all()?;
        match audited(&dtraf, &bench.container) {
            Ok(figures) => last = Some(figures),
            Err(error) => {
                wrong.push(format!("{source}: {error:#}"));
                break;
            }
        }
    }
    running.process.stop(Signal::TERM, std::time::Duration::from_secs(20))?.success()?;
    if let Err(error) = agreeing(&dtraf, &ledger) {
        wrong.push(format!("{error:#}"));
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    let last = last.context("figures")?;
    ensure!(ledger.total("nobodys")?.rx == last.total.rx, "{:?}", last.total.rx);
    Ok(())
}
