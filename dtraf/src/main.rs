//! dtraf: a traffic accountant for Docker hosts.

mod accounting;
mod cli;
mod config;
mod docker;
mod exit;
mod links;
mod sockets;
mod source;
mod terminal;
mod view;

fn main() {}
