//! Containers that live between two batches of the ledger: billed by their labels, whatever the timing.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::ledger::Ledger;
use dtraf_tests::{Dtraf, Outside, Shared, eventually};
use rustix::process::Signal;
use serde_json::Value;

const LIMIT: Duration = Duration::from_mins(1);
/// Lifetimes in seconds. Containers of the same lifetime have an address of the outside of their own to talk to.
const LIFETIMES: [u8; 5] = [0, 1, 2, 4, 8];
/// Containers that run at the same time.
const TOGETHER: usize = 12;

/// Containers of each lifetime. `DTRAF_BRIEF=200` takes minutes, and shows what a short run may miss.
fn containers() -> Result<usize> {
    std::env::var("DTRAF_BRIEF").map_or(Ok(20), |number| number.parse().context("read DTRAF_BRIEF"))
}

fn peer(seconds: u8) -> String {
    format!("198.51.100.{}", 10 + seconds)
}

/// Two ways to say whose a container is.
fn accounts(seconds: u8) -> [String; 2] {
    [format!("customer {seconds}"), format!("shop/life{seconds}")]
}

/// Gives the outside its addresses, and has the host's firewall count what passes to each and back.
struct Witness<'a>(&'a Shared);

impl<'a> Witness<'a> {
    fn new(lab: &'a Shared) -> Result<Self> {
        let witness = Self(lab);
        for seconds in LIFETIMES {
            let address = format!("{}/24", peer(seconds));
            lab.outside().place().run("ip", &["address", "add", &address, "dev", Outside::LINK])?;
        }
        witness.change("-A")?;
        Ok(witness)
    }

    fn change(&self, how: &str) -> Result<()> {
        for seconds in LIFETIMES {
            for side in ["-d", "-s"] {
                let rule = ["-t", "mangle", how, "FORWARD", side, &format!("{}/32", peer(seconds))];
                self.0.host().run("iptables", &rule)?;
            }
        }
        Ok(())
    }

    /// IP bytes and packets that containers have transmitted and received.
    fn seen(&self, seconds: u8) -> Result<[(u64, u64); 2]> {
        let text = self.0.host().run("iptables-save", &["-c", "-t", "mangle"])?;
        let count = |side: &str| -> Result<(u64, u64)> {
            let rule = format!("-A FORWARD {side} {}/32", peer(seconds));
            let line =
                text.lines().find(|line| line.ends_with(&rule)).with_context(|| format!("find {rule}"))?;
            let counts = line.split(['[', ']']).nth(1).and_then(|counts| counts.split_once(':'));
            let (packets, bytes) = counts.with_context(|| format!("counts in {line}"))?;
            Ok((bytes.parse()?, packets.parse()?))
        };
        Ok([count("-d")?, count("-s")?])
    }

    fn remove(self) -> Result<()> {
        self.change("-D")?;
        for seconds in LIFETIMES {
            let address = format!("{}/24", peer(seconds));
            self.0.outside().place().run("ip", &["address", "del", &address, "dev", Outside::LINK])?;
        }
        Ok(())
    }
}

/// Runs containers of all lifetimes, and returns each one's lifetime and address as it has printed them.
fn run_all(lab: &Shared, count: usize) -> Result<Vec<(u8, String)>> {
    let lifetimes = LIFETIMES.map(|seconds| seconds.to_string()).join(" ");
    let script = format!(
        "for number in $(seq {count}); do for seconds in {lifetimes}; do
            if [ $((number % 2)) = 0 ]; then
                set -- --label \"dtraf.account=customer $seconds\"
            else
                set -- --label com.docker.compose.project=shop --label com.docker.compose.service=life$seconds
            fi
            docker run --rm --label dtraf.quota=1GB \"$@\" dtraf-lab:latest sh -c \"
                ping -c 1 -W 5 -s $number 198.51.100.$((10 + seconds)) >/dev/null
                echo $seconds \\$(hostname -i)
                exec sleep $seconds\" &
            while [ $(jobs -r | wc -l) -ge {TOGETHER} ]; do sleep 0.05; done
        done; done; wait"
    );
    let mut shell = lab.host().spawn("bash", &["-c", &script])?;
    let ended = shell.end(Duration::from_mins(25))?.success()?;
    let line = |line: &String| -> Result<(u8, String)> {
        let (seconds, address) = line.split_once(' ').with_context(|| format!("{line:?}"))?;
        Ok((seconds.parse()?, address.trim().to_owned()))
    };
    ended.lines.iter().map(line).collect()
}

/// IP bytes and packets (as a firewall adds them up) that an account has exchanged with others than its host.
fn booked(ledger: &Ledger, account: &str, direction: &str) -> Result<(u64, u64)> {
    let sum = |column: &str| {
        ledger.number(&format!(
            "SELECT coalesce(sum({direction}_{column}), 0) FROM traffic JOIN holder ON holder.id = holder JOIN account ON \
             account.id = account JOIN key ON key.id = key WHERE account.name = '{account}' AND tier = 3 AND traffic.part = 0 \
             AND scope IS NOT 'multicast' AND scope IS NOT 'other' AND scope IS NOT 'lan' AND scope IS NOT 'host'"
        ))
    };
    Ok((sum("ip_bytes")?, sum("skbs")?))
}

fn billed_by_label(backend: &str) -> Result<String> {
    let lab = Shared::fresh()?;
    let (dtraf, ledger, count) = (Dtraf::new(&lab)?, Ledger::new()?, containers()?);
    let (db, backend) = (ledger.option(), format!("--backend={backend}"));
    let witness = Witness::new(&lab)?;
    let running = dtraf.start(&["run", "--headless", &db, &backend, "--flush=10s"])?;
    eventually("a ledger", LIMIT, || {
        Ok(ledger.number("SELECT sequence FROM progress").ok().filter(|sequence| *sequence > 0))
    })?;
    let had = run_all(&lab, count)?;
    let ended = running.stop(Signal::TERM)?;
    assert_eq!(had.len(), count * LIFETIMES.len(), "containers that have printed their address");

    let mut total = [(0, 0); 2];
    for seconds in LIFETIMES {
        let seen = witness.seen(seconds)?;
        ensure!(seen[0].1 >= u64::try_from(count)?, "the firewall saw {seen:?}");
        let mut sum = [(0, 0); 2];
        for account in accounts(seconds) {
            for (sum, direction) in sum.iter_mut().zip(["tx", "rx"]) {
                let (bytes, packets) = booked(&ledger, &account, direction)?;
                *sum = (sum.0 + bytes, sum.1 + packets);
            }
            let holders = format!(
                "SELECT count(*) FROM holder JOIN account ON account.id = account WHERE name = '{account}' \
                 AND container IS NOT NULL"
            );
            assert_eq!(ledger.number(&holders)?, u64::try_from(count / 2)?, "containers of {account}");
        }
        assert_eq!(sum, seen, "lifetime of {seconds} s: {}", ended.errors);
        total.iter_mut().zip(seen).for_each(|(total, seen)| *total = (total.0 + seen.0, total.1 + seen.1));
    }
    let names = LIFETIMES.iter().flat_map(|seconds| accounts(*seconds));
    let names: Vec<String> = names.map(|name| format!("'{name}'")).collect();
    let others = format!("SELECT count(*) FROM account WHERE name NOT IN ({})", names.join(","));
    assert_eq!(ledger.number(&others)?, 0, "accounts of random names");
    let nobodys = "SELECT count(*) FROM traffic JOIN holder ON holder.id = holder WHERE account IS NULL";
    assert_eq!(ledger.number(nobodys)?, 0, "rows that belong to nobody");
    let all = u64::try_from(count * LIFETIMES.len())?;
    for kind in ["dtraf.quota", "image"] {
        let told = format!("SELECT count(DISTINCT holder) FROM attribute WHERE kind = '{kind}'");
        assert_eq!(ledger.number(&told)?, all, "{kind}");
    }
    assert_eq!(
        ledger.number("SELECT count(DISTINCT holder) FROM attribute WHERE kind = 'project'")?,
        all / 2
    );
    knows_every_address(&dtraf, &db, had)?;
    witness.remove()?;
    dtraf.end(&["uninstall", "--yes"])?.success()?;
    Ok(format!("{backend}: {all} containers, (IP bytes, packets) transmitted and received: {total:?}"))
}

/// Asks who had each address. As many containers of each lifetime must be named as have printed it.
fn knows_every_address(dtraf: &Dtraf<'_>, db: &str, had: Vec<(u8, String)>) -> Result<()> {
    let mut expected = BTreeMap::<String, BTreeMap<u8, usize>>::new();
    for (seconds, address) in had {
        *expected.entry(address).or_default().entry(seconds).or_default() += 1;
    }
    for (address, lifetimes) in expected {
        let answer: Value = serde_json::from_str(&dtraf.run(&[
            "account",
            "who",
            &address,
            db,
            "--at=today",
            "--format=json",
        ])?)?;
        let tenants = answer["tenants"].as_array().with_context(|| format!("tenants in {answer}"))?;
        for (seconds, count) in lifetimes {
            let is_its =
                |tenant: &&Value| accounts(seconds).iter().any(|account| tenant["account"] == **account);
            assert_eq!(tenants.iter().filter(is_its).count(), count, "{address}, {seconds} s: {answer}");
        }
    }
    Ok(())
}

#[test]
fn containers_between_two_batches_are_billed_by_their_labels_where_programs_count() -> Result<()> {
    println!("{}", billed_by_label("ebpf")?);
    Ok(())
}

#[test]
fn containers_between_two_batches_are_billed_by_their_labels_where_rules_count() -> Result<()> {
    println!("{}", billed_by_label("iptables")?);
    Ok(())
}
