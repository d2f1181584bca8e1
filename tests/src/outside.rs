//! The world outside the Docker host: another network behind one link.
//!
//! Its addresses are from the ranges that are set aside for documentation, so dtraf takes it for the internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use anyhow::Result;

use crate::place::Place;
use crate::process::Process;

#[derive(Debug)]
pub struct Outside {
    place: Place,
    /// Keeps the network alive.
    _anchor: Process,
}

impl Outside {
    /// The Docker host's link to the outside.
    pub const HOST_LINK: &str = "out0";
    /// The outside's link to the Docker host.
    pub const LINK: &str = "eth0";
    /// The Docker host as the outside knows it.
    pub const HOST_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
    pub const HOST_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1));
    /// The outside's own addresses.
    pub const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2));
    pub const V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 2));

    pub(crate) fn connect(host: &Place) -> Result<Self> {
        // The process prints its number in the lab before it becomes the one that waits.
        let script = "echo $$; exec sleep infinity";
        let mut anchor = host.spawn("unshare", &["--net", "sh", "-c", script])?;
        let pid = anchor.line(Duration::from_secs(10))?;
        let place = host.network_of(pid.parse()?);

        let (near, far) = (Self::HOST_LINK, Self::LINK);
        host.run("ip", &["link", "add", near, "type", "veth", "peer", "name", far, "netns", &pid])?;
        let set_up = |place: &Place, link: &str, v4: IpAddr, v6: IpAddr| -> Result<()> {
            place.run("ip", &["address", "add", &format!("{v4}/24"), "dev", link])?;
            // Without duplicate detection the address can be used at once.
            place.run("ip", &["address", "add", &format!("{v6}/64"), "dev", link, "nodad"])?;
            place.run("ip", &["link", "set", link, "up"])?;
            Ok(())
        };
        set_up(host, near, Self::HOST_V4, Self::HOST_V6)?;
        place.run("ip", &["link", "set", "lo", "up"])?;
        set_up(&place, far, Self::V4, Self::V6)?;
        place.run("ip", &["route", "add", "default", "via", &Self::HOST_V4.to_string()])?;
        place.run("ip", &["-6", "route", "add", "default", "via", &Self::HOST_V6.to_string()])?;
        Ok(Self { place, _anchor: anchor })
    }

    pub fn place(&self) -> &Place {
        &self.place
    }
    /// Downloads from a container's web server that is published at `port`, one after another until it is dropped. Those that
    /// fail are no concern of its.
    pub fn downloads(&self, port: u16) -> Result<Process> {
        let url = format!("http://{}:{port}/100k", Self::HOST_V4);
        let script = format!(
            "while :; do busybox timeout 1 busybox wget -q -O /dev/null {url} || sleep 0.01; done 2>/dev/null"
        );
        self.place.spawn("sh", &["-c", &script])
    }
}
