//! dtraf: a traffic accountant for Docker hosts.

mod accounting;
mod links;

fn main() {}
