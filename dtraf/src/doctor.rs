//! `dtraf doctor`: what this host can do, what would count on it, what not, and what to do about it.
//!
//! Owns the order: look, judge, print. Changes nothing; works without root and without Docker, and says what is missing.

mod diagnosis;
mod findings;

use anyhow::Context as _;

pub(crate) use self::diagnosis::{Containers, Diagnosis, Outlook, Uncovered};
pub(crate) use self::findings::{Finding, Mark, Topic};
use crate::accounting::inventory::Inventory;
use crate::config;
use crate::docker::{Catalogue, Docker};
use crate::host;
use crate::links::Links;
use crate::source::probe::probe;
use crate::terminal::print;
use crate::view::doctor::render;

/// An error when nothing can count here; the report is printed nevertheless.
pub(crate) async fn run(config: config::Doctor) -> anyhow::Result<()> {
    let links = Links::connect()?;
    let docker = Docker::connect(links.clone()).await;
    let facts = probe(&config.bpffs, docker.as_ref(), &links).await;
    let inventory = match docker {
        Ok(docker) => inventory(docker).await,
        Err(_) => None,
    };
    let diagnosis = Diagnosis::new(facts, inventory.as_ref(), host::name());
    print(&render(&diagnosis, &config.look)).context("write to standard output")?;
    diagnosis.selection.map(drop).map_err(Into::into)
}

/// `None` when Docker does not say.
async fn inventory(docker: Docker) -> Option<Inventory> {
    match Catalogue::new(docker).list().await {
        Ok(inventory) => Some(inventory),
        Err(error) => {
            log::warn!("no word on single containers: {:#}", anyhow::Error::from(error));
            None
        }
    }
}
