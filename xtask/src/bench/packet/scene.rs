//! A host where `dtraf run` counts, and its programs as a thread in that host's network can run them.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use aya::programs::{SchedClassifier, TestRun as _, TestRunOptions};
use dtraf_tests::{Crowd, CrowdOptions, Dtraf, Kernel, Member, Running, eventually};
use rustix::thread::{CpuSet, LinkNameSpaceType, move_into_link_name_space, sched_setaffinity};
use serde::Deserialize;

use super::Setup;
use super::frames::{self, Frame, Way};
use crate::workspace::Workspace;

const BPFFS: &str = "/sys/fs/bpf";
const READY: Duration = Duration::from_mins(2);
/// The first ports that make entries.
const FIRST_PORT: u16 = 1024;
/// The CPU that runs programs.
pub(super) const CPU: usize = 1;

/// Where what is measured lies.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) crowd: Crowd,
    pub(super) running: Running,
    pub(super) program: std::path::PathBuf,
}

/// dtraf's programs.
#[derive(Debug)]
pub(super) struct Programs {
    ingress: SchedClassifier,
    egress: SchedClassifier,
    /// As the kernel knows them: ingress first.
    pub(super) ids: [u32; 2],
}

impl Programs {
    pub(super) fn of(&self, way: Way) -> &SchedClassifier {
        match way {
            Way::Out => &self.ingress,
            Way::In => &self.egress,
        }
    }
}

impl Scene {
    /// Starts everything; each container is counted when this returns.
    pub(super) fn start(workspace: &Workspace, containers: usize) -> Result<Self> {
        let release = workspace.target().join("release");
        let crowd = Crowd::start(&CrowdOptions {
            containers,
            tool: Some(release.join("dtraf-lab")),
            ..CrowdOptions::default()
        })?;
        let program = release.join("dtraf");
        let dtraf = Dtraf::on(crowd.host(), &program);
        // Attached by filters, which takes microseconds for each; the programs are the same.
        let running = dtraf.start(&[
            "run",
            "--headless",
            "--backend=ebpf",
            "--attach=clsact",
            "--interval=1s",
            "--ports-per-container=16384",
            // Twice the default: in that, one of 10,000 ports finds no room now and then.
            "--port-entries=65536",
        ])?;
        let scene = Self { crowd, running, program };
        eventually("dtraf to count every container", READY, || {
            let Ok(report) = scene.dtraf().stats() else { return Ok(None) };
            let counted = report.containers.iter().filter(|container| container.figures().is_ok()).count();
            Ok((counted == containers).then_some(()))
        })?;
        Ok(scene)
    }

    pub(super) fn dtraf(&self) -> Dtraf<'_> {
        Dtraf::on(self.crowd.host(), &self.program)
    }

    /// The container whose frames are measured.
    pub(super) fn member(&self) -> &Member {
        self.crowd.members().last().expect("a crowd is not empty")
    }

    /// Puts this thread on one CPU and into the host's network: programs run with interfaces of the thread's own network.
    pub(super) fn enter(&self) -> Result<()> {
        let mut cpus = CpuSet::new();
        cpus.set(CPU);
        sched_setaffinity(None, &cpus).context("choose a CPU")?;
        let path = self.crowd.host().path("/proc/1/ns/net");
        let network = File::open(&path).with_context(|| format!("open {}", path.display()))?;
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
            .context("enter the host's network")
    }

    /// The programs that run on the containers' interfaces.
    pub(super) fn programs(&self) -> Result<Programs> {
        let host = self.crowd.host();
        let kernel = Kernel::of(host)?;
        let open = |name: &str| -> Result<(SchedClassifier, u32)> {
            let found = kernel.programs.iter().find(|(_, program)| program == name);
            let (id, _) = found.with_context(|| format!("find the program {name}"))?;
            let pin = format!("{BPFFS}/bench-{name}");
            host.run("bpftool", &["prog", "pin", "id", &id.to_string(), &pin])?;
            let path = host.path(&pin);
            let opened =
                SchedClassifier::from_pin(&path).with_context(|| format!("open {}", path.display()))?;
            Ok((opened, *id))
        };
        let (ingress, egress) = (open("dtraf_ingress")?, open("dtraf_egress")?);
        Ok(Programs { ingress: ingress.0, egress: egress.0, ids: [ingress.1, egress.1] })
    }

    /// The numbers of the members' interfaces, in the order of the members.
    pub(super) fn interfaces(&self) -> Result<Vec<u32>> {
        #[derive(Deserialize)]
        struct Link {
            ifindex: u32,
            ifname: String,
        }
        let text = self.crowd.host().run("ip", &["-json", "link", "show", "type", "veth"])?;
        let links: Vec<Link> = serde_json::from_str(&text).context("read the host's links")?;
        let number = |member: &Member| {
            let link = links.iter().find(|link| link.ifname == member.veth);
            Ok(link.with_context(|| format!("find {}", member.veth))?.ifindex)
        };
        self.crowd.members().iter().map(number).collect()
    }

    /// Fills the table by frames of all containers, up to `entries` in all, until dtraf says that they are there.
    pub(super) fn fill(&self, programs: &Programs, interfaces: &[u32], setup: &Setup) -> Result<()> {
        let members = self.crowd.members();
        let each = if setup.entries < members.len() { 0 } else { setup.entries / members.len() };
        let wanted = |number: usize| if number + 1 == members.len() { each.max(10) } else { each };
        let expected: usize = (0..members.len()).map(wanted).sum();
        let mut there = 0;
        let filled = eventually("the port table to be filled", READY, || {
            for (number, (member, ifindex)) in members.iter().zip(interfaces).enumerate() {
                for port in (FIRST_PORT..).take(wanted(number)) {
                    run(programs.of(Way::Out), &frames::entry(member, port), *ifindex, 1)?;
                }
            }
            run(programs.of(Way::Out), &frames::accept(self.member()), Self::target(interfaces), 1)?;
            there = 0;
            for container in &self.dtraf().stats()?.containers {
                let ports = container.figures()?.ports;
                there += ports.iter().filter(|port| port.role == "client").count();
            }
            Ok((there >= expected).then_some(()))
        });
        filled.with_context(|| format!("there are {there} entries of {expected}"))
    }

    /// The interface of [`Self::member`].
    pub(super) fn target(interfaces: &[u32]) -> u32 {
        *interfaces.last().expect("a crowd is not empty")
    }

    /// Skbs that dtraf has counted for the container, in both directions.
    pub(super) fn counted(&self) -> Result<u64> {
        let report = self.dtraf().stats()?;
        let name = &self.member().name;
        let container = report.containers.iter().find(|container| container.name == *name);
        let total = container.with_context(|| format!("find {name}"))?.figures()?.total;
        Ok(total.rx.skbs + total.tx.skbs)
    }
}

/// Runs a program with a frame, again and again, and gives the nanoseconds of one run.
///
/// By the whole system call's time: the kernel's own figure is the same in whole nanoseconds, which is a tenth of some
/// programs.
#[expect(clippy::disallowed_methods, reason = "this is a measurement")]
pub(super) fn run(program: &SchedClassifier, frame: &Frame, ifindex: u32, repeat: u32) -> Result<f64> {
    let context = context(ifindex, frame);
    let options = TestRunOptions {
        data_in: Some(&frame.bytes),
        ctx_in: Some(&context),
        repeat,
        ..TestRunOptions::default()
    };
    let begin = Instant::now();
    let result = program.test_run(options).with_context(|| format!("run a program with: {}", frame.name))?;
    let took = begin.elapsed();
    if result.return_value != u32::MAX {
        bail!("a program returned {} and not TC_ACT_UNSPEC with: {}", result.return_value, frame.name);
    }
    Ok(took.as_secs_f64() * 1e9 / f64::from(repeat))
}

/// A `struct __sk_buff` that says which interface a frame passes, where it has come from, and how it will be cut.
fn context(ifindex: u32, frame: &Frame) -> [u8; 192] {
    const INGRESS_IFINDEX: usize = 36;
    const IFINDEX: usize = 40;
    const GSO_SEGMENTS: usize = 164;
    const GSO_SIZE: usize = 176;
    let mut context = [0; 192];
    let (size, segments) = frame.cut.unwrap_or_default();
    let entered_at = frame.entered_at.unwrap_or_default();
    for (at, value) in
        [(INGRESS_IFINDEX, entered_at), (IFINDEX, ifindex), (GSO_SEGMENTS, segments), (GSO_SIZE, size)]
    {
        context[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    }
    context
}

/// Demands that dtraf has counted as often as its programs were run.
pub(super) fn check(counted: u64, runs: u64) -> Result<()> {
    // The kernel's own frames are few.
    ensure!(
        (runs..runs + 10_000).contains(&counted),
        "dtraf has counted {counted} frames where its programs were run {runs} times"
    );
    Ok(())
}
