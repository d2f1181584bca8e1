//! What people say of accounts, and what they bill by them, beside a dtraf that counts.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::audited;
use dtraf_tests::ledger::Ledger;
use dtraf_tests::{Container, Dtraf, Lab, eventually};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(20);

/// A host where a dtraf counts, and what is asked of its ledger.
struct Books<'a> {
    lab: &'a Lab,
    dtraf: &'a Dtraf<'a>,
    ledger: &'a Ledger,
}

impl Books<'_> {
    fn text(&self, command: &[&str]) -> Result<String> {
        let db = self.ledger.option();
        self.dtraf.run(&[command, &[&db]].concat())
    }

    fn json(&self, command: &[&str]) -> Result<Value> {
        let text = self.text(&[command, &["--format=json"]].concat())?;
        serde_json::from_str(&text).with_context(|| format!("read what {command:?} has printed: {text}"))
    }

    fn fails(&self, command: &[&str]) -> Result<String> {
        let db = self.ledger.option();
        let ended = self.dtraf.end(&[command, &[&db]].concat())?;
        ensure!(!ended.status.success(), "{command:?} succeeded");
        Ok(ended.errors)
    }

    /// Has the container send so many bytes, and waits until all that the kernel has is in the ledger.
    fn transfer(&self, container: &Container<'_>, bytes: u64) -> Result<()> {
        let _server = container.place()?.serve_tcp(7000)?;
        let address = SocketAddr::new(container.address("bridge")?, 7000);
        self.lab.host().tcp(address, 1_000, bytes).map(drop)
    }

    /// Asks until what is said is what the kernel has of these containers: a packet of the kernel's own may come at any time.
    fn agree(&self, containers: &[&Container<'_>], said: impl Fn() -> Result<Option<u64>>) -> Result<u64> {
        let mut last = None;
        let agreed = eventually("the ledger to say what the kernel has", LIMIT, || {
            let kernel = containers.iter().try_fold(0, |sum, container| -> Result<u64> {
                Ok(sum + audited(self.dtraf, container)?.total.tx.wire_bytes)
            })?;
            let said = said()?;
            last = Some((kernel, said));
            Ok((said == Some(kernel)).then_some(kernel))
        });
        agreed.with_context(|| format!("the kernel's and the ledger's bytes: {last:?}"))
    }

    /// What a report says that an account has transmitted.
    fn reported(&self, account: &str) -> Result<Option<u64>> {
        let report = self.json(&["report"])?;
        line(&report, "lines", account).ok().map(|line| bytes(&line["tx"]["wire_bytes"])).transpose()
    }
}

/// A line of a report or a bill.
fn line<'a>(document: &'a Value, of: &str, name: &str) -> Result<&'a Value> {
    let lines = document[of].as_array().context("a list of lines")?;
    let found = lines.iter().find(|line| line["name"] == name || line["account"] == name);
    found.with_context(|| format!("a line of {name} in {document}"))
}

fn bytes(value: &Value) -> Result<u64> {
    value.as_u64().with_context(|| format!("a number: {value}"))
}

#[test]
fn accounts_are_renamed_merged_reset_and_billed_while_dtraf_counts() -> Result<()> {
    let lab = Lab::start()?;
    let (dtraf, ledger) = (Dtraf::new(&lab)?, Ledger::new()?);
    let books = Books { lab: &lab, dtraf: &dtraf, ledger: &ledger };
    let _running = dtraf.start(&["run", "--headless", "--flush=200ms", &ledger.option()])?;
    let web = lab.container("web").start()?;
    let shop = lab.container("shop").start()?;
    for container in [&web, &shop] {
        eventually("it to be counted", LIMIT, || Ok(audited(&dtraf, container).ok().map(drop)))?;
    }
    books.transfer(&web, 1_000_000)?;
    let first = books.agree(&[&web], || books.reported("web"))?;
    ensure!(first > 1_000_000, "{first}");

    // Another name, and what came before is the account's.
    books.text(&["account", "rename", "web", "customer 7"])?;
    books.transfer(&web, 300_000)?;
    let second = books.agree(&[&web], || books.reported("customer 7"))?;
    ensure!(second > first + 300_000, "{first} {second}");
    let refused = books.fails(&["account", "rename", "shop", "customer 7"])?;
    ensure!(refused.contains("`customer 7` leads to the account `customer 7`"), "{refused}");

    // A reset: what comes after it is counted from nothing, and every other report has all.
    books.text(&["reset", "customer 7"])?;
    books.transfer(&web, 200_000)?;
    let marked = books.json(&["reset", "--list"])?;
    let before = bytes(&line(&marked, "baselines", "customer 7")?["tx"]["wire_bytes"])?;
    ensure!((second..second + 1_000).contains(&before), "{second} {before}");
    books.agree(&[&web], || {
        let since = books.json(&["report", "--since-reset"])?;
        Ok(Some(before + bytes(&line(&since, "accounts", "customer 7")?["tx"]["wire_bytes"])?))
    })?;
    books.agree(&[&web], || books.reported("customer 7"))?;

    // Whose address it is.
    let address = web.address("bridge")?.to_string();
    let who = books.text(&["account", "who", &address])?;
    ensure!(who.contains("customer 7") && !who.contains("shop"), "{who}");
    for format in ["table", "json", "csv"] {
        let command = ["account", "who", "192.0.2.1", &format!("--format={format}"), &ledger.option()];
        let nobody = dtraf.end(&command)?;
        ensure!(nobody.status.code() == Some(1) && nobody.lines.is_empty(), "{nobody:?}");
        ensure!(nobody.errors.contains("nobody is known to have had 192.0.2.1 at 20"), "{nobody:?}");
    }

    // One account of two.
    books.transfer(&shop, 100_000)?;
    books.agree(&[&shop], || books.reported("shop"))?;
    books.text(&["account", "merge", "shop", "customer 7"])?;
    books.agree(&[&web, &shop], || books.reported("customer 7"))?;
    ensure!(books.reported("shop")?.is_none(), "the account that was merged is still there");

    // The bill is of those bytes.
    let config = tempfile::tempdir().context("make a directory for a configuration")?;
    let file = config.path().join("config.toml");
    let terms = "currency = \"EUR\"\n[host]\ncounts = \"tx\"\n[account.\"customer 7\"]\nprice = \"1000\"\nallowance = \"100kB\"\n";
    fs::write(&file, terms).context("write a configuration")?;
    let option = format!("--config={}", file.display());
    let bill = || books.json(&["report", "--bill", &option]);
    books.agree(&[&web, &shop], || Ok(Some(bytes(&bill()?["host"][0]["billable_bytes"])?)))?;
    books.agree(&[&web, &shop], || {
        let bill = bill()?;
        let billed = line(&bill, "lines", "customer 7")?;
        let (billable, over) = (bytes(&billed["billable_bytes"])?, bytes(&billed["over_bytes"])?);
        // 1,000 for a GB is a millionth for a byte.
        let exact = format!("{}.{:06}", over / 1_000_000, over % 1_000_000);
        let cost = billed["cost"].as_str().context("a cost")?;
        ensure!(over == billable - 100_000 && exact.trim_end_matches('0') == cost, "{billed}");
        Ok(Some(billable))
    })?;
    fs::write(&file, terms.replace("\"100kB\"", "\"100 pounds\"")).context("write a configuration")?;
    let refused = books.fails(&["report", "--bill", &option])?;
    ensure!(
        refused.contains("config.toml, line 6, allowance: `100 pounds` is no number of bytes"),
        "{refused}"
    );

    // What somebody else says stands beside it.
    books.text(&["calibration", "add", "2MB", "--from=this month", "--counts=tx", "--note=The panel"])?;
    books.agree(&[&web, &shop], || {
        let report = books.json(&["report"])?;
        let said = &report["calibrations"][0];
        ensure!(bytes(&said["bytes"])? == 2_000_000, "{said}");
        let total = bytes(&report["total"]["tx"]["wire_bytes"])?;
        ensure!(bytes(&said["counted_bytes"])? == total, "{said} {total}");
        Ok(Some(total))
    })?;
    fs::write(&file, "cycle-day = 28\n").context("write a configuration")?;
    books.text(&["calibration", "add", "3MB", "--from=this cycle", "--note=A router", &option])?;
    let list = books.json(&["calibration", "list"])?;
    let begins =
        list["calibrations"].as_array().context("a list")?.iter().filter_map(|said| said["from"].as_str());
    ensure!(begins.filter(|begin| begin.contains("-28T")).count() == 1, "{list}");
    books.text(&["calibration", "remove", "1"])?;
    let gone = books.fails(&["calibration", "remove", "1"])?;
    ensure!(gone.contains("there is no calibration 1"), "{gone}");
    Ok(())
}
