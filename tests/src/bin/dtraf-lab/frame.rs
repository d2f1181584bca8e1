//! Ethernet frames as they are: what no ordinary socket sends.

use std::os::fd::AsRawFd as _;

use anyhow::{Context as _, Result, ensure};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, sendto, socket};

pub(crate) fn send(link: &str, frame: &str, count: u32) -> Result<()> {
    let frame = bytes(frame)?;
    let address = getifaddrs()
        .context("list the links")?
        .filter(|entry| entry.interface_name == link)
        .find_map(|entry| entry.address.filter(|address| address.as_link_addr().is_some()))
        .with_context(|| format!("find the link {link}"))?;
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), None)
        .context("open a packet socket")?;
    for _ in 0..count {
        let sent =
            sendto(socket.as_raw_fd(), &frame, &address, MsgFlags::empty()).context("send the frame")?;
        ensure!(sent == frame.len(), "{sent} of {} bytes were sent", frame.len());
    }
    Ok(())
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    ensure!(hex.len().is_multiple_of(2), "half a byte is left over");
    let digits: Vec<char> = hex.chars().collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).context("read the frame"))
        .collect()
}
