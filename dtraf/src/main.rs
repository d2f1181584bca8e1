//! dtraf: a traffic accountant for Docker hosts.

mod accounting;
mod links;
mod sockets;

fn main() {}
