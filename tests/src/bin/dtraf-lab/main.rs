//! The lab's own program: its keeper, its first process, and traffic of known size.
//!
//! Tests do not call it, they use the library.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "its answers go to the library that started it")]

mod frame;
mod init;
mod keep;
mod scan;
mod tcp;
mod udp;

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use dtraf_tests::Lab;

#[derive(Debug, Parser)]
#[command(name = "dtraf-lab")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Make a lab's world, hold it while the standard input is open, remove it
    Keep,
    /// Be the first process of a world
    Init,
    /// Start a whole lab with a container, say so, and wait to be killed
    Hold,
    /// Answer `tcp` transfers
    TcpServe { port: u16 },
    /// Send and fetch by one connection
    Tcp {
        to: SocketAddr,
        #[arg(long, default_value_t = 0)]
        up: u64,
        #[arg(long, default_value_t = 0)]
        down: u64,
    },
    /// Send every datagram back
    UdpServe { port: u16 },
    /// Send datagrams
    Udp(udp::Args),
    /// Send one packet to each port
    Scan { protocol: scan::Protocol, address: IpAddr, first: u16, last: u16 },
    /// Send an Ethernet frame, given in hexadecimal
    Frame {
        link: String,
        frame: String,
        #[arg(long, default_value_t = 1)]
        count: u32,
    },
}

fn main() -> Result<()> {
    match Cli::parse().task {
        Task::Keep => keep::run(),
        Task::Init => init::run(),
        Task::Hold => hold(),
        Task::TcpServe { port } => tcp::serve(port),
        Task::Tcp { to, up, down } => tcp::transfer(to, up, down),
        Task::UdpServe { port } => udp::serve(port),
        Task::Udp(args) => udp::send(&args),
        Task::Scan { protocol, address, first, last } => scan::run(protocol, address, first..=last),
        Task::Frame { link, frame, count } => frame::send(&link, &frame, count),
    }
}

/// Tells the library something, at once.
fn answer(text: &str) -> Result<()> {
    println!("{text}");
    std::io::stdout().flush().context("answer")
}

/// For the test that kills a test.
fn hold() -> Result<()> {
    let lab = Lab::start()?;
    let _container = lab.container("held").start()?;
    answer(&format!("{} {}", lab.name(), lab.path("").display()))?;
    // Or until whoever started it is gone.
    std::io::stdin().read_to_end(&mut Vec::new()).context("wait for the test's end").map(drop)
}
