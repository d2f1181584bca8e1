//! The lab: a private Docker host inside this one, with an outside world to send traffic from.
//!
//! [`Lab::start`] makes namespaces of its own (mounts, network, processes), runs a `dockerd` in them, and takes everything
//! away when it is dropped, when the test panics and when the test process is killed. The host's Docker, links, rules and
//! mounts are never touched.
//!
//! What a test then has: [`Place`]s to run commands in (the lab's host, its outside, each container's network), [`Container`]s
//! with their [`Veth`]s and the kernel's own [`Counters`], traffic of known size ([`traffic`]), captures ([`Capture`]) and
//! dtraf itself ([`Dtraf`]).

#![forbid(unsafe_code)]

pub mod books;
pub mod firewall;
pub mod frames;
pub mod ledger;
pub mod neighbours;
pub mod report;
pub mod statements;
pub mod traffic;

mod built;
mod capture;
mod container;
mod crowd;
mod deadline;
mod docker;
mod dtraf;
mod host;
mod image;
mod kernel;
mod lab;

mod link;
mod outside;
mod place;
mod process;
mod shared;
mod terminal;
mod world;

pub use built::built;
pub use capture::{Capture, Captured};
pub use container::{Container, ContainerSpec};
pub use crowd::{Chains, Crowd, CrowdOptions, Furnishing, Member, Network, members, networks};
pub use deadline::{Patience, eventually};
pub use dtraf::{Dtraf, Running};
pub use host::{HostState, Namespaces, cgroups_of, hierarchies};
pub use kernel::Kernel;
pub use lab::{Lab, LabOptions};
pub use link::{Counters, Side, Veth};
pub use outside::Outside;
pub use place::Place;
pub use process::{Ended, Process};
pub use shared::Shared;
pub use terminal::Terminal;
