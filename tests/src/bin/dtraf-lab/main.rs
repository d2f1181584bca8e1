//! The lab's own program: its keeper, its first process, and traffic of known size.
//!
//! Tests do not call it, they use the library.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "its answers go to the library that started it")]

mod cli;
mod crowd;
mod flood;
mod frame;
mod hold;
mod init;
mod keep;
mod scan;
mod tcp;
mod udp;

use std::io::Write as _;

use anyhow::{Context as _, Result};
use clap::Parser as _;

use cli::{Cli, Task};

fn main() -> Result<()> {
    match Cli::parse().task {
        Task::Keep => keep::run(),
        Task::Init => init::run(),
        Task::Hold => hold::run(),
        Task::TcpServe { port } => tcp::serve(port),
        Task::Tcp { to, up, down, from } => tcp::transfer(to, up, down, from),
        Task::UdpServe { port } => udp::serve(port),
        Task::Udp(args) => udp::send(&args),
        Task::Scan { protocol, address, first, last } => scan::run(protocol, address, first..=last),
        Task::Crowd { count } => crowd::run(count),
        Task::Flood(args) => flood::run(&args),
        Task::Frame { link, frame, count } => frame::send(&link, &frame, count),
        Task::Frames { link } => frame::send_listed(&link),
    }
}

/// Tells the library something, at once.
fn answer(text: &str) -> Result<()> {
    println!("{text}");
    std::io::stdout().flush().context("answer")
}
