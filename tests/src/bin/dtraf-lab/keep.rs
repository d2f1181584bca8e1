//! The keeper: it outlives the test by the moment that cleaning up takes.

use std::fs;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use dtraf_tests::{eventually, hierarchies};
use rustix::process::{Pid, Signal, kill_process};

use crate::answer;

/// Makes a world, prints its name and its first process, waits for the standard input to close, takes the world away.
pub(crate) fn run() -> Result<()> {
    let siblings = prefix()?;
    remove_abandoned(&siblings)?;
    let name = format!("{siblings}{}", std::process::id());
    let own = std::env::current_exe().context("find this program's own file")?;
    // Should the keeper be killed, unshare goes with it, and the world with unshare.
    let mut unshare = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "unshare", "--mount", "--net", "--pid", "--ipc", "--uts"])
        .args(["--fork", "--kill-child=KILL", "--mount-proc", "--propagation", "private", "--"])
        .arg(own)
        .arg("init")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // Some releases of unshare complain at every end; this is read when there was no beginning.
        .stderr(Stdio::piped())
        .spawn()
        .context("start setpriv unshare (package util-linux)")?;
    let mut line = String::new();
    BufReader::new(unshare.stdout.take().context("its output is a pipe")?).read_line(&mut line)?;
    if line.trim() != "ready" {
        let ended = unshare.wait_with_output()?;
        bail!(
            "the world's first process: {}: {}",
            ended.status,
            String::from_utf8_lossy(&ended.stderr).trim()
        );
    }
    let init = only_child(unshare.id())?;
    answer(&format!("{name} {init}"))?;

    // Nothing is ever written there: it ends when the test does, in whatever way.
    let mut nothing = Vec::new();
    io::stdin().read_to_end(&mut nothing).context("wait for the test's end")?;

    let init = i32::try_from(init).ok().and_then(Pid::from_raw).context("a process has a number")?;
    kill_process(init, Signal::KILL).context("end the world's first process")?;
    unshare.wait().context("wait for the world's end")?;
    remove_cgroups(&name)
}

fn only_child(pid: u32) -> Result<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    children.trim().parse().with_context(|| format!("read the one child of {pid} from {children:?}"))
}

/// How the names of labs, and so of their control groups, begin; the keeper's number follows.
///
/// Processes have their numbers in a process namespace, control groups are there for all: the prefix tells them apart.
fn prefix() -> Result<String> {
    let namespace = fs::metadata("/proc/self/ns/pid").context("look at the process namespace")?.ino();
    Ok(format!("dtraf-lab-{namespace}-"))
}

/// Removes what is left of worlds whose keeper was killed before it could clean up.
fn remove_abandoned(siblings: &str) -> Result<()> {
    for hierarchy in hierarchies()? {
        for entry in fs::read_dir(&hierarchy).with_context(|| format!("list {}", hierarchy.display()))? {
            let group = entry?;
            let name = group.file_name().to_string_lossy().into_owned();
            let keeper = name.strip_prefix(siblings).and_then(|number| number.parse::<u32>().ok());
            if keeper.is_some_and(|keeper| !Path::new(&format!("/proc/{keeper}")).exists()) {
                // What cannot be removed yet will be by the next one.
                remove_tree(&group.path());
            }
        }
    }
    Ok(())
}

fn remove_cgroups(name: &str) -> Result<()> {
    for hierarchy in hierarchies()? {
        let top = hierarchy.join(name);
        // The kernel lets go of a group a moment after its last process.
        eventually(&format!("the removal of {}", top.display()), Duration::from_secs(10), || {
            Ok(remove_tree(&top).then_some(()))
        })?;
    }
    Ok(())
}

/// Removes a control group and those below it; whether it is gone.
fn remove_tree(group: &Path) -> bool {
    let Ok(entries) = fs::read_dir(group) else { return !group.exists() };
    for entry in entries.filter_map(Result::ok) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    match fs::remove_dir(group) {
        Ok(()) => true,
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}
