//! What firewall rules count otherwise than the interface does, in figures: fragments, padding, forged sources, and verdicts
//! of other base chains.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use dtraf_tests::books::counting;
use dtraf_tests::firewall::{Tally, Witness, at_rest, ruling, wait_for_rules};
use dtraf_tests::report::Both;
use dtraf_tests::traffic::Datagrams;
use dtraf_tests::{Container, Dtraf, Lab, Outside, Place, Shared, eventually};

/// Counters of every backend that counts by rules.
const BACKENDS: [(&str, &[&str]); 3] =
    [("iptables", &[]), ("iptables", &["--literal-rules=0"]), ("nft", &[])];

fn total(
    dtraf: &Dtraf<'_>,
    backend: &str,
    name: &str,
    witness: &Witness,
) -> Result<(Both<Tally>, Both<Tally>)> {
    let (seen, report) = at_rest(dtraf, backend, || witness.seen())?;
    Ok((report.total(name)?.with_context(|| format!("{name} is counted"))?, seen))
}

/// Waits until a container has rules that count.
fn counted(lab: &Lab, backend: &str, container: &Container<'_>) -> Result<()> {
    if backend == "iptables" {
        return wait_for_rules(lab.host(), &[container.address("bridge")?]);
    }
    eventually("a counter", Duration::from_secs(20), || {
        let table = lab.host().run("nft", &["list", "table", "ip", "dtraf"])?;
        Ok(table.contains(container.id()).then_some(()))
    })
}

#[test]
fn rules_count_a_datagram_as_one_packet_where_the_interface_carries_its_fragments() -> Result<()> {
    const COUNT: u64 = 25;
    // 5,000 bytes and a UDP header, behind one IP header, or in pieces of 1,480 and 568 bytes with one each.
    const WHOLE: u64 = 20 + 8 + 5_000;
    const PIECES: u64 = 4;
    let lab = Lab::start()?;
    let dtraf = Dtraf::new(&lab)?;
    // Nothing that IPv6 says of its own.
    let silence = "for file in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 >$file; done";
    lab.host().run("sh", &["-c", silence])?;
    for (at, (backend, options)) in BACKENDS.into_iter().enumerate() {
        let ebpf = counting(&dtraf, &["--backend=ebpf"])?;
        let (rules, _) = ruling(&dtraf, backend, options)?;
        let name = format!("pieces{at}");
        let quiet = "--sysctl=net.ipv6.conf.all.disable_ipv6=1";
        let container = lab.container(&name).option(quiet).publish("5320:53/udp").start()?;
        let _server = container.place()?.serve_udp(53)?;
        counted(&lab, backend, &container)?;
        let witness = Witness::of_address(lab.host(), container.address("bridge")?)?;
        let veth = container.veth()?;
        let before = (veth.counters()?, total(&dtraf, "ebpf", &name, &witness)?.0);
        let datagrams = Datagrams { echoed: true, ..Datagrams::new(u32::try_from(COUNT)?, 5_000) };
        lab.outside().place().udp(SocketAddr::new(Outside::HOST_V4, 5320), &datagrams)?;

        let (by_rules, seen) = total(&dtraf, backend, &name, &witness)?;
        let whole = Tally { packets: COUNT, bytes: COUNT * WHOLE };
        assert_eq!(by_rules, Both { rx: whole, tx: whole }, "{backend} {options:?}");
        assert_eq!(seen, by_rules, "{backend} {options:?}");
        let by_program = total(&dtraf, "ebpf", &name, &witness)?.0.since(before.1);
        let carried = veth.counters()?.since(&before.0);
        for (program, rules, packets) in [
            (by_program.rx, by_rules.rx, carried.received.packets),
            (by_program.tx, by_rules.tx, carried.transmitted.packets),
        ] {
            // A few frames more are ARP.
            ensure!((COUNT * PIECES..COUNT * PIECES + 10).contains(&packets), "{carried:?}");
            assert_eq!(program.packets - rules.packets, packets - COUNT, "{backend}: frames and packets");
            let arp = packets - COUNT * PIECES;
            let headers = COUNT * (PIECES - 1) * 20;
            // Behind the Ethernet header ARP has 28 bytes, which are none of IP.
            let more = program.bytes - rules.bytes;
            ensure!(
                more == headers || more == headers + 28 * arp,
                "{backend}: {program:?} and {rules:?} with {arp} frames of ARP"
            );
        }
        drop((ebpf, rules));
        dtraf.run(&["uninstall", "--yes"])?;
    }
    Ok(())
}

/// A UDP datagram of `payload` bytes, padded to the least that Ethernet carries.
fn datagram(macs: ([u8; 6], [u8; 6]), addresses: (IpAddr, IpAddr), payload: u8) -> Result<Vec<u8>> {
    let (IpAddr::V4(source), IpAddr::V4(destination)) = addresses else { bail!("IPv4 only") };
    let total = 28 + u16::from(payload);
    let mut header = vec![0x45, 0];
    header.extend(total.to_be_bytes());
    header.extend([0, 1, 0x40, 0, 64, 17, 0, 0]);
    header.extend(source.octets());
    header.extend(destination.octets());
    let sum: u32 = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16))?;
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    let mut frame = [&macs.1[..], &macs.0, &[8, 0], &header].concat();
    frame.extend([0x9c, 0x40, 0x23, 0x28]);
    frame.extend((8 + u16::from(payload)).to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(vec![b'x'; usize::from(payload)]);
    frame.resize(frame.len().max(60), 0);
    Ok(frame)
}

fn mac(place: &Place, link: &str) -> Result<[u8; 6]> {
    let shown = place.run("ip", &["-o", "link", "show", "dev", link])?;
    let mut words = shown.split_whitespace().skip_while(|word| *word != "link/ether");
    let text = words.nth(1).with_context(|| shown.clone())?;
    let octets: Vec<u8> =
        text.split(':').map(|octet| u8::from_str_radix(octet, 16)).collect::<Result<_, _>>()?;
    octets.try_into().ok().context("six octets")
}

#[test]
fn rules_count_what_the_ip_header_says_of_a_padded_frame() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    for (at, (backend, options)) in BACKENDS.into_iter().enumerate() {
        let (rules, _) = ruling(&dtraf, backend, options)?;
        let name = format!("padded{at}");
        let container = lab.container(&name).start()?;
        counted(&lab, backend, &container)?;
        let witness = Witness::of_address(lab.host(), container.address("bridge")?)?;
        let (place, veth) = (container.place()?, container.veth()?);
        let macs = (mac(&place, &veth.inside)?, mac(lab.host(), "docker0")?);
        let frame = datagram(macs, (container.address("bridge")?, Outside::V4), 1)?;
        assert_eq!(frame.len(), 60);
        place.send_frame(&veth.inside, &frame, 100)?;
        let (said, seen) = total(&dtraf, backend, &name, &witness)?;
        assert_eq!(said.tx, Tally { packets: 100, bytes: 100 * 29 }, "{backend}");
        assert_eq!(said.tx, seen.tx, "{backend}");
        drop(rules);
        dtraf.run(&["uninstall", "--yes"])?;
    }
    Ok(())
}

#[test]
fn a_forged_source_counts_for_the_container_whose_address_it_is_and_is_told_as_a_blind_spot() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    for (at, (backend, options)) in BACKENDS.into_iter().enumerate() {
        let (rules, report) = ruling(&dtraf, backend, options)?;
        ensure!(report.blind_spots.iter().any(|spot| spot.kind == "forged_source"), "{report:?}");
        let names = [format!("forger{at}"), format!("victim{at}")];
        let forger = lab.container(&names[0]).start()?;
        let victim = lab.container(&names[1]).start()?;
        for container in [&forger, &victim] {
            counted(&lab, backend, container)?;
        }
        let witnesses =
            [&forger, &victim].map(|container| Witness::of_address(lab.host(), container.address("bridge")?));
        let [of_forger, of_victim] = witnesses;
        let (of_forger, of_victim) = (of_forger?, of_victim?);
        let (place, veth) = (forger.place()?, forger.veth()?);
        let before = (veth.counters()?, victim.veth()?.counters()?);
        let macs = (mac(&place, &veth.inside)?, mac(lab.host(), "docker0")?);
        let frame = datagram(macs, (victim.address("bridge")?, Outside::V4), 100)?;
        place.send_frame(&veth.inside, &frame, 1_000)?;
        let (of_victim, _) = total(&dtraf, backend, &names[1], &of_victim)?;
        let (of_forger, _) = total(&dtraf, backend, &names[0], &of_forger)?;
        assert_eq!(of_victim.tx, Tally { packets: 1_000, bytes: 128_000 }, "{backend}");
        assert_eq!(of_forger.tx, Tally::default(), "{backend}");
        // The interfaces know better.
        let sent = veth.counters()?.since(&before.0).transmitted;
        ensure!(sent.packets >= 1_000 && sent.bytes >= 142_000, "{sent:?}");
        let innocent = victim.veth()?.counters()?.since(&before.1).transmitted;
        ensure!(innocent.packets < 20, "{innocent:?}");
        drop(rules);
        dtraf.run(&["uninstall", "--yes"])?;
    }
    Ok(())
}

#[test]
fn an_acceptance_in_another_base_chain_hides_nothing_and_a_drop_before_is_not_counted() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    for (at, (backend, options)) in BACKENDS.into_iter().enumerate() {
        let (rules, _) = ruling(&dtraf, backend, options)?;
        let name = format!("early{at}");
        let container = lab.container(&name).publish("8120:80").publish("5330:53/udp").start()?;
        let place = container.place()?;
        let (_tcp, _udp) = (place.serve_tcp(80)?, place.serve_udp(53)?);
        counted(&lab, backend, &container)?;
        let address = container.address("bridge")?;
        let witness = Witness::of_address(lab.host(), address)?;
        let theirs = format!(
            "add table ip theirs\n\
             add chain ip theirs early {{ type filter hook forward priority -10; policy accept; }}\n\
             add rule ip theirs early ct state established,related accept\n\
             add rule ip theirs early ip protocol tcp accept\n\
             add rule ip theirs early ip daddr {address} udp dport 53 drop\n"
        );
        lab.host().run("sh", &["-c", &format!("nft -f - <<'END'\n{theirs}END\n")])?;
        let outside = lab.outside().place();
        outside.tcp(SocketAddr::new(Outside::HOST_V4, 8120), 100_000, 2_000_000)?;
        let (said, seen) = total(&dtraf, backend, &name, &witness)?;
        assert_eq!(said, seen, "{backend} {options:?}");
        ensure!(said.tx.bytes > 2_000_000, "{said:?}");

        let received = container.veth()?.counters()?.received;
        outside.udp(SocketAddr::new(Outside::HOST_V4, 5330), &Datagrams::new(50, 1_000))?;
        let (after, seen_then) = total(&dtraf, backend, &name, &witness)?;
        let dropped = seen_then.since(seen);
        assert_eq!(dropped.rx, Tally { packets: 50, bytes: 50 * 1_028 }, "the witness stands before them");
        assert_eq!(after, said, "{backend} {options:?}");
        let delivered = container.veth()?.counters()?.received.packets - received.packets;
        ensure!(delivered < 10, "{delivered} frames were delivered");
        lab.host().run("nft", &["delete", "table", "ip", "theirs"])?;
        drop(rules);
        dtraf.run(&["uninstall", "--yes"])?;
    }
    Ok(())
}
