//! One lab for all cases of a test file: its start costs seconds.

use std::sync::{LazyLock, Mutex, MutexGuard};

use anyhow::{Result, anyhow};

use crate::{Dtraf, Lab};

static LAB: LazyLock<Mutex<Result<Lab>>> = LazyLock::new(|| Mutex::new(Lab::start()));

/// The lab, held by one case at a time.
///
/// Nobody drops it: its keeper takes it away when the process has ended.
#[derive(Debug)]
pub struct Shared(MutexGuard<'static, Result<Lab>>);

impl Shared {
    pub fn lab() -> Result<Self> {
        // A case that failed has left its containers to be dropped, and no more.
        let shared = Self(LAB.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        match &*shared.0 {
            Ok(_) => Ok(shared),
            Err(error) => Err(anyhow!("start the file's lab: {error:#}")),
        }
    }

    /// The same, without what dtraf has left there when a case before this one failed.
    pub fn fresh() -> Result<Self> {
        let lab = Self::lab()?;
        Dtraf::new(&lab)?.run(&["uninstall", "--yes"])?;
        Ok(lab)
    }
}

impl std::ops::Deref for Shared {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        self.0.as_ref().expect("`lab` has looked")
    }
}
