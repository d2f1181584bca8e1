//! Traffic of known size, made by `dtraf-lab` in a [`Place`].

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::place::Place;
use crate::process::Process;

/// What a transfer has carried, without any header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Carried {
    pub sent: u64,
    pub received: u64,
}

/// Datagrams to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Datagrams {
    pub count: u32,
    /// The payload of each.
    pub size: u32,
    /// Whether the other side, a [`Place::serve_udp`], sends each back before the next one goes.
    pub echoed: bool,
    /// Hand the kernel buffers that it cuts into datagrams of this size (UDP GSO); `size` is then the buffer's.
    pub cut: Option<u16>,
}

impl Datagrams {
    pub fn new(count: u32, size: u32) -> Self {
        Self { count, size, echoed: false, cut: None }
    }
}

/// Datagrams without end, for a while.
#[derive(Debug, Clone, Copy)]
pub struct Flood {
    /// The payload of each.
    pub size: usize,
    pub time: Duration,
    /// The CPU to send from; any when none is named.
    pub cpu: Option<usize>,
}

/// How a flood went, as its sender saw it.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Flooded {
    pub sent: u64,
    pub nanoseconds: u64,
}

/// Which protocol a scan speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    Tcp,
    Udp,
}

impl Place {
    /// A server for [`Self::tcp`] at `port`, on all addresses of this place. It listens when this returns.
    pub fn serve_tcp(&self, port: u16) -> Result<Process> {
        self.serve("tcp-serve", port)
    }

    /// A server for [`Self::udp`] that sends every datagram back.
    pub fn serve_udp(&self, port: u16) -> Result<Process> {
        self.serve("udp-serve", port)
    }

    /// One connection: 16 bytes that say what is wanted and `up` bytes there, then `down` bytes back.
    pub fn tcp(&self, to: SocketAddr, up: u64, down: u64) -> Result<Carried> {
        let (up, down) = (up.to_string(), down.to_string());
        carried(&self.tool(&["tcp", &to.to_string(), "--up", &up, "--down", &down])?)
    }

    /// The same from a local port.
    pub fn tcp_from(&self, port: u16, to: SocketAddr, up: u64, down: u64) -> Result<Carried> {
        let (up, down, port) = (up.to_string(), down.to_string(), port.to_string());
        let args = ["tcp", &to.to_string(), "--up", &up, "--down", &down, "--from", &port];
        carried(&self.tool(&args)?)
    }

    pub fn udp(&self, to: SocketAddr, datagrams: &Datagrams) -> Result<Carried> {
        let to = to.to_string();
        let (count, size) = (datagrams.count.to_string(), datagrams.size.to_string());
        let cut = datagrams.cut.map(|cut| cut.to_string());
        let mut args = vec!["udp", &to, "--count", &count, "--size", &size];
        if datagrams.echoed {
            args.push("--echoed");
        }
        if let Some(cut) = &cut {
            args.extend(["--cut", cut]);
        }
        carried(&self.tool(&args)?)
    }

    /// Sends datagrams as fast as it goes.
    pub fn flood(&self, to: SocketAddr, flood: &Flood) -> Result<Flooded> {
        let Flood { size, time, cpu } = flood;
        let (to, size, time) = (to.to_string(), size.to_string(), time.as_millis().to_string());
        let mut args = vec!["flood", "--to", &to, "--size", &size, "--for", &time];
        let cpu = cpu.map(|cpu| cpu.to_string());
        if let Some(cpu) = &cpu {
            args.extend(["--cpu", cpu]);
        }
        let answer = self.tool(&args)?;
        serde_json::from_str(answer.trim()).with_context(|| format!("read dtraf-lab's answer {answer:?}"))
    }

    /// One packet to each port: a TCP SYN whose answer nobody waits for, or a datagram of one byte.
    pub fn scan(&self, address: IpAddr, ports: RangeInclusive<u16>, scan: Scan) -> Result<()> {
        let (first, last) = (ports.start().to_string(), ports.end().to_string());
        let protocol = match scan {
            Scan::Tcp => "tcp",
            Scan::Udp => "udp",
        };
        self.tool(&["scan", protocol, &address.to_string(), &first, &last]).map(drop)
    }

    /// Sends an Ethernet frame as it is, `count` times, through `link`.
    pub fn send_frame(&self, link: &str, frame: &[u8], count: u32) -> Result<()> {
        let frame: Vec<String> = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        self.tool(&["frame", link, &frame.concat(), "--count", &count.to_string()]).map(drop)
    }

    /// Switches offloads of a link on or off, as in `["tso", "off", "gro", "on"]`.
    ///
    /// With `tso`, `gso` and `tx-udp-segmentation` off a link cuts super-packets into what a wire would carry.
    pub fn offloads(&self, link: &str, switches: &[&str]) -> Result<()> {
        self.run("ethtool", &[&["--offload", link], switches].concat()).map(drop)
    }

    fn serve(&self, what: &str, port: u16) -> Result<Process> {
        let mut server = self.spawn_tool(&[what, &port.to_string()])?;
        server.line_where(Duration::from_secs(10), |line| line == "ready")?;
        Ok(server)
    }
}

fn carried(answer: &str) -> Result<Carried> {
    serde_json::from_str(answer.trim()).with_context(|| format!("read dtraf-lab's answer {answer:?}"))
}
