//! Containers: how they are started, and what a test asks about them.

use std::net::IpAddr;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::frames::{Mac, Sending, SendingResult, mac, send_frames};
use crate::image;
use crate::lab::Lab;
use crate::link::{Veth, veths};
use crate::place::Place;
use crate::process::Process;

/// The lab's own program in a container that sends frames.
const SENDER: &str = "/dtraf-lab";

/// A container that is not started yet.
#[derive(Debug)]
pub struct ContainerSpec<'a> {
    lab: &'a Lab,
    name: String,
    options: Vec<String>,
    command: Vec<String>,
}

impl<'a> ContainerSpec<'a> {
    pub(crate) fn new(lab: &'a Lab, name: &str) -> Self {
        Self { lab, name: name.to_owned(), options: Vec::new(), command: Vec::new() }
    }

    /// Any option of `docker run`.
    #[must_use]
    pub fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// A published port, as in `8080:80` or `5353:53/udp`.
    #[must_use]
    pub fn publish(self, ports: &str) -> Self {
        self.option(&format!("--publish={ports}"))
    }

    #[must_use]
    pub fn network(self, network: &str) -> Self {
        self.option(&format!("--network={network}"))
    }

    #[must_use]
    pub fn label(self, label: &str) -> Self {
        self.option(&format!("--label={label}"))
    }

    /// Lays the lab's own program into it, so that it can send frames itself ([`Container::send_frames`]). Its capabilities stay
    /// Docker's defaults.
    pub fn with_sender(self) -> Result<Self> {
        let host = self.lab.host();
        let program = host.tool.display().to_string();
        let libraries = host.run("ldd", &[&program]).unwrap_or_default();
        let paths = libraries.split_whitespace().filter(|word| word.starts_with('/'));
        let spec = self.option(&format!("--volume={program}:{SENDER}:ro"));
        Ok(paths.fold(spec, |spec, path| spec.option(&format!("--volume={path}:{path}:ro"))))
    }

    /// What runs in it; by default something that waits.
    #[must_use]
    pub fn command(mut self, command: &[&str]) -> Self {
        self.command = command.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// A web server on `port` that serves `/www`.
    #[must_use]
    pub fn web_server(self, port: u16) -> Self {
        self.command(&["httpd", "-f", "-p", &port.to_string(), "-h", "/www"])
    }

    pub fn start(self) -> Result<Container<'a>> {
        let name = format!("--name={}", self.name);
        // What runs as process 1 does not hear SIGTERM, and Docker would wait for ten seconds.
        let mut args = vec!["run", "--detach", "--stop-signal=KILL", &name];
        args.extend(self.options.iter().map(String::as_str));
        args.push(image::NAME);
        args.extend(self.command.iter().map(String::as_str));
        let id = self.lab.docker(&args)?.trim().to_owned();
        Ok(Container { lab: self.lab, name: self.name, id })
    }
}

impl Lab {
    /// A container whose port is published, with a server for transfers behind it.
    pub fn served(&self, name: &str, (host_port, port): (u16, u16)) -> Result<(Container<'_>, Process)> {
        let container = self.container(name).publish(&format!("{host_port}:{port}")).start()?;
        let server = container.place()?.serve_tcp(port)?;
        Ok((container, server))
    }
}

/// A started container. Dropping it removes it, if it is still there.
#[derive(Debug)]
pub struct Container<'a> {
    lab: &'a Lab,
    name: String,
    id: String,
}

impl Container<'_> {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// The container as the Engine describes it.
    pub fn inspect(&self) -> Result<Value> {
        let text = self.lab.docker(&["inspect", "--format={{json .}}", &self.id])?;
        serde_json::from_str(&text).context("read docker inspect")
    }

    /// Its first process, by its number in the lab.
    pub fn pid(&self) -> Result<u32> {
        let inspected = self.inspect()?;
        let pid = inspected["State"]["Pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
        pid.filter(|&pid| pid != 0).with_context(|| format!("{} does not run", self.name))
    }

    /// The container's network. To be asked for again after a restart.
    pub fn place(&self) -> Result<Place> {
        Ok(self.lab.host().network_of(self.pid()?))
    }

    /// Its IPv4 address on a network (the default one is `bridge`).
    pub fn address(&self, network: &str) -> Result<IpAddr> {
        self.address_in(network, "IPAddress")
    }

    /// Its IPv6 address on a network.
    pub fn address_v6(&self, network: &str) -> Result<IpAddr> {
        self.address_in(network, "GlobalIPv6Address")
    }

    fn address_in(&self, network: &str, key: &str) -> Result<IpAddr> {
        let inspected = self.inspect()?;
        let address = inspected["NetworkSettings"]["Networks"][network][key].as_str().unwrap_or_default();
        address.parse().with_context(|| format!("{}'s {key} on {network}: {address:?}", self.name))
    }

    /// Its interfaces, each with the end on the host, in the order of their names inside.
    pub fn veths(&self) -> Result<Vec<Veth>> {
        veths(self.lab.host(), &self.place()?)
    }

    /// The one interface of a container on one network.
    pub fn veth(&self) -> Result<Veth> {
        self.veths()?.into_iter().next().with_context(|| format!("{} has no interface", self.name))
    }

    /// Runs a program of the image in it.
    pub fn exec(&self, command: &[&str]) -> Result<String> {
        self.lab.docker(&[&["exec", &self.id], command].concat())
    }

    /// Sends frames from within, with no more than a default container's rights. It was made [`ContainerSpec::with_sender`].
    pub fn send_frames(&self, frames: &[Sending]) -> Result<SendingResult> {
        let mut command = self.lab.host().command("docker");
        command.args(["exec", "--interactive", &self.id, SENDER, "frames", "eth0"]);
        send_frames(&mut command, frames)
    }

    /// The MAC address of its first interface.
    pub fn mac(&self) -> Result<Mac> {
        mac(&self.exec(&["cat", "/sys/class/net/eth0/address"])?)
    }

    pub fn stop(&self) -> Result<()> {
        self.lab.docker(&["stop", &self.id]).map(drop)
    }

    pub fn restart(&self) -> Result<()> {
        self.lab.docker(&["restart", &self.id]).map(drop)
    }

    /// Removes it now. Dropping does it too, but says nothing when it fails.
    pub fn remove(self) -> Result<()> {
        self.lab.docker(&["rm", "--force", &self.id]).map(drop)
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // A container that removed itself, or a lab that is going down, is as good.
        drop(self.lab.docker(&["rm", "--force", &self.id]));
    }
}
