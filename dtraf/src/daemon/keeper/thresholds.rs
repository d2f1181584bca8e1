//! Tells people when an account comes to a threshold of its quota.
//!
//! A threshold that was passed is written down before its hook is started: a hook is run at most once in a cycle, and not at all
//! if dtraf is killed in between.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, setpriority_process};

use super::chain;
use crate::accounting::bill::declared::Declared;
use crate::accounting::bill::quota::Standing;
use crate::accounting::history::zones::Zones;
use crate::clock;
use crate::store::{Archive, Editor, StoreError};
use crate::view::neutral::neutral;
use crate::view::quotas::Passed;

/// How long a hook may run.
const LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// Looks at all quotas, once something was written. What goes wrong is told, and tried again after the next batch.
pub(super) fn look(path: &Path, declared: &Declared) {
    if let Err(error) = looked(path, declared) {
        log::warn!("quotas could not be looked after: {}", chain(&error));
    }
}

fn looked(path: &Path, declared: &Declared) -> Result<(), StoreError> {
    let archive = Archive::open(path)?;
    if !declared.has_quotas() && !archive.has_quotas()? {
        return Ok(());
    }
    let standings = archive.standings(None, declared, clock::now(), archive.zones())?;
    let told = archive.crossings()?;
    let zones = archive.zones().clone();
    drop(archive);
    for standing in standings {
        let is_new =
            |percent: &u32| !told.contains(&(standing.account.clone(), standing.cycle.from, *percent));
        for percent in standing.passed().filter(is_new) {
            if Editor::open(path)?.cross(&standing, percent, clock::now())? {
                tell(&standing, percent, &zones);
            }
        }
    }
    Ok(())
}

fn tell(standing: &Standing, percent: u32, zones: &Zones) {
    let Standing { account, quota, used, .. } = standing;
    let used = used.unwrap_or_default();
    let name = neutral(account);
    log::warn!("{name} has used {percent} % of its quota: {used} of {} bytes", quota.bytes);
    let Some(words) = &quota.hook else { return };
    match start(words, standing, percent, zones) {
        Ok(child) => {
            let (program, account) = (words[0].clone(), name.into_owned());
            std::thread::spawn(move || wait(child, &program, &account));
        }
        Err(error) => log::warn!("the hook of {name}'s quota, `{}`, cannot be run: {error}", words[0]),
    }
}

/// Without a shell. Names are values and nothing else.
fn start(words: &[String], standing: &Standing, percent: u32, zones: &Zones) -> std::io::Result<Child> {
    let Standing { account, quota, used, .. } = standing;
    let passed = Passed::new(standing, percent, zones);
    let child = Command::new(&words[0])
        .args(&words[1..])
        // A name with a zero byte in it would keep the program from being run.
        .env("DTRAF_ACCOUNT", account.replace('\0', ""))
        .env("DTRAF_PERCENT", percent.to_string())
        .env("DTRAF_USED_BYTES", used.unwrap_or_default().to_string())
        .env("DTRAF_QUOTA_BYTES", quota.bytes.to_string())
        .env("DTRAF_CYCLE_FROM", &passed.quota.cycle_from)
        .env("DTRAF_CYCLE_TO", &passed.quota.cycle_to)
        .stdin(input(passed.line().as_bytes())?)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    // It need not be as quick as what counts.
    if let Err(errno) = setpriority_process(Some(Pid::from_child(&child)), 0) {
        log::debug!("the hook of {account}'s quota runs before others: {errno}");
    }
    Ok(child)
}

/// Names may be of any length, and a hook need not read: a pipe would keep its writer waiting.
fn input(line: &[u8]) -> std::io::Result<File> {
    let mut file = File::from(memfd_create("dtraf-quota", MemfdFlags::CLOEXEC)?);
    file.write_all(line)?;
    file.rewind()?;
    Ok(file)
}

fn wait(mut child: Child, program: &str, account: &str) {
    let begin = clock::instant();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return,
            Ok(Some(status)) => {
                return log::warn!("the hook of {account}'s quota, `{program}`, ended with {status}");
            }
            Ok(None) if begin.elapsed() < LIMIT => std::thread::sleep(PAUSE),
            Ok(None) => {
                drop(child.kill());
                drop(child.wait());
                return log::warn!(
                    "the hook of {account}'s quota, `{program}`, was ended: it took more than {LIMIT:?}"
                );
            }
            Err(error) => {
                return log::warn!("what became of the hook of {account}'s quota, `{program}`: {error}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::tz::TimeZone;

    use super::*;
    use crate::accounting::bill::Counts;
    use crate::accounting::bill::quota::{Quota, Source};
    use crate::accounting::statement::period::{CycleDay, Range};

    fn standing(account: String) -> Standing {
        let quota = Quota {
            bytes: 10,
            counts: Counts::Sum,
            scopes: None,
            cycle_day: CycleDay::FIRST,
            thresholds: BTreeSet::from([80]),
            hook: None,
        };
        Standing { account, quota, source: Source::Set, cycle: Range { from: 0, to: 86_400 }, used: Some(9) }
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn a_hook_that_reads_nothing_keeps_nobody_waiting_however_long_a_name_is() {
        // More than a pipe holds, and less than one variable of the environment may have.
        let standing = standing("x".repeat(100_000));
        let mut child = start(&words(&["sleep", "1000"]), &standing, 80, &TimeZone::UTC.into()).unwrap();
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_hook_is_told_the_same_in_its_environment_and_on_its_input() {
        let directory = tempfile::tempdir().unwrap();
        let told = directory.path().join("told");
        let script = "cat > \"$1\" && printf '%s %s' \"$DTRAF_ACCOUNT\" \"$DTRAF_USED_BYTES\" >> \"$1\"";
        let path = told.display().to_string();
        let mut child = start(
            &words(&["sh", "-c", script, "sh", &path]),
            &standing("a\0b".to_owned()),
            80,
            &TimeZone::UTC.into(),
        )
        .unwrap();
        assert!(child.wait().unwrap().success());
        let text = std::fs::read_to_string(&told).unwrap();
        let (line, variables) = text.split_once('\n').unwrap();
        let document: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((document["threshold"].as_u64(), document["used_bytes"].as_u64()), (Some(80), Some(9)));
        assert_eq!((document["account"].as_str(), variables), (Some("a\0b"), "ab 9"));
    }
}
