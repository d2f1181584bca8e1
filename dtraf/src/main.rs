//! dtraf: a traffic accountant for Docker hosts.

mod accounting;

fn main() {}
