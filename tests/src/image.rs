//! The lab's one image, made without a registry: a static busybox.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};
use tar::{Builder, EntryType, Header};

use crate::place::finish;

/// The image's name in the lab.
pub(crate) const NAME: &str = "dtraf-lab:latest";

/// Where Debian's and Fedora's packages put it.
const BUSYBOX: [&str; 2] = ["/bin/busybox", "/usr/sbin/busybox"];

/// A root file system with busybox under all its names, and files of known sizes below `/www`.
pub(crate) fn archive() -> Result<Vec<u8>> {
    let path = BUSYBOX
        .into_iter()
        .find(|path| fs::exists(path).unwrap_or(false))
        .context("find busybox (Debian's package busybox-static)")?;
    let busybox = fs::read(path).with_context(|| format!("read {path}"))?;
    let applets = finish(Command::new(path).arg("--list"), "busybox --list")?;

    let mut archive = Builder::new(Vec::new());
    for dir in ["bin", "dev", "etc", "proc", "sys", "tmp", "www"] {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        archive.append_data(&mut header, dir, [].as_slice())?;
    }
    file(&mut archive, "bin/busybox", 0o755, &busybox)?;
    for applet in applets.lines().filter(|&applet| applet != "busybox") {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        header.set_mode(0o777);
        header.set_size(0);
        archive.append_link(&mut header, format!("bin/{applet}"), "busybox")?;
    }
    file(&mut archive, "etc/passwd", 0o644, b"root:x:0:0:root:/:/bin/sh\n")?;
    file(&mut archive, "etc/group", 0o644, b"root:x:0:\n")?;
    for (name, size) in [("www/1k", 1_000), ("www/100k", 100_000), ("www/1m", 1_000_000)] {
        file(&mut archive, name, 0o644, &vec![b'x'; size])?;
    }
    archive.into_inner().context("finish the image")
}

fn file(archive: &mut Builder<Vec<u8>>, path: &str, mode: u32, content: &[u8]) -> Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(mode);
    header.set_size(u64::try_from(content.len()).context("a file's size")?);
    archive.append_data(&mut header, path, content).with_context(|| format!("put {path} into the image"))
}
