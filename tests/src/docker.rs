//! The lab's dockerd and its client.
//!
//! In the lab `/run` is a file system of its own, so Docker's default socket and state are the lab's. Its data lie there too.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use crate::deadline::eventually;
use crate::image;
use crate::place::Place;
use crate::process::Process;

#[derive(Debug)]
pub(crate) struct Docker {
    host: Place,
    arguments: Vec<String>,
    daemon: Option<Process>,
}

impl Docker {
    pub(crate) fn start(host: &Place, name: &str, more: &[String]) -> Result<Self> {
        let own = [
            // The tester's own settings are not what is meant here.
            "--config-file=/run/dockerd.json",
            "--data-root=/run/docker-data",
            "--exec-opt=native.cgroupdriver=cgroupfs",
        ];
        let mut arguments: Vec<String> = own.map(str::to_owned).into();
        arguments.push(format!("--cgroup-parent=/{name}"));
        arguments.extend_from_slice(more);
        let mut docker = Self { host: host.clone(), arguments, daemon: None };
        fs::write(docker.path("/run/dockerd.json"), "{}").context("write dockerd's settings")?;
        docker.start_daemon()?;
        docker.import_image().context("import the lab's image")?;
        Ok(docker)
    }

    pub(crate) fn restart(&mut self) -> Result<()> {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.stop(Signal::TERM, Duration::from_mins(1))?;
        }
        self.start_daemon()
    }

    pub(crate) fn client(&self, args: &[&str]) -> Result<String> {
        self.host.run("docker", args)
    }

    fn start_daemon(&mut self) -> Result<()> {
        let script = "exec dockerd \"$@\" >>/run/dockerd.log 2>&1";
        let mut command = self.host.command("sh");
        command.args(["-c", script, "dockerd"]).args(&self.arguments);
        let mut daemon = Process::start("dockerd", &mut command)?;
        let answer = eventually("dockerd's answer", Duration::from_mins(1), || {
            if daemon.is_over()? {
                bail!("dockerd ended");
            }
            Ok(self.answers().then_some(()))
        });
        answer.with_context(|| self.log())?;
        self.daemon = Some(daemon);
        Ok(())
    }

    /// Whether dockerd answers a ping. Asked directly: the client takes its time.
    fn answers(&self) -> bool {
        let ping = || -> std::io::Result<Vec<u8>> {
            let mut socket = UnixStream::connect(self.path("/run/docker.sock"))?;
            socket.set_read_timeout(Some(Duration::from_secs(5)))?;
            socket.write_all(b"GET /_ping HTTP/1.0\r\n\r\n")?;
            let mut answer = Vec::new();
            socket.read_to_end(&mut answer)?;
            Ok(answer)
        };
        ping().is_ok_and(|answer| answer.ends_with(b"OK"))
    }

    fn import_image(&self) -> Result<()> {
        let mut command = self.host.command("docker");
        command.args(["import", "--change", r#"CMD ["sleep", "infinity"]"#, "-", image::NAME]);
        let archive = image::archive()?;
        let mut client = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("start docker import")?;
        client.stdin.take().context("its input is a pipe")?.write_all(&archive)?;
        let output = client.wait_with_output()?;
        if !output.status.success() {
            bail!("docker import: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// The end of dockerd's log, for an error's context.
    fn log(&self) -> String {
        let log = fs::read_to_string(self.path("/run/dockerd.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        format!("dockerd's log ends with:\n{}", lines[lines.len().saturating_sub(15)..].join("\n"))
    }

    fn path(&self, inside: &str) -> String {
        format!("/proc/{}/root{inside}", self.host.init)
    }
}
