//! A world of its own: namespaces that last as long as the one who asked for them.
//!
//! Three processes stand behind it. The keeper (`dtraf-lab keep`) runs on the host and holds the other end of a pipe: when
//! this process drops the world, panics or is killed, the pipe closes and the keeper ends the world and removes its control
//! groups, the one thing of it that lies on the host. Below the keeper is `unshare`, and below that the world's first
//! process (`dtraf-lab init`), with whose death the kernel ends every other process, mount and link in there.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::built::built;
use crate::place::Place;

/// The namespaces, held by their keeper.
#[derive(Debug)]
pub(crate) struct World {
    name: String,
    keeper: Child,
    /// Closing it ends the world.
    hold: Option<ChildStdin>,
}

impl World {
    /// Makes a world, by the program `dtraf-lab` where it lies or beside the running one, and gives its host with it.
    pub(crate) fn start(tool: Option<PathBuf>) -> Result<(Self, Place)> {
        if !rustix::process::geteuid().is_root() {
            bail!("the lab makes namespaces of its own: it needs root (`cargo xtask test` as root)");
        }
        let tool = tool.map_or_else(|| built("dtraf-lab"), Ok)?;
        let mut keeper = Command::new(&tool)
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
        let init = init.parse().context("read the keeper's answer")?;
        let world = Self { name: name.to_owned(), keeper, hold };
        Ok((world, Place { init, network_of: None, tool }))
    }

    /// Its name: that of its control groups, too.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.hold.take());
        // The keeper says on the standard error what it could not remove.
        drop(self.keeper.wait());
    }
}
