//! A gigabyte: in super-packets on the host, in frames on the wire.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::{Tap, audited, counting, is_wire_of, only_port, wire};
use dtraf_tests::report::{Amount, Both};
use dtraf_tests::{Captured, Dtraf, Outside, Place, Shared};

const DOWN: u64 = 1_000_000_000;
const UP: u64 = 50_000_000;

/// What the firewalls at both ends of the cutting link count for a port as it comes in from there, as frames: they see each
/// segment, and lose none.
fn firewalls(lab: &Shared, port: u16) -> Result<Both<Captured>> {
    let counted = |place: &Place| -> Result<Captured> {
        let rules = place.run("iptables", &["-w", "-t", "raw", "-vnxL", "PREROUTING"])?;
        let rule = rules.lines().find(|line| line.ends_with(&format!("pt:{port}"))).context("the rule")?;
        let mut numbers = rule.split_whitespace();
        let frames: u64 = numbers.next().context("its packets")?.parse()?;
        let bytes: u64 = numbers.next().context("its bytes")?.parse()?;
        Ok(Captured { frames, bytes: bytes + 14 * frames, super_packets: 0 })
    };
    Ok(Both { rx: counted(lab.host())?, tx: counted(lab.outside().place())? })
}

/// Transfers `down` and `up` bytes, and holds the books against the veth, a capture and the firewall behind the cutting link.
fn transfer(name: &str, host_port: u16, up: u64, down: u64) -> Result<Both<Amount>> {
    let lab = Shared::lab()?;
    let outside = lab.outside().place();
    wire(&lab)?;
    let port = host_port.to_string();
    for (place, link, side) in
        [(outside, Outside::LINK, "--sport"), (lab.host(), Outside::HOST_LINK, "--dport")]
    {
        let rule = ["-w", "-t", "raw", "-A", "PREROUTING", "-i", link, "-p", "tcp", side, &port];
        place.run("iptables", &rule)?;
    }
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let container = lab.container(name).publish(&format!("{host_port}:80")).start()?;
    let _server = container.place()?.serve_tcp(80)?;
    let to = SocketAddr::new(Outside::HOST_V4, host_port);
    outside.tcp(to, 1, 1)?;
    let before = audited(&dtraf, &container)?;
    let firewalls_before = firewalls(&lab, host_port)?;

    let tap = Tap::server(outside, Outside::LINK, host_port)?;
    outside.tcp(to, up, down)?;
    let tap = tap.finish()?;
    let after = audited(&dtraf, &container)?;

    let moved = only_port(&before, &after, "tcp", 80, "server")?;
    is_wire_of(&moved, &since(&firewalls(&lab, host_port)?, &firewalls_before)).context("the firewalls")?;
    is_wire_of(&moved, &tap).context("the capture")?;
    let carried =
        |amount: &Amount, payload: u64| amount.wire_bytes >= payload + amount.packets * (14 + 20 + 20);
    ensure!(carried(&moved.tx, down) && carried(&moved.rx, up), "{moved:?}");
    if down == DOWN {
        ensure!(moved.tx.packets > 3 * moved.tx.skbs, "they were super-packets on the host: {moved:?}");
    }
    Ok(moved)
}

fn since(now: &Both<Captured>, then: &Both<Captured>) -> Both<Captured> {
    let side = |now: Captured, then: Captured| Captured {
        frames: now.frames - then.frames,
        bytes: now.bytes - then.bytes,
        super_packets: 0,
    };
    Both { rx: side(now.rx, then.rx), tx: side(now.tx, then.tx) }
}

#[test]
fn a_gigabyte_is_the_veths_counters_in_skbs_and_the_wires_in_frames() -> Result<()> {
    let moved = transfer("gigabyte", 8080, 1_000, DOWN)?;
    println!("gigabyte: {moved:?}");
    Ok(())
}

#[test]
fn an_upload_is_the_veths_counters_in_skbs_and_the_wires_in_frames() -> Result<()> {
    let moved = transfer("upload", 8081, UP, 1_000_000)?;
    println!("upload: {moved:?}");
    Ok(())
}
