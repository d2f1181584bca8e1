//! The ports that something in a container listens on.
//!
//! The kernel is asked from within the container's network namespace, by a thread of its own that goes there for that socket
//! alone. Where that is not allowed (it wants `CAP_SYS_ADMIN`), or where the kernel cannot be asked, `/proc/PID/net` is read.
//! Refuses to say which process it is. What is bound to a loopback address is left out: no interface carries it, and Docker's
//! name server listens there in every container of a user-defined network, on a port that the container's own connections
//! may use outside.

mod diag;
mod tables;

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

use self::diag::Visitor;
use crate::accounting::inventory::PortNumber;

/// `net.ipv4.ip_local_port_range`'s default: a UDP socket bound here is most likely a client's.
const EPHEMERAL: RangeInclusive<u16> = 32768..=60999;

#[derive(Debug, thiserror::Error)]
#[error("read the listening sockets of process {pid} from {} (is the host's /proc visible?)", path.display())]
pub(crate) struct SocketsError {
    pid: u32,
    path: PathBuf,
    source: io::Error,
}

/// Looks into one container at a time.
#[derive(Debug)]
pub(crate) struct Looker {
    questions: mpsc::Sender<Question>,
}

#[derive(Debug)]
struct Question {
    pid: u32,
    answer: oneshot::Sender<Result<BTreeSet<PortNumber>, SocketsError>>,
}

impl Looker {
    pub(crate) fn start() -> io::Result<Self> {
        let (questions, asked) = mpsc::channel();
        thread::Builder::new().name("sockets".to_owned()).spawn(move || serve(&asked))?;
        Ok(Self { questions })
    }

    /// What the network namespace of process `pid` listens on; empty when the process is gone. `None` when nobody looks any
    /// more.
    pub(crate) async fn listening(&self, pid: u32) -> Option<Result<BTreeSet<PortNumber>, SocketsError>> {
        let (answer, answered) = oneshot::channel();
        self.questions.send(Question { pid, answer }).ok()?;
        answered.await.ok()
    }
}

fn serve(questions: &mpsc::Receiver<Question>) {
    let visitor = Visitor::new();
    for Question { pid, answer } in questions {
        let told = match &visitor {
            Ok(visitor) => visitor.listening(pid),
            Err(error) => Err(error.kind().into()),
        };
        let found = match told {
            Ok(mut ports) => tables::listening_by_sctp(pid).map(|others| {
                ports.extend(others);
                ports
            }),
            Err(error) => {
                log::debug!("listening sockets of process {pid}: {error}; reading its tables");
                tables::listening(pid)
            }
        };
        // Who has asked may have ended.
        drop(answer.send(found));
    }
}

fn is_absence(error: &io::Error) -> bool {
    let gone = rustix::io::Errno::SRCH.raw_os_error();
    // EINVAL: the process is a zombie, whose /proc/PID/net has nothing behind it.
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput)
        || error.raw_os_error() == Some(gone)
}
