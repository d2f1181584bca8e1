//! A crowd: what a Docker host with very many containers is to dtraf, without a Docker.
//!
//! **For benchmarks only.** A thousand real containers cost minutes and ten gigabytes; a thousand network namespaces with a
//! veth each cost seconds. What answers on Docker's socket is a stand-in (`dtraf-lab crowd`) that knows these namespaces and
//! nothing else: it is quicker than any Docker, and says what a Docker 20.10 said once. Whether dtraf is right is a
//! question for tests with a real dockerd in a [`crate::Lab`].

mod firewall;
mod plan;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::link::{Side, counters};
use crate::outside::Outside;
use crate::place::Place;
use crate::process::Process;
use crate::world::World;

pub use firewall::{Chains, Furnishing};
pub use plan::{Member, Network, members, networks};

/// Nobody waits longer for a crowd to stand.
const LIMIT: Duration = Duration::from_mins(2);

/// How large a crowd, on what kind of host.
#[derive(Debug, Clone, Default)]
pub struct CrowdOptions {
    /// 2,000 at most.
    pub containers: usize,
    /// The firewall that Docker would have made.
    pub chains: Chains,
    /// How much of it.
    pub furnishing: Furnishing,
    /// The program `dtraf-lab`, where it does not lie beside the running one.
    pub tool: Option<PathBuf>,
}

/// Dropping it ends every process and namespace of it, and so does the end of this process.
#[derive(Debug)]
pub struct Crowd {
    // Fields go in this order: what runs in the world first, the world last.
    _engine: Process,
    members: Vec<Member>,
    outside: Outside,
    host: Place,
    _world: World,
}

impl Crowd {
    /// Each member has a UDP socket at this port that takes datagrams and never reads them.
    pub const SINK_PORT: u16 = 5001;

    pub fn start(options: &CrowdOptions) -> Result<Self> {
        let (world, host) = World::start(options.tool.clone()).context("start the crowd's world")?;
        let outside = Outside::connect(&host).context("connect the crowd's outside")?;
        options
            .chains
            .load(&host, options.furnishing, options.containers)
            .context("load the crowd's firewall")?;
        let mut engine = host.spawn_tool(&["crowd", &options.containers.to_string()])?;
        let members = engine.line(LIMIT).context("wait for the crowd")?;
        let members = serde_json::from_str(&members).context("read who is in the crowd")?;
        Ok(Self { _engine: engine, members, outside, host, _world: world })
    }

    /// The crowd's Docker host, where dtraf runs.
    pub fn host(&self) -> &Place {
        &self.host
    }

    /// The world that reaches the members over a wire.
    pub fn outside(&self) -> &Outside {
        &self.outside
    }

    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// A member's network.
    pub fn place(&self, member: &Member) -> Place {
        self.host.network_of(member.pid)
    }

    /// What the kernel has handed to a member's network, by the member's own interface: the judge of what was forwarded.
    pub fn received(&self, member: &Member) -> Result<Side> {
        // Here the interface's own end is looked at: what it receives is what the container receives.
        Ok(counters(&self.place(member), Member::LINK)?.transmitted)
    }

    /// How many packets the host's end of a member's interface had for it and could not hand on.
    pub fn dropped(&self, member: &Member) -> Result<u64> {
        Ok(counters(&self.host, &member.veth)?.received.dropped)
    }

    /// Lets one CPU do all that the host does with what arrives from outside.
    ///
    /// Else it is done by the CPU that sends, in its stead, and no more is ever sent than is forwarded.
    pub fn steer(&self, cpu: u32) -> Result<()> {
        let script =
            format!("echo {:x} >/sys/class/net/{}/queues/rx-0/rps_cpus", 1_u64 << cpu, Outside::HOST_LINK);
        self.host.run("sh", &["-c", &script]).context("steer what arrives to a CPU")?;
        Ok(())
    }

    /// Where a member takes datagrams.
    pub fn sink(&self, member: &Member) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(member.address), Self::SINK_PORT)
    }
}
