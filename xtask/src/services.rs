//! Packages that start their services when they are installed.
//!
//! Docker's does, and dtraf's tests want its programs only: a daemon that nobody asked for would change the host's
//! firewall. Debian's own switch for this is `policy-rc.d`: exit status 101 says that no service may be started.

use std::fs;
use std::io::ErrorKind;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use anyhow::{Context as _, Result};

const SWITCH: &str = "/usr/sbin/policy-rc.d";

/// While it lives, no service is started. A switch that was there already is left alone.
#[derive(Debug)]
pub(crate) struct NoServices {
    ours: bool,
}

impl NoServices {
    pub(crate) fn for_now() -> Result<Self> {
        match fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(SWITCH) {
            Ok(mut file) => {
                let switch = Self { ours: true };
                file.write_all(b"#!/bin/sh\nexit 101\n").with_context(|| format!("write {SWITCH}"))?;
                Ok(switch)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Self { ours: false }),
            Err(error) => Err(error).with_context(|| format!("create {SWITCH}")),
        }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(SWITCH)
        {
            eprintln!(
                "warning: {SWITCH} was made to keep services from starting and could not be removed: {error}"
            );
        }
    }
}
