//! The live view in a terminal: what somebody sees is what was carried, and leaving it leaves everything else alone.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::ledger::Ledger;
use dtraf_tests::{Dtraf, Lab, Outside, Patience, Shared, eventually};
use serde_json::Value;

/// In the lab's own `/run`: no other tmux is met. Each session has a server of its own, for one whose last session has just
/// been closed takes no other.
const SOCKETS: &str = "/run/live-view";
const LIMIT: Duration = Duration::from_secs(20);
const DOWNLOAD: u64 = 100_000_000;
/// Seconds between two readings while it is downloaded.
const INTERVAL: u32 = 3;

/// dtraf in a terminal of its own. Dropping it closes the terminal.
struct Terminal<'a> {
    lab: &'a Lab,
    session: &'static str,
}

impl<'a> Terminal<'a> {
    fn open(lab: &'a Lab, session: &'static str, size: (u16, u16), args: &str) -> Result<Self> {
        Self::open_with(lab, session, size, "", args)
    }

    /// With variables such as `NAME=value`.
    fn open_with(
        lab: &'a Lab,
        session: &'static str,
        size: (u16, u16),
        variables: &str,
        args: &str,
    ) -> Result<Self> {
        let program = Dtraf::new(lab)?.program().display().to_string();
        // What is behind the view, and stays when it is left.
        let script =
            format!("echo before; {variables} {program} {args}; echo ended with $?; exec sleep 1000");
        let (columns, rows) = (size.0.to_string(), size.1.to_string());
        let terminal = Self { lab, session };
        terminal.tmux(&["new-session", "-d", "-s", session, "-x", &columns, "-y", &rows, &script])?;
        Ok(terminal)
    }

    fn tmux(&self, args: &[&str]) -> Result<String> {
        let socket = format!("{SOCKETS}-{}", self.session);
        self.lab.host().run("tmux", &[&["-u", "-f", "/dev/null", "-S", &socket], args].concat())
    }

    fn press(&self, keys: &[&str]) -> Result<()> {
        self.tmux(&[&["send-keys", "-t", self.session], keys].concat()).map(drop)
    }

    fn screen(&self) -> Result<String> {
        self.tmux(&["capture-pane", "-p", "-t", self.session])
    }

    /// With the sequences that colour it.
    fn painted(&self) -> Result<String> {
        self.tmux(&["capture-pane", "-e", "-p", "-t", self.session])
    }

    fn shows(&self, what: &str, mut wanted: impl FnMut(&str) -> bool) -> Result<String> {
        let mut last = String::new();
        eventually(what, LIMIT, || {
            last = self.screen()?;
            Ok(wanted(&last).then(|| last.clone()))
        })
        .with_context(|| format!("the screen of {}:\n{}", self.session, self.screen().unwrap_or_default()))
    }

    /// Demands a terminal as it was before: the usual screen, the cursor, no mouse, and what is said there.
    fn is_restored(&self) -> Result<String> {
        let shown = self.shows("the end", |screen| screen.contains("ended with 0"))?;
        ensure!(shown.starts_with("before\n"), "what was there is there again: {shown}");
        let flags = "#{alternate_on} #{cursor_flag} #{mouse_any_flag}";
        let flags = self.tmux(&["display-message", "-p", "-t", self.session, flags])?;
        ensure!(flags.trim() == "0 1 0", "alternate screen, cursor, mouse: {flags}");
        Ok(shown)
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        // It may have been closed already.
        drop(self.tmux(&["kill-session", "-t", self.session]));
    }
}

/// The line of a table that begins with `name`.
fn line<'a>(screen: &'a str, name: &str) -> Option<&'a str> {
    screen.lines().find(|line| line.split_whitespace().next() == Some(name))
}

/// The figures in a line: `1.50 kB` is 1500.
fn figures(line: &str) -> Vec<f64> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let scale = |unit: &str| match unit {
        "B" => Some(1.0),
        "kB" => Some(1e3),
        "MB" => Some(1e6),
        "GB" => Some(1e9),
        _ => None,
    };
    words.windows(2).filter_map(|pair| Some(pair[0].parse::<f64>().ok()? * scale(pair[1])?)).collect()
}

fn is_about(figure: f64, expected: f64) -> bool {
    (figure - expected).abs() < expected * 0.15
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "compared with figures of five digits")]
fn a_download_is_seen_at_its_rate_under_its_container_port_and_scope() -> Result<()> {
    let lab = Shared::lab()?;
    let served = lab.container("download").publish("8080:80").start()?;
    let _idle = lab.container("idle").start()?;
    let _server = served.place()?.serve_tcp(80)?;
    // Long enough that no reading is missed, however busy the machine is.
    let view = Terminal::open(&lab, "narrow", (80, 24), &format!("run --interval={INTERVAL}s"))?;
    view.shows("both containers", |screen| screen.contains("2 counted") && line(screen, "idle").is_some())?;
    view.shows("a rate", |screen| line(screen, "download").is_some_and(|line| figures(line).len() == 4))?;

    let outside = lab.outside().place();
    let download = std::thread::scope(|scope| -> Result<f64> {
        let carried =
            scope.spawn(move || outside.tcp(SocketAddr::new(Outside::HOST_V4, 8080), 100, DOWNLOAD));
        // Every rate that is shown, until the reading after the last packet.
        let (mut sum, mut last) = (0.0, String::new());
        let patience = Patience::of(Duration::from_mins(1));
        let mut quiet = 0;
        while patience.left().is_some() && quiet < 2 {
            let screen = view.screen()?;
            let (Some(line), Some(heading)) = (line(&screen, "download"), screen.lines().next()) else {
                continue;
            };
            let rate = figures(line).get(1).copied().unwrap_or_default();
            let key = format!("{heading} {rate}");
            if key != last {
                sum += rate;
                quiet = if rate == 0.0 && sum > 0.0 { quiet + 1 } else { 0 };
                last = key;
            }
            std::thread::sleep(Duration::from_millis(40));
        }
        carried.join().expect("a download that fails says so")?;
        Ok(sum * f64::from(INTERVAL))
    })?;
    ensure!(is_about(download, DOWNLOAD as f64), "rates add up to {download} bytes");

    let screen = view.screen()?;
    let total = Dtraf::new(&lab)?.stats()?.container("download")?.figures()?.total.tx.wire_bytes;
    let shown = figures(line(&screen, "download").context("its line")?);
    ensure!((shown[3] - total as f64).abs() < 10_001.0, "{total} bytes, and the screen says:\n{screen}");
    ensure!(figures(line(&screen, "idle").context("its line")?)[3] < 100_000.0, "{screen}");

    view.press(&["Enter"])?;
    let page = view.shows("its page", |screen| line(screen, "80/tcp").is_some())?;
    let port = line(&page, "80/tcp").context("its port")?;
    ensure!(port.contains("server") && port.contains("internet"), "{page}");
    ensure!(is_about(figures(port)[3], DOWNLOAD as f64), "{page}");
    ensure!(page.contains("8080->80/tcp") && page.contains("bridge"), "{page}");

    view.press(&["q"])?;
    let left = view.is_restored()?;
    ensure!(left.contains("counting goes on") && left.contains("dtraf uninstall"), "{left}");
    lab.outside().place().tcp(SocketAddr::new(Outside::HOST_V4, 8080), 100, 1_000_000)?;
    let later = Dtraf::new(&lab)?.stats()?.container("download")?.figures()?.total.tx.wire_bytes;
    ensure!(later > total + 1_000_000, "{total}, and then {later}");
    Dtraf::new(&lab)?.end(&["uninstall", "--yes"])?.success().map(drop)
}

#[test]
fn top_shows_what_another_counts_and_filters_as_one_types() -> Result<()> {
    let lab = Shared::lab()?;
    let _shop =
        lab.container("shop-web").label("com.docker.compose.project=shop").publish("8081:80").start()?;
    let _other = lab.container("other").start()?;
    Dtraf::new(&lab)?.end(&["run", "--once"])?.success()?;
    let view = Terminal::open(&lab, "wide", (200, 50), "top --interval=200ms")?;
    let screen = view.shows("both containers", |screen| {
        line(screen, "shop-web").is_some() && line(screen, "other").is_some()
    })?;
    for title in ["PROJECT", "NETWORKS", "ADDRESS", "PORTS", "TREND", "PKTS/S", "BUSIEST"] {
        ensure!(screen.contains(title), "{title}:\n{screen}");
    }
    let shop = line(&screen, "shop-web").context("its line")?;
    ensure!(shop.contains("8081->80/tcp") && shop.contains(" shop "), "{screen}");
    view.press(&["/", "8", "0", "8", "1"])?;
    view.shows("one container", |screen| {
        line(screen, "other").is_none() && line(screen, "shop-web").is_some()
    })?;
    view.press(&["Escape"])?;
    view.shows("both again", |screen| line(screen, "other").is_some())?;
    view.tmux(&["resize-window", "-t", "wide", "-x", "70", "-y", "20"])?;
    view.shows("fewer columns", |screen| !screen.contains("ADDRESS") && line(screen, "other").is_some())?;
    view.press(&["C-c"])?;
    view.is_restored()?;
    Dtraf::new(&lab)?.end(&["uninstall", "--yes"])?.success().map(drop)
}

#[test]
fn where_rules_count_it_says_what_they_do_not_see_and_no_color_takes_colours_away() -> Result<()> {
    /// Whether there is a colour of letters among the sequences.
    fn is_coloured(painted: &str) -> bool {
        let sequences = painted.split("\x1b[").skip(1).filter_map(|rest| rest.split_once('m'));
        let mut numbers =
            sequences.flat_map(|(numbers, _)| numbers.split(';').filter_map(|it| it.parse().ok()));
        numbers.any(|number: u8| (30..38).contains(&number) || (90..98).contains(&number))
    }

    let lab = Shared::lab()?;
    let _ruled = lab.container("ruled").publish("8082:80").start()?;
    for (session, variables, coloured) in [("coloured", "NO_COLOR=", true), ("plain", "NO_COLOR=1", false)] {
        let view = Terminal::open_with(&lab, session, (80, 24), variables, "run --backend=iptables")?;
        let screen = view.shows("the container", |screen| line(screen, "ruled").is_some())?;
        ensure!(
            screen.contains("iptables, skb IP bytes") && screen.contains("not seen: wire bytes"),
            "{screen}"
        );
        ensure!(is_coloured(&view.painted()?) == coloured, "{:?}", view.painted()?);
        view.press(&["?"])?;
        view.press(&["G"])?;
        view.shows("what is not seen", |screen| screen.contains("not seen: who the other end is"))?;
        view.press(&["Escape"])?;
        view.press(&["w"])?;
        view.shows("that there is one figure", |screen| screen.contains("skb IP bytes and nothing else"))?;
        view.press(&["q"])?;
        view.is_restored()?;
    }
    Dtraf::new(&lab)?.end(&["uninstall", "--yes"])?.success().map(drop)
}

#[test]
fn a_signal_and_a_terminal_that_disappears_end_it_and_not_the_counting() -> Result<()> {
    let lab = Shared::lab()?;
    let _container = lab.container("signalled").start()?;
    let pids = || lab.host().run("pidof", &["dtraf"]).map(|text| text.trim().to_owned());
    for session in ["ended", "vanished"] {
        let view = Terminal::open(&lab, session, (80, 24), "run")?;
        view.shows("the container", |screen| line(screen, "signalled").is_some())?;
        if session == "ended" {
            lab.host().run("kill", &["-TERM", &pids()?])?;
            view.is_restored()?;
        }
        drop(view);
        eventually("its end", LIMIT, || Ok(pids().is_err().then_some(())))?;
        ensure!(Dtraf::new(&lab)?.stats()?.container("signalled")?.figures().is_ok());
    }
    Dtraf::new(&lab)?.end(&["uninstall", "--yes"])?.success().map(drop)
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "compared with figures of five digits")]
fn today_and_the_cycle_are_what_the_report_says() -> Result<()> {
    let lab = Shared::lab()?;
    let (dtraf, ledger) = (Dtraf::new(&lab)?, Ledger::new()?);
    let db = ledger.option();
    let container = lab.container("kept").start()?;
    let _server = container.place()?.serve_tcp(80)?;
    let view = Terminal::open(&lab, "kept", (250, 30), &format!("run --flush=500ms {db}"))?;
    view.shows("the container", |screen| line(screen, "kept").is_some_and(|line| figures(line).len() >= 4))?;
    lab.host().tcp(SocketAddr::new(container.address("bridge")?, 80), 100, 5_000_000)?;
    eventually("its account", LIMIT, || {
        Ok(dtraf.run(&["account", "list", &db])?.contains("kept").then_some(()))
    })?;
    dtraf.run(&["quota", "set", "kept", "8MB", &db])?;
    lab.host().tcp(SocketAddr::new(container.address("bridge")?, 80), 100, 1_000_000)?;
    let agreed = |session: &Terminal<'_>| {
        session.shows("what the report says", |screen| {
            let reported = || -> Result<f64> {
                let text = dtraf.run(&["report", "--from=today", "--format=json", "kept", &db])?;
                let report: Value = serde_json::from_str(&text).context("read a report")?;
                let bytes = |direction: &str| report["total"][direction]["wire_bytes"].as_u64();
                Ok((bytes("rx").context("rx")? + bytes("tx").context("tx")?) as f64)
            };
            let (Some(line), Ok(reported)) = (line(screen, "kept"), reported()) else { return false };
            // RX and TX, of the rate and of all, and behind them today and the cycle: rounded to 10 kB.
            let figures = figures(line);
            let is_it = |figure: &f64| (figure - reported).abs() <= 5_000.0;
            let percent = format!(" {:.0} %", (reported * 100.0 / 8e6).floor());
            reported > 6e6 && figures.len() >= 6 && figures[4..6].iter().all(is_it) && line.contains(&percent)
        })
    };
    let shown = agreed(&view)?;
    ensure!(shown.contains("TODAY") && shown.contains("CYCLE") && shown.contains("QUOTA"), "{shown}");
    // Beside it, `dtraf top` says the same.
    agreed(&Terminal::open(&lab, "beside", (250, 30), &format!("top {db}"))?)?;
    view.press(&["q"])?;
    view.is_restored().map(drop)
}

#[test]
fn the_view_of_peers_finds_the_origin_behind_a_proxy() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let terminal = Terminal::open(&lab, "peers", (80, 24), "run --peers")?;
    let (origin, _server) = lab.served("view-origin", (8093, 80))?;
    let proxy = lab.container("view-proxy").start()?;
    let to = SocketAddr::new(origin.address("bridge")?, 80);
    eventually("both to be counted", LIMIT, || {
        let report = dtraf.stats()?;
        let is_counted = |name| report.container(name).is_ok_and(|container| container.figures().is_ok());
        Ok((is_counted("view-origin") && is_counted("view-proxy")).then_some(()))
    })?;
    proxy.place()?.tcp(to, 1, 3_000_000)?;
    let shown = terminal.shows("both views of the pair", |screen| {
        let pair = |one, other| {
            screen.lines().find(|line| line.split_whitespace().take(2).eq([one, other])).map(figures)
        };
        let is_it = |one: Vec<f64>, other: Vec<f64>| {
            // Rates come first.
            let total = |figures: &[f64], at: usize| figures.len() == 4 && figures[at] >= 3e6;
            total(&one, 3) && total(&other, 2) && one[3].total_cmp(&other[2]).is_eq()
        };
        pair("view-origin", "view-proxy")
            .zip(pair("view-proxy", "view-origin"))
            .is_some_and(|(one, other)| is_it(one, other))
    })?;
    println!("{shown}");
    let proxied = dtraf.stats()?.container("view-proxy")?.figures()?.peer("view-origin");
    ensure!(proxied.rx.wire_bytes > 3_000_000, "{proxied:?}");
    Ok(())
}
