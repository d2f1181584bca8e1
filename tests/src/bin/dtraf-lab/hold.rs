//! A whole lab, held by a process that a test can kill.

use std::io::{self, Read as _};

use anyhow::{Context as _, Result};
use dtraf_tests::Lab;

use crate::answer;

pub(crate) fn run() -> Result<()> {
    let lab = Lab::start()?;
    let _container = lab.container("held").start()?;
    answer(&format!("{} {}", lab.name(), lab.path("").display()))?;
    // Or until whoever started it is gone.
    io::stdin().read_to_end(&mut Vec::new()).context("wait for the test's end").map(drop)
}
