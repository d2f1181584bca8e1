//! Ethernet frames as they are: what no ordinary socket sends.

use std::io::{self, BufRead as _};
use std::os::fd::{AsRawFd as _, OwnedFd};

use anyhow::{Context as _, Result, bail, ensure};
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrStorage, sendto, setsockopt, socket,
};
use nix::{setsockopt_impl, sockopt_impl};

use crate::answer;

/// Frames that one run sends at most.
const MOST: u32 = 100_000;

sockopt_impl!(
    /// Each frame begins with a `virtio_net_hdr`, which says how the kernel is to cut it.
    OffloadHeader,
    SetOnly,
    libc::SOL_PACKET,
    libc::PACKET_VNET_HDR,
    i32
);

pub(crate) fn send(link: &str, frame: &str, count: u32) -> Result<()> {
    let sender = Sender::open(link, false)?;
    let frame = bytes(frame)?;
    for _ in 0..count {
        ensure!(sender.send(&frame)?, "the kernel does not take the frame");
    }
    Ok(())
}

/// Sends the frames that the standard input lists, one a line: how often, a `virtio_net_hdr` or `-`, and the frame, both in
/// hexadecimal. Answers with how many the kernel took and how many it refused as invalid.
pub(crate) fn send_listed(link: &str) -> Result<()> {
    let (plain, offloading) = (Sender::open(link, false)?, Sender::open(link, true)?);
    let (mut sent, mut refused) = (0_u32, 0_u32);
    for line in io::stdin().lock().lines() {
        let listed = line.context("read the list of frames")?;
        let mut words = listed.split(' ');
        let (Some(count), Some(header), Some(frame), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            bail!("a line has a count, a header and a frame");
        };
        let count: u32 = count.parse().context("read a count")?;
        ensure!(
            sent.saturating_add(refused).saturating_add(count) <= MOST,
            "more than {MOST} frames in one run"
        );
        let (sender, header) =
            if header == "-" { (&plain, Vec::new()) } else { (&offloading, bytes(header)?) };
        let frame = [header, bytes(frame)?].concat();
        for _ in 0..count {
            if sender.send(&frame)? { sent += 1 } else { refused += 1 }
        }
    }
    answer(&format!(r#"{{"sent":{sent},"refused":{refused}}}"#))
}

/// A packet socket that sends by one link.
struct Sender {
    socket: OwnedFd,
    address: SockaddrStorage,
}

impl Sender {
    fn open(link: &str, offloading: bool) -> Result<Self> {
        let address = getifaddrs()
            .context("list the links")?
            .filter(|entry| entry.interface_name == link)
            .find_map(|entry| entry.address.filter(|address| address.as_link_addr().is_some()))
            .with_context(|| format!("find the link {link}"))?;
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), None)
            .context("open a packet socket")?;
        if offloading {
            setsockopt(&socket, OffloadHeader, &1).context("send with offload headers")?;
        }
        Ok(Self { socket, address })
    }

    /// Sends a frame; false where the kernel refuses what it says about itself.
    fn send(&self, frame: &[u8]) -> Result<bool> {
        loop {
            match sendto(self.socket.as_raw_fd(), frame, &self.address, MsgFlags::empty()) {
                Ok(sent) => {
                    ensure!(sent == frame.len(), "{sent} of {} bytes were sent", frame.len());
                    return Ok(true);
                }
                Err(Errno::EINVAL | Errno::EMSGSIZE) => return Ok(false),
                // Frames that are under way still fill the socket's room.
                Err(Errno::ENOBUFS | Errno::EINTR) => std::thread::yield_now(),
                Err(error) => return Err(error).context("send a frame"),
            }
        }
    }
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    ensure!(hex.len().is_multiple_of(2), "half a byte is left over");
    hex.as_bytes()
        .chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).context("hexadecimal digits are ASCII")?;
            u8::from_str_radix(pair, 16).context("read a byte")
        })
        .collect()
}
