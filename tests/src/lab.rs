//! The lab itself: a [`World`] with a dockerd and an outside in it.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::container::ContainerSpec;
use crate::docker::Docker;
use crate::link::{Counters, counters};
use crate::outside::Outside;
use crate::place::Place;
use crate::world::World;

/// What kind of Docker host the lab is.
#[derive(Debug, Clone, Default)]
pub struct LabOptions {
    /// More arguments for dockerd.
    pub dockerd: Vec<String>,
    /// Use the old kernel interface of iptables: dockerd and everything else in the lab find `iptables-legacy` when they
    /// look for `iptables`.
    pub legacy_iptables: bool,
    /// The program `dtraf-lab`, where it does not lie beside the running one.
    pub tool: Option<PathBuf>,
}

#[derive(Debug)]
pub struct Lab {
    // Fields go in this order: what runs in the world first, the world last.
    docker: Docker,
    outside: Outside,
    host: Place,
    world: World,
}

impl Lab {
    /// A Docker host with one network interface to the outside.
    pub fn start() -> Result<Self> {
        Self::start_with(&LabOptions::default())
    }

    pub fn start_with(options: &LabOptions) -> Result<Self> {
        let (world, host) = World::start(options.tool.clone()).context("start the lab's world")?;
        if options.legacy_iptables {
            legacy_iptables(&host).context("give the lab the old iptables")?;
        }
        let outside = Outside::connect(&host).context("connect the lab's outside")?;
        let docker =
            Docker::start(&host, world.name(), &options.dockerd).context("start the lab's dockerd")?;
        Ok(Self { docker, outside, host, world })
    }

    /// The lab's name: that of its control groups, too.
    pub fn name(&self) -> &str {
        self.world.name()
    }

    /// The lab's Docker host, where dtraf runs.
    pub fn host(&self) -> &Place {
        &self.host
    }

    /// The world that reaches the host's published ports over a wire.
    pub fn outside(&self) -> &Outside {
        &self.outside
    }

    /// The counters of the host's link to the outside: received is what goes out there, as it is of any link's other end.
    pub fn uplink(&self) -> Result<Counters> {
        counters(&self.host, Outside::HOST_LINK)
    }

    /// Runs the Docker client to its end.
    pub fn docker(&self, args: &[&str]) -> Result<String> {
        self.docker.client(args)
    }

    /// Ends dockerd by SIGTERM, as a distribution's restart does, and starts it again.
    pub fn restart_docker(&mut self) -> Result<()> {
        self.docker.restart()
    }

    /// A container to be started.
    pub fn container(&self, name: &str) -> ContainerSpec<'_> {
        ContainerSpec::new(self, name)
    }

    /// A path inside the lab, as it is to be opened from here.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.host.path(inside)
    }
}

/// Lays the old programs where they are found first. The lab's mounts are its own.
fn legacy_iptables(host: &Place) -> Result<()> {
    const FIRST: &str = "/usr/local/sbin";
    host.run("mount", &["-t", "tmpfs", "tmpfs", FIRST])?;
    for name in ["iptables", "ip6tables"] {
        for end in ["", "-save", "-restore"] {
            let target = format!("/usr/sbin/{name}-legacy{end}");
            host.run("test", &["-x", &target]).context("iptables-legacy is not installed")?;
            host.run("ln", &["-s", &target, &format!("{FIRST}/{name}{end}")])?;
        }
    }
    Ok(())
}
