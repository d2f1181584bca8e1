//! Tells people when an account comes to a threshold of its quota.
//!
//! A threshold that was passed is written down before its hook is started: a hook is run at most once in a cycle, and not at all
//! if dtraf is killed in between.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::chain;
use crate::accounting::bill::quota::{Quota, Standing};
use crate::clock;
use crate::store::{Archive, Editor, StoreError};
use crate::view::quotas::Passed;

/// How long a hook may run.
const LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// Looks at all quotas, once something was written. What goes wrong is told, and tried again after the next batch.
pub(super) fn look(path: &Path, declared: &BTreeMap<String, Quota>) {
    if let Err(error) = looked(path, declared) {
        log::warn!("quotas could not be looked after: {}", chain(&error));
    }
}

fn looked(path: &Path, declared: &BTreeMap<String, Quota>) -> Result<(), StoreError> {
    let archive = Archive::open(path)?;
    if declared.is_empty() && !archive.has_quotas()? {
        return Ok(());
    }
    let standings = archive.standings(None, declared, clock::now(), &clock::zone())?;
    let told = archive.crossings()?;
    drop(archive);
    for standing in standings {
        let is_new =
            |percent: &u32| !told.contains(&(standing.account.clone(), standing.cycle.from, *percent));
        for percent in standing.passed().filter(is_new) {
            if Editor::open(path)?.cross(&standing, percent, clock::now())? {
                tell(&standing, percent);
            }
        }
    }
    Ok(())
}

fn tell(standing: &Standing, percent: u32) {
    let Standing { account, quota, used, .. } = standing;
    let used = used.unwrap_or_default();
    log::warn!("{account} has used {percent} % of its quota: {used} of {} bytes", quota.bytes);
    let Some(words) = &quota.hook else { return };
    match start(words, standing, percent) {
        Ok(child) => {
            let (program, account) = (words[0].clone(), account.clone());
            std::thread::spawn(move || wait(child, &program, &account));
        }
        Err(error) => log::warn!("the hook of {account}'s quota, `{}`, cannot be run: {error}", words[0]),
    }
}

/// Without a shell. Names are values and nothing else.
fn start(words: &[String], standing: &Standing, percent: u32) -> std::io::Result<Child> {
    let Standing { account, quota, used, .. } = standing;
    let passed = Passed::new(standing, percent, &clock::zone());
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        // A name with a zero byte in it would keep the program from being run.
        .env("DTRAF_ACCOUNT", account.replace('\0', ""))
        .env("DTRAF_PERCENT", percent.to_string())
        .env("DTRAF_USED_BYTES", used.unwrap_or_default().to_string())
        .env("DTRAF_QUOTA_BYTES", quota.bytes.to_string())
        .env("DTRAF_CYCLE_FROM", &passed.quota.cycle_from)
        .env("DTRAF_CYCLE_TO", &passed.quota.cycle_to)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // Less than a pipe holds. A hook need not read it.
        drop(stdin.write_all(passed.line().as_bytes()));
    }
    Ok(child)
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
