//! dtraf: a traffic accountant for Docker hosts.

mod accounting;
mod docker;
mod links;
mod sockets;
mod source;
mod view;

fn main() {}
