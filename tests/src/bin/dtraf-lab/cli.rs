//! The tasks, as the library asks for them.

use std::net::{IpAddr, SocketAddr};

use clap::{Parser, Subcommand};

use crate::{flood, scan, udp};

#[derive(Debug, Parser)]
#[command(name = "dtraf-lab")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) task: Task,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
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
        /// The local port
        #[arg(long)]
        from: Option<u16>,
    },
    /// Send every datagram back
    UdpServe { port: u16 },
    /// Send datagrams
    Udp(udp::Args),
    /// Send one packet to each port
    Scan { protocol: scan::Protocol, address: IpAddr, first: u16, last: u16 },
    /// Make many namespaces in a world, and answer for them as Docker would
    Crowd { count: usize },
    /// Send datagrams as fast as it goes, for a while
    Flood(flood::Args),
    /// Send an Ethernet frame, given in hexadecimal
    Frame {
        link: String,
        frame: String,
        #[arg(long, default_value_t = 1)]
        count: u32,
    },
    /// Send the Ethernet frames that the standard input lists: a count, an offload header or `-`, and a frame
    Frames { link: String },
}
