//! The lab itself: its beginning and its end.
//!
//! Three processes stand behind it. The keeper (`dtraf-lab keep`) runs on the host and holds the other end of a pipe: when this
//! process drops the lab, panics or is killed, the pipe closes and the keeper ends the world and removes its control
//! groups, the one thing of it that lies on the host. Below the keeper is `unshare`, and below that the world's first
//! process (`dtraf-lab init`), with whose death the kernel ends every other process, mount and link in there.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::built::built;
use crate::container::ContainerSpec;
use crate::docker::Docker;
use crate::outside::Outside;
use crate::place::Place;

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
        if !rustix::process::geteuid().is_root() {
            bail!("the lab makes namespaces and runs dockerd: it needs root (`cargo xtask test` as root)");
        }
        let tool = options.tool.clone().map_or_else(|| built("dtraf-lab"), Ok)?;
        let world = World::start(&tool).context("start the lab's world")?;
        let host = Place { init: world.init, network_of: None, tool };
        if options.legacy_iptables {
            legacy_iptables(&host).context("give the lab the old iptables")?;
        }
        let outside = Outside::connect(&host).context("connect the lab's outside")?;
        let docker =
            Docker::start(&host, &world.name, &options.dockerd).context("start the lab's dockerd")?;
        Ok(Self { docker, outside, host, world })
    }

    /// The lab's name: that of its control groups, too.
    pub fn name(&self) -> &str {
        &self.world.name
    }

    /// The lab's Docker host, where dtraf runs.
    pub fn host(&self) -> &Place {
        &self.host
    }

    /// The world that reaches the host's published ports over a wire.
    pub fn outside(&self) -> &Outside {
        &self.outside
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
        PathBuf::from(format!("/proc/{}/root{inside}", self.host.init))
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

/// The namespaces, held by their keeper.
#[derive(Debug)]
struct World {
    name: String,
    /// The world's first process, by its number on the host.
    init: u32,
    keeper: Child,
    /// Closing it ends the world.
    hold: Option<ChildStdin>,
}

impl World {
    fn start(tool: &Path) -> Result<Self> {
        let mut keeper = Command::new(tool)
            .arg("keep")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A Ctrl-C at the terminal is for the test; the keeper learns of its end by the pipe.
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {} keep", tool.display()))?;
        let hold = keeper.stdin.take();
        let mut answer = String::new();
        BufReader::new(keeper.stdout.take().context("the keeper's output is a pipe")?)
            .read_line(&mut answer)?;
        let Some((name, init)) = answer.trim().split_once(' ') else {
            drop(hold);
            bail!("the keeper ended without a world ({})", keeper.wait()?);
        };
        Ok(Self {
            name: name.to_owned(),
            init: init.parse().context("read the keeper's answer")?,
            keeper,
            hold,
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.hold.take());
        // The keeper says on the standard error what it could not remove.
        drop(self.keeper.wait());
    }
}
