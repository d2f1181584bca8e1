//! What is photographed: a window, and the keys that lead there.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use dtraf_tests::Lab;

/// Columns and rows.
pub(super) type Size = (u16, u16);

pub(super) const NARROW: Size = (80, 24);
pub(super) const WIDE: Size = (200, 50);
/// With room for all columns.
const WIDEST: Size = (250, 24);
const README: Size = (112, 24);

#[derive(Debug, Clone, Copy)]
pub(super) struct Shot {
    pub(super) name: &'static str,
    pub(super) size: Size,
    /// From where the shot before has left the window.
    keys: &'static [&'static str],
}

const fn shot(name: &'static str, size: Size, keys: &'static [&'static str]) -> Shot {
    Shot { name, size, keys }
}

pub(super) const SHOTS: [Shot; 18] = [
    shot("readme", README, &[]),
    shot("containers", NARROW, &[]),
    shot("ports", NARROW, &["Tab"]),
    shot("scopes", NARROW, &["Tab"]),
    shot("networks", NARROW, &["Tab"]),
    shot("projects", NARROW, &["Tab"]),
    shot("peers", NARROW, &["Tab"]),
    shot("container", NARROW, &["Tab", "Enter"]),
    shot("ranked by total", NARROW, &["Escape", "t"]),
    shot("filtered", NARROW, &["t", "/", "shop"]),
    shot("held", NARROW, &["Enter", "Space"]),
    shot("help", NARROW, &["Space", "Escape", "?"]),
    shot("ports, wide", WIDE, &["Tab"]),
    shot("scopes, wide", WIDE, &["Tab"]),
    shot("networks, wide", WIDE, &["Tab"]),
    shot("peers, wide", WIDE, &["Tab", "Tab"]),
    shot("container, wide", WIDE, &["Tab", "Enter"]),
    shot("containers, widest", WIDEST, &[]),
];

pub(super) const BY_RULES: [Shot; 2] =
    [shot("containers by rules", NARROW, &[]), shot("container by rules", NARROW, &["Enter"])];

/// In the lab's own `/run`: no other tmux is met. Each window has a server of its own, for one whose last window has just been
/// closed takes no other.
const SOCKETS: &str = "/run/screens";
/// Longer than one reading takes, so that what a key asks for is on the screen, with a rate.
const MOMENT: Duration = Duration::from_millis(1500);

/// `dtraf top` in a terminal of its own. Dropping it closes the terminal.
pub(super) struct Window<'a> {
    lab: &'a Lab,
    session: String,
}

impl<'a> Window<'a> {
    pub(super) fn open(lab: &'a Lab, program: &Path, (columns, rows): Size, ledger: &str) -> Result<Self> {
        let session = format!("{columns}x{rows}");
        let window = Self { lab, session };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let top = format!("{} top {ledger}", program.display());
        window.tmux(&["new-session", "-d", "-s", &window.session, "-x", &columns, "-y", &rows, &top])?;
        Ok(window)
    }

    pub(super) fn take(&self, shot: &Shot) -> Result<String> {
        for key in shot.keys {
            self.tmux(&["send-keys", "-t", &self.session, key])?;
        }
        sleep(MOMENT);
        self.tmux(&["capture-pane", "-p", "-t", &self.session])
    }

    fn tmux(&self, args: &[&str]) -> Result<String> {
        let socket = format!("{SOCKETS}-{}", self.session);
        self.lab.host().run("tmux", &[&["-u", "-f", "/dev/null", "-S", &socket], args].concat())
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        // It may have been closed already.
        drop(self.tmux(&["kill-session", "-t", &self.session]));
    }
}
