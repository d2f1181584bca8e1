//! Quotas of accounts, while dtraf counts.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::audited;
use dtraf_tests::ledger::Ledger;
use dtraf_tests::{Dtraf, Lab, eventually};
use rustix::process::Signal;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(20);

/// Leaves what it is told, a directory for each time.
const HOOK: &str = "#!/bin/sh
told=$(mktemp -d \"$1/told.XXXXXX\")
cat > \"$told/line\"
env > \"$told/env.part\"
mv \"$told/env.part\" \"$told/env\"
";

#[test]
fn a_hook_is_run_once_for_each_threshold_and_check_says_who_is_over() -> Result<()> {
    let lab = Lab::start()?;
    let (dtraf, ledger) = (Dtraf::new(&lab)?, Ledger::new()?);
    let db = ledger.option();
    let name = "a$(touch owned);b";
    let run = || dtraf.start(&["run", "--headless", "--flush=200ms", &db]);
    let running = run()?;
    let container = lab.container("limited").label(&format!("dtraf.account={name}")).start()?;
    eventually("it to be counted", LIMIT, || Ok(audited(&dtraf, &container).ok().map(drop)))?;
    eventually("its account", LIMIT, || {
        Ok(dtraf.run(&["account", "list", &db])?.contains("touch owned").then_some(()))
    })?;

    let place = tempfile::tempdir().context("make a place for a hook")?;
    let (script, told) = (place.path().join("it's a hook"), place.path().join("told"));
    fs::create_dir(&told).context("make a place for what it is told")?;
    fs::write(&script, HOOK).context("write a hook")?;
    fs::set_permissions(&script, Permissions::from_mode(0o755)).context("make a hook a program")?;
    let hook = format!("--hook=\"{}\" '{}'", script.display(), told.display());
    dtraf.run(&["quota", "set", name, "1MB", "--counts=tx", &hook, &db])?;
    let heard = || -> Result<Vec<(String, String)>> {
        let mut heard = Vec::new();
        for directory in fs::read_dir(&told).context("read what the hook was told")? {
            let directory = directory.context("read what the hook was told")?.path();
            // It is whole once it has this name.
            let Ok(env) = fs::read_to_string(directory.join("env")) else { continue };
            let percent = env.lines().find_map(|line| line.strip_prefix("DTRAF_PERCENT="));
            heard.push((percent.context("per cent")?.to_owned(), env.clone()));
        }
        heard.sort();
        Ok(heard)
    };

    let _server = container.place()?.serve_tcp(7000)?;
    let address = SocketAddr::new(container.address("bridge")?, 7000);
    lab.host().tcp(address, 10, 500_000)?;
    std::thread::sleep(Duration::from_secs(1));
    ensure!(heard()?.is_empty(), "told of nothing: {:?}", heard()?);
    let check = dtraf.end(&["quota", "check", &db])?;
    ensure!(check.status.code() == Some(0), "{:?}: {}", check.status, check.errors);

    lab.host().tcp(address, 10, 350_000)?;
    let first = eventually("the first threshold", LIMIT, || Ok(Some(heard()?).filter(|it| !it.is_empty())))?;
    ensure!(first.len() == 1 && first[0].0 == "80", "{first:?}");
    ensure!(first[0].1.lines().any(|line| line == format!("DTRAF_ACCOUNT={name}")), "{first:?}");

    // Another process goes on, and tells nothing again.
    drop(running);
    let running = run()?;
    lab.host().tcp(address, 10, 500_000)?;
    eventually("the last threshold", LIMIT, || Ok((heard()?.len() == 2).then_some(())))?;
    lab.host().tcp(address, 10, 500_000)?;
    std::thread::sleep(Duration::from_secs(1));
    let heard = heard()?;
    let percents: Vec<_> = heard.iter().map(|(percent, _)| percent.as_str()).collect();
    ensure!(percents == ["100", "80"], "{percents:?}");

    // What is used is what the kernel has.
    eventually("the quota to say what the kernel has", LIMIT, || {
        let text = dtraf.run(&["quota", "list", "--format=json", &db])?;
        let list: Value = serde_json::from_str(&text).with_context(|| format!("read {text}"))?;
        let kernel = audited(&dtraf, &container)?.total.tx.wire_bytes;
        Ok((list["quotas"][0]["used_bytes"].as_u64() == Some(kernel)).then_some(()))
    })?;
    let check = dtraf.end(&["quota", "check", &db])?;
    ensure!(check.status.code() == Some(3), "{:?}: {}", check.status, check.errors);
    ensure!(check.errors.contains("over the quota"), "{}", check.errors);
    dtraf.run(&["quota", "remove", name, &db])?;
    ensure!(dtraf.end(&["quota", "check", &db])?.status.code() == Some(0), "there is no quota left");

    // One that is written down is as good as one that was set.
    let file = place.path().join("config.toml");
    let declared = format!("[account.\"{name}\"]\ncounts = \"tx\"\nquota = \"1.5MB\"\nquota-at = [90]\n");
    fs::write(&file, &declared).context("write a configuration")?;
    let config = format!("--config={}", file.display());
    let check = dtraf.end(&["quota", "check", &config, &db])?;
    ensure!(check.status.code() == Some(3), "{:?}: {}", check.status, check.errors);
    // Cycles begin on the day that is written down, unless another is said.
    fs::write(&file, format!("cycle-day = 28\n{declared}")).context("write a configuration")?;
    for (said, day) in [(None, 28), (Some("--cycle-day=3"), 3)] {
        let set = ["quota", "set", name, "1GB", &config, &db];
        dtraf.run(&set.into_iter().chain(said).collect::<Vec<_>>())?;
        ensure!(ledger.number("SELECT cycle_day FROM quota")? == day, "the day is {day}");
    }
    drop(running);
    fs::write(&file, declared.replace("1.5MB", "much")).context("write a configuration")?;
    for command in [&["quota", "check"][..], &["run", "--once"]] {
        let refused = dtraf.end(&[command, &[&config, "--db=/run/other.db"]].concat())?;
        ensure!(refused.status.code() == Some(1), "{command:?}: {:?}", refused.status);
        ensure!(
            refused.errors.contains("config.toml, line 3, quota: `much` is no number"),
            "{}",
            refused.errors
        );
    }
    ensure!(dtraf.end(&["quota", "set", name, "much", &db])?.status.code() == Some(2), "much is no size");
    Ok(())
}

#[test]
fn labels_say_what_an_account_may_use_when_their_container_is_gone() -> Result<()> {
    let lab = Lab::start()?;
    let (dtraf, ledger) = (Dtraf::new(&lab)?, Ledger::new()?);
    let db = ledger.option();
    let json = |command: &[&str]| -> Result<Value> {
        let ended = dtraf.end(&[command, &["--format=json", &db]].concat())?;
        let text = ended.lines.concat();
        serde_json::from_str(&text).with_context(|| format!("read what {command:?} printed: {ended:?}"))
    };
    let mut running = dtraf.start(&["run", "--headless", "--flush=200ms", &db])?;
    let owned = lab.path("/run/owned");
    let container = lab
        .container("limited")
        .label("dtraf.account=customer 7")
        .label("dtraf.quota=100kB")
        .label("dtraf.quota-at=50,90")
        .label("dtraf.counts=tx")
        .label("dtraf.price=1000")
        .label("dtraf.allowance=a lot\u{1b}[2J")
        .label("dtraf.quota-hook=touch /run/owned")
        .start()?;
    eventually("it to be counted", LIMIT, || Ok(audited(&dtraf, &container).ok().map(drop)))?;
    let _server = container.place()?.serve_tcp(7000)?;
    lab.host().tcp(SocketAddr::new(container.address("bridge")?, 7000), 10, 300_000)?;
    // What is used is what the kernel has.
    let used = eventually("the quota to say what the kernel has", LIMIT, || {
        let list = json(&["quota", "list"])?;
        let kernel = audited(&dtraf, &container)?.total.tx.wire_bytes;
        Ok((list["quotas"][0]["used_bytes"].as_u64() == Some(kernel)).then_some(kernel))
    })?;
    ensure!(used > 300_000, "{used}");
    container.remove()?;
    eventually("both thresholds to be told of", LIMIT, || {
        Ok((ledger.number("SELECT count(*) FROM crossing")? == 2).then_some(()))
    })?;
    let told = running.process.stop(Signal::TERM, LIMIT)?.success()?.errors;
    for words in [
        "customer 7 has used 50 % of its quota",
        "customer 7 has used 90 % of its quota",
        "limited's label dtraf.allowance is left aside",
        "limited's label dtraf.quota-hook is left aside: a hook is a command, and no label chooses one",
    ] {
        ensure!(told.matches(words).count() == 1, "{words}: {told}");
    }
    ensure!(!told.contains('\u{1b}'), "{told:?}");
    ensure!(!owned.exists(), "a label has chosen what is run");

    // Nobody asks Docker any more.
    let list = json(&["quota", "list"])?;
    let quota = &list["quotas"][0];
    ensure!(quota["account"] == "customer 7" && quota["source"] == "label", "{list}");
    ensure!(quota["quota_bytes"] == 100_000 && quota["hook"].is_null(), "{list}");
    ensure!(quota["thresholds"].as_array().is_some_and(|it| it.len() == 2 && it[0] == 50), "{list}");
    let troubles = list["label_troubles"].as_array().context("troubles")?;
    ensure!(troubles.len() == 2, "{list}");
    let table = dtraf.run(&["quota", "list", &db])?;
    ensure!(
        table.contains("limited's label dtraf.allowance is left aside: `a lot\\u{1b}[2J` is no number"),
        "{table}"
    );
    ensure!(dtraf.end(&["quota", "check", &db])?.status.code() == Some(3), "it is over");
    let bill = json(&["report", "--bill"])?;
    let line = &bill["lines"][0];
    let billed = line["billable_bytes"].as_u64().context("bytes")?;
    ensure!(line["counts"] == "tx" && billed >= used && line["price"] == "1000", "{bill}");
    ensure!(bill["label_troubles"].as_array().is_some_and(|troubles| troubles.len() == 2), "{bill}");

    // What is written down goes before that, and what was set before either.
    let place = tempfile::tempdir().context("make a place for a configuration")?;
    let file = place.path().join("config.toml");
    fs::write(&file, "[account.\"customer 7\"]\nquota = \"1GB\"\n").context("write a configuration")?;
    let config = format!("--config={}", file.display());
    for (source, bytes) in [("config", 1_000_000_000), ("set", 5_000)] {
        if source == "set" {
            dtraf.run(&["quota", "set", "customer 7", "5kB", &db])?;
        }
        let list = json(&["quota", "list", &config])?;
        let quota = &list["quotas"][0];
        ensure!(quota["source"] == source && quota["quota_bytes"] == bytes, "{list}");
    }
    Ok(())
}
