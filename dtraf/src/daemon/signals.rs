//! The signals that end a run.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Caught from its making on.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// Only while a terminal is taken: elsewhere `nohup` may have it ignored.
    hangup: Option<Signal>,
}

impl Signals {
    pub(crate) fn new(on_terminal: bool) -> anyhow::Result<Self> {
        let catch = |kind| signal(kind).context("catch SIGINT, SIGTERM and SIGHUP");
        let hangup = on_terminal.then(|| catch(SignalKind::hangup())).transpose()?;
        let (interrupt, terminate) = (catch(SignalKind::interrupt())?, catch(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, hangup })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = hung_up(&mut self.hangup) => {}
        }
    }
}

async fn hung_up(hangup: &mut Option<Signal>) {
    match hangup {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
