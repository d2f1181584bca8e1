//! A terminal, a program in it, and somebody who types and looks when the picture is complete.
//!
//! For measurements: what a picture says is read best with the help of tmux.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::place::Place;
use crate::process::Process;

/// What dtraf sends behind each picture: the end of a synchronized update.
const END: &[u8] = b"\x1b[?2026l";

/// Dropping it kills the program.
#[derive(Debug)]
pub struct Terminal {
    pub process: Process,
    keyboard: File,
    pictures: Receiver<Instant>,
}

impl Terminal {
    /// Starts a program in a terminal of so many columns and rows.
    pub fn open(place: &Place, (columns, rows): (u16, u16), program: &str, args: &[&str]) -> Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).context("open a terminal")?;
        grantpt(&master).and_then(|()| unlockpt(&master)).context("open a terminal for a program")?;
        let name = ptsname(&master, Vec::new()).context("find a terminal's name")?;
        let slave = open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty())
            .context("open a terminal's other end")?;
        let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&slave, size).context("set a terminal's size")?;
        let slave = File::from(slave);
        // Its own session: /dev/tty is this terminal there, and not the one that the benchmark was started from.
        let mut command = place.command("setsid");
        command.args(["--ctty", program]).args(args);
        command.stdin(slave.try_clone()?).stdout(slave.try_clone()?).stderr(slave);
        let process = Process::in_terminal(program, &mut command)?;
        let keyboard = File::from(master);
        let mut screen = keyboard.try_clone()?;
        let (sender, pictures) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 1 << 12];
            let mut tail = Vec::new();
            // Reading fails once the other end is closed.
            while let Ok(length @ 1..) = screen.read(&mut bytes) {
                let at = now();
                tail.extend_from_slice(&bytes[..length]);
                let ends = tail.windows(END.len()).filter(|window| *window == END).count();
                // An end that has come in part is counted with its other part.
                tail.drain(..tail.len().saturating_sub(END.len() - 1));
                if (0..ends).any(|_| sender.send(at).is_err()) {
                    break;
                }
            }
        });
        Ok(Self { process, keyboard, pictures })
    }

    /// Waits until no picture has come for so long.
    pub fn settle(&self, quiet: Duration) {
        while self.pictures.recv_timeout(quiet).is_ok() {}
    }

    /// How long it takes from a key until the picture is complete.
    pub fn press(&mut self, key: &[u8], limit: Duration) -> Result<Duration> {
        let begun = now();
        self.keyboard.write_all(key).context("type into a terminal")?;
        match self.pictures.recv_timeout(limit) {
            Ok(at) => Ok(at.saturating_duration_since(begun)),
            Err(RecvTimeoutError::Timeout) => bail!("no picture within {limit:?} of a key"),
            Err(RecvTimeoutError::Disconnected) => bail!("the terminal was closed"),
        }
    }

    /// Types a key that ends the program, and waits for its end.
    pub fn leave(&mut self, key: &[u8], limit: Duration) -> Result<()> {
        self.keyboard.write_all(key).context("type into a terminal")?;
        self.process.end(limit)?.success().map(drop)
    }
}

#[expect(clippy::disallowed_methods, reason = "how long it took is the answer")]
fn now() -> Instant {
    Instant::now()
}
