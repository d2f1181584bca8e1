//! One ledger, whatever time zone the daemon, cron and the shell are in.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::audited;
use dtraf_tests::ledger::Ledger;
use dtraf_tests::{Dtraf, Lab, eventually};
use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(20);

/// As `dtraf run` of an earlier release has left it in Berlin: counted from 2025-01-05 on, with days of the last half year.
const EARLIER: &str = include_str!("../../dtraf/src/store/tests/layout-3-time.sql");

fn json(text: &str) -> Result<Value> {
    serde_json::from_str(text).with_context(|| format!("read {text}"))
}

#[test]
fn daemon_shell_and_cron_in_three_zones_give_the_same_figures() -> Result<()> {
    let lab = Lab::start()?;
    let (dtraf, ledger) = (Dtraf::new(&lab)?, Ledger::new()?);
    let db = ledger.option();
    let run = ["run", "--headless", "--flush=200ms", &db];
    let mut daemon = dtraf.in_zone("Asia/Kolkata").start(&run)?;
    let container = lab.container("zoned").start()?;
    eventually("it to be counted", LIMIT, || Ok(audited(&dtraf, &container).ok().map(drop)))?;
    let server = container.place()?.serve_tcp(7000)?;
    let address = SocketAddr::new(container.address("bridge")?, 7000);
    lab.host().tcp(address, 1_000, 300_000)?;
    eventually("its account", LIMIT, || {
        Ok(dtraf.run(&["account", "list", &db])?.contains("zoned").then_some(()))
    })?;
    dtraf.run(&["quota", "set", "zoned", "100kB", "--counts=tx", &db])?;
    daemon.process.stop(Signal::TERM, LIMIT)?.success()?;

    // The host moves: the ledger does not, and that is told once.
    let mut daemon = dtraf.in_zone("America/New_York").start(&run)?;
    lab.host().tcp(address, 1_000, 300_000)?;
    drop(server);
    let booked = eventually("the ledger to have what the kernel has", LIMIT, || {
        let kernel = audited(&dtraf, &container)?.total.tx.wire_bytes;
        Ok((ledger.total("zoned")?.tx.wire_bytes == kernel).then_some(kernel))
    })?;
    let told = daemon.process.stop(Signal::TERM, LIMIT)?.success()?.errors;
    let moved = "the ledger goes on in the time zone Asia/Kolkata, which is not the host's; `dtraf ledger zone America/New_York`";
    ensure!(told.matches(moved).count() == 1, "{told}");
    ensure!(booked > 600_000, "{booked}");

    let shells = ["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati", "EST5EDT", "No/Where", ""];
    let mut said = Vec::new();
    for shell in shells {
        let dtraf = dtraf.in_zone(shell);
        ensure!(dtraf.run(&["ledger", "zone", &db])?.trim() == "Asia/Kolkata", "{shell}");
        let mut figures = Vec::new();
        for command in [
            &["report"][..],
            &["report", "--hourly", "--from=today", "--to=today"],
            &["report", "--bill", "--counts=tx"],
            &["quota", "list"],
        ] {
            figures.push(dtraf.run(&[command, &["--format=json", &db]].concat())?);
        }
        let bill = json(&figures[2])?;
        ensure!(bill["host"][0]["billable_bytes"] == booked, "{shell}: {bill}");
        ensure!(bill["from"].as_str().is_some_and(|from| from.ends_with("+05:30")), "{bill}");
        let check = dtraf.end(&["quota", "check", &db])?;
        ensure!(check.status.code() == Some(3), "{shell}: {:?} {}", check.status, check.errors);
        said.push(figures);
    }
    ensure!(said.iter().all(|figures| *figures == said[0]), "{said:#?}");

    // Another zone is asked for by name; its day is made of spans of five minutes here.
    let york =
        json(&dtraf.run(&["report", "--from=yesterday", "--tz=America/New_York", "--format=json", &db])?)?;
    ensure!(york["total"]["tx"]["wire_bytes"] == booked, "{york}");
    ensure!(york["time_zones"] == serde_json::json!(["America/New_York"]), "{york}");
    let wrong = dtraf.end(&["report", "--tz=No/Where", &db])?;
    ensure!(
        wrong.status.code() == Some(2) && wrong.errors.contains("is not a time zone"),
        "{}",
        wrong.errors
    );

    // From the next month on it is in another zone.
    let changed = dtraf.run(&["ledger", "zone", "America/New_York", &db])?;
    ensure!(
        changed.contains("The ledger is in America/New_York from ") && changed.contains("-01 on"),
        "{changed}"
    );
    let zones = dtraf.run(&["ledger", "zone", &db])?;
    let lines: Vec<_> = zones.lines().collect();
    ensure!(lines.first() == Some(&"Asia/Kolkata") && lines.len() == 3, "{zones}");
    let bill = json(&dtraf.run(&["report", "--bill", "--counts=tx", "--format=json", &db])?)?;
    ensure!(bill["host"][0]["billable_bytes"] == booked, "{bill}");
    container.remove()
}

#[test]
fn a_host_whose_zone_has_no_name_gives_its_ledger_one_of_the_same_rules() -> Result<()> {
    let lab = Lab::start()?;
    let dtraf = Dtraf::new(&lab)?;
    for (zone, names) in [
        ("EST5EDT", &["EST5EDT"][..]),
        (":/usr/share/zoneinfo/Asia/Kathmandu", &["Asia/Kathmandu"]),
        ("<+0530>-5:30", &["Asia/Colombo", "Asia/Kolkata", "Asia/Calcutta"]),
        ("", &["UTC"]),
        // What cannot be read is left aside.
        ("No/Where", &["UTC", "Etc/UTC"]),
    ] {
        let ledger = Ledger::new()?;
        let ended = dtraf.in_zone(zone).end(&["run", "--once", &ledger.option()])?.success()?;
        let taken = dtraf.run(&["ledger", "zone", &ledger.option()])?;
        ensure!(names.contains(&taken.trim()), "{zone}: {taken}");
        ensure!(
            (zone == "No/Where") == ended.errors.contains("is not a time zone and is ignored"),
            "{zone}: {}",
            ended.errors
        );
    }
    Ok(())
}

#[test]
fn a_cycle_whose_days_an_earlier_release_has_dropped_has_no_figures_and_later_ones_are_exact() -> Result<()> {
    let lab = Lab::start()?;
    let (dtraf, ledger) = (Dtraf::new(&lab)?, Ledger::new()?);
    let db = ledger.option();
    let connection = Connection::open(ledger.path()).context("make a ledger")?;
    connection.execute_batch(EARLIER).context("fill a ledger")?;
    drop(connection);
    dtraf.in_zone("UTC").end(&["run", "--once", &db])?.success()?;
    let cycle = |first: &str, last: &str, format: &str| {
        let (from, to) = (format!("--from={first}"), format!("--to={last}"));
        let format = format!("--format={format}");
        dtraf.in_zone("America/New_York").run(&[
            "report",
            "--bill",
            "--allowance=1kB",
            "--price=1",
            &from,
            &to,
            &format,
            &db,
        ])
    };
    for (first, last) in [("2026-04-15", "2026-05-14"), ("2025-06-15", "2025-07-14")] {
        let bill = json(&cycle(first, last, "json")?)?;
        for line in [&bill["lines"][0], &bill["host"][0]] {
            for field in ["rx_bytes", "tx_bytes", "billable_bytes", "over_bytes", "cost"] {
                ensure!(line[field].is_null(), "{field}: {bill}");
            }
        }
        ensure!(bill["lines"][0]["name"] == "web" && bill["kept_since"].is_string(), "{bill}");
        let values = cycle(first, last, "csv")?;
        ensure!(
            values.lines().skip(1).all(|line| line.contains(",1,,,2026-05-17T00:00:00+02:00")),
            "{values}"
        );
        ensure!(cycle(first, last, "table")?.contains("Not known (?)"), "{first}");
    }
    // All of its days are there.
    let bill = json(&cycle("2026-08-15", "2026-09-14", "json")?)?;
    let days = "SELECT sum(rx_skbs) FROM traffic WHERE tier = 2 AND part = 0 AND start >= unixepoch('2026-08-14T22:00:00Z') AND start < \
                unixepoch('2026-09-14T22:00:00Z')";
    let packets = ledger.number(days)?;
    ensure!(packets > 10 && bill["host"][0]["rx_bytes"] == packets * 1_000, "{packets} {bill}");
    // A month before the ledger began was not counted.
    let report = json(&dtraf.run(&["report", "--from=2024-03", "--to=2024-03", "--format=json", &db])?)?;
    ensure!(report["total"].is_null() && report["gaps"][0]["reason"] == "not_counted", "{report}");
    Ok(())
}
