//! The ledger's file, read by SQLite itself.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use crate::firewall::Tally;
use crate::report::{Amount, Both};

/// A ledger that the lab's programs and this one see below the same path.
#[derive(Debug)]
pub struct Ledger {
    directory: TempDir,
}

impl Ledger {
    pub fn new() -> Result<Self> {
        Ok(Self { directory: tempfile::tempdir().context("make a directory for a ledger")? })
    }

    /// What a ledger's files hold that lie where SQLite does not find them from here.
    pub fn copied(path: &Path) -> Result<Self> {
        let copy = Self::new()?;
        for suffix in ["", "-wal"] {
            let (from, to) = (format!("{}{suffix}", path.display()), format!("{}{suffix}", copy.path()));
            if Path::new(&from).exists() {
                fs::copy(&from, to).with_context(|| format!("copy {from}"))?;
            }
        }
        Ok(copy)
    }

    pub fn path(&self) -> String {
        self.directory.path().join("ledger.db").display().to_string()
    }

    /// For dtraf.
    pub fn option(&self) -> String {
        format!("--db={}", self.path())
    }

    /// What an account has in all months, by who the other ends were.
    pub fn total(&self, account: &str) -> Result<Both<Amount>> {
        self.sum(account, 3, 0)
    }

    /// Months are tier 3 and five minutes tier 0; scopes are part 0 and ports part 1.
    pub fn sum(&self, account: &str, tier: u8, part: u8) -> Result<Both<Amount>> {
        self.balance()?;
        let text = "SELECT sum(rx_ip_bytes), sum(rx_skbs), sum(rx_extra_bytes), sum(rx_added_bytes), sum(rx_added_packets), \
                    sum(rx_link_bytes), sum(tx_ip_bytes), sum(tx_skbs), sum(tx_extra_bytes), sum(tx_added_bytes), \
                    sum(tx_added_packets), sum(tx_link_bytes) FROM traffic JOIN holder ON holder.id = holder JOIN account ON \
                    account.id = holder.account WHERE account.name = ?1 AND tier = ?2 AND part = ?3";
        let row = self.open()?.query_row(text, (account, tier, part), |row| {
            let number = |at: usize| row.get::<_, Option<u64>>(at).map(Option::unwrap_or_default);
            let amount = |first: usize| -> rusqlite::Result<Amount> {
                let (ip_bytes, skbs, extra) = (number(first)?, number(first + 1)?, number(first + 2)?);
                let (added, added_packets, link) =
                    (number(first + 3)?, number(first + 4)?, number(first + 5)?);
                let skb_bytes = ip_bytes + 14 * skbs + extra;
                let (wire_bytes, packets) = (skb_bytes + added, skbs + added_packets);
                Ok(Amount {
                    wire_bytes,
                    packets,
                    ip_bytes: wire_bytes - 14 * packets - link,
                    skb_bytes,
                    skb_ip_bytes: ip_bytes,
                    skbs,
                })
            };
            Ok(Both { rx: amount(0)?, tx: amount(6)? })
        });
        row.with_context(|| format!("sum up {account} in {}", self.path()))
    }

    /// Demands that in each span of each holder scopes add up to what ports and buckets add up to, in every unit.
    pub fn balance(&self) -> Result<()> {
        const UNITS: [&str; 6] =
            ["ip_bytes", "skbs", "extra_bytes", "added_bytes", "added_packets", "link_bytes"];
        let differs = |column: String| {
            let sign = "CASE part WHEN 0 THEN 1 ELSE -1 END";
            format!("sum(coalesce({column}, 0) * ({sign})) <> 0")
        };
        let units = UNITS.iter().flat_map(|unit| [format!("rx_{unit}"), format!("tx_{unit}")]);
        let differences: Vec<String> = units.map(differs).collect();
        let spans = format!(
            "SELECT count(*) FROM (SELECT 1 FROM traffic GROUP BY tier, start, holder HAVING {})",
            differences.join(" OR ")
        );
        let wrong = self.number(&spans)?;
        ensure!(wrong == 0, "in {wrong} spans of the ledger scopes are not what ports and buckets are");
        Ok(())
    }

    /// What an account has in all months, as rules count it.
    pub fn tally(&self, account: &str) -> Result<Both<Tally>> {
        self.tallied(account, "part = 0")
    }

    /// The same for a TCP port that its container serves.
    pub fn served(&self, account: &str, port: u16) -> Result<Both<Tally>> {
        let key = format!("protocol = 6 AND port = {port} AND role = 'server'");
        self.tallied(account, &format!("key IN (SELECT id FROM key WHERE {key})"))
    }

    fn tallied(&self, account: &str, which: &str) -> Result<Both<Tally>> {
        self.balance()?;
        let text = format!(
            "SELECT sum(rx_ip_bytes), sum(rx_skbs), sum(tx_ip_bytes), sum(tx_skbs) FROM traffic JOIN holder ON holder.id = holder \
             JOIN account ON account.id = holder.account WHERE account.name = ? AND tier = 3 AND {which}"
        );
        let row = self.open()?.query_row(&text, [account], |row| {
            let tally = |first: usize| -> rusqlite::Result<Tally> {
                Ok(Tally { bytes: row.get(first)?, packets: row.get(first + 1)? })
            };
            Ok(Both { rx: tally(0)?, tx: tally(2)? })
        });
        row.with_context(|| format!("sum up {account} in {}", self.path()))
    }

    /// The first column of the first row.
    pub fn number(&self, text: &str) -> Result<u64> {
        self.open()?.query_row(text, [], |row| row.get(0)).with_context(|| format!("ask the ledger `{text}`"))
    }

    /// Keeps everybody from writing it until this is dropped.
    pub fn hold(&self) -> Result<Connection> {
        let connection = Connection::open(self.path()).context("open the ledger to lock it")?;
        connection.execute_batch("BEGIN IMMEDIATE").context("lock the ledger")?;
        Ok(connection)
    }

    /// Overwrites the page that a table or an index begins with. Nobody may write the ledger.
    pub fn damage(&self, name: &str) -> Result<()> {
        // What is in the log lies over the file's pages.
        let connection = Connection::open(self.path()).context("open the ledger to damage it")?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).context("empty the log")?;
        drop(connection);
        let page = self.number(&format!("SELECT rootpage FROM sqlite_schema WHERE name = '{name}'"))?;
        let size = self.number("SELECT page_size FROM pragma_page_size")?;
        let file =
            fs::File::options().write(true).open(self.path()).context("open the ledger to damage it")?;
        file.write_all_at(&vec![0xff; usize::try_from(size)?], (page - 1) * size).context("damage the ledger")
    }

    /// How many files lie beside it that have this in their names, logs apart.
    pub fn beside(&self, word: &str) -> Result<usize> {
        let mut count = 0;
        for entry in fs::read_dir(self.directory.path()).context("look beside the ledger")? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let is_log = ["-wal", "-shm", "-journal"].iter().any(|end| name.ends_with(end));
            count += usize::from(name.contains(word) && !is_log);
        }
        Ok(count)
    }

    fn open(&self) -> Result<Connection> {
        let connection = Connection::open_with_flags(self.path(), OpenFlags::SQLITE_OPEN_READ_ONLY);
        connection.with_context(|| format!("open {}", self.path()))
    }
}
