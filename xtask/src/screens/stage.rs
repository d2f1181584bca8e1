//! A small site on a Docker host: a shop behind its web server, a blog, and what is not counted.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use dtraf_tests::{Container, Dtraf, Lab, Outside, Process, eventually};

/// In the lab's own file system.
pub(super) const LEDGER: &str = "/run/screens.db";
const LIMIT: Duration = Duration::from_secs(30);

pub(super) struct Stage<'a> {
    lab: &'a Lab,
    web: Container<'a>,
    database: SocketAddr,
    _others: Vec<Container<'a>>,
    _servers: Vec<Process>,
}

impl<'a> Stage<'a> {
    pub(super) fn set(lab: &'a Lab) -> Result<Self> {
        lab.docker(&["network", "create", "shop_front"])?;
        let service = |name: &str, project: &str, service: &str| {
            let label = |what: &str, value: &str| format!("com.docker.compose.{what}={value}");
            lab.container(name).label(&label("project", project)).label(&label("service", service))
        };
        let web = service("shop-web-1", "shop", "web").publish("8080:80").publish("8443:443").start()?;
        lab.docker(&["network", "connect", "shop_front", "shop-web-1"])?;
        let database = service("shop-db-1", "shop", "db").network("shop_front").start()?;
        let blog = service("blog-1", "blog", "web").publish("8081:80").start()?;
        let idle = lab.container("idle").start()?;
        let metrics = lab.container("metrics").network("host").start()?;
        let sidecar = lab.container("sidecar").network("container:shop-web-1").start()?;
        let servers = vec![
            web.place()?.serve_tcp(80)?,
            database.place()?.serve_tcp(5432)?,
            blog.place()?.serve_tcp(80)?,
        ];
        let at = SocketAddr::new(database.address("shop_front")?, 5432);
        let others = vec![database, blog, idle, metrics, sidecar];
        Ok(Self { lab, web, database: at, _others: others, _servers: servers })
    }

    /// Somebody visits the shop and the blog for as long as `meanwhile` takes.
    pub(super) fn play<T>(&self, meanwhile: impl FnOnce() -> Result<T>) -> Result<T> {
        let over = AtomicBool::new(false);
        let outside = self.lab.outside().place();
        let (web, database) = (self.web.place()?, self.database);
        let visit = |from: &dtraf_tests::Place, to: SocketAddr, sizes: &[u64], pause: u64| -> Result<()> {
            for down in sizes.iter().cycle() {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                from.tcp(to, 4_000, *down)?;
                std::thread::sleep(Duration::from_millis(pause));
            }
            Ok(())
        };
        let host = |port| SocketAddr::new(Outside::HOST_V4, port);
        std::thread::scope(|scope| {
            let visits = [
                scope.spawn(|| visit(outside, host(8080), &[6_000_000, 2_000_000, 9_000_000, 700_000], 150)),
                scope.spawn(|| visit(outside, host(8081), &[90_000, 40_000], 220)),
                scope.spawn(|| visit(&web, database, &[30_000, 60_000, 45_000], 120)),
            ];
            let result = meanwhile();
            over.store(true, Ordering::Relaxed);
            for visit in visits {
                visit.join().expect("a visitor does not panic")?;
            }
            result
        })
    }
}

/// Until everybody who can be is counted.
pub(super) fn wait(dtraf: &Dtraf<'_>) -> Result<()> {
    eventually("everyone to be counted", LIMIT, || {
        let Ok(text) = dtraf.run(&["stats", "--format=json"]) else { return Ok(None) };
        let report: serde_json::Value = serde_json::from_str(&text).context("read dtraf's report")?;
        let Some(containers) = report["containers"].as_array() else { bail!("no containers in {text}") };
        let counted = containers.iter().filter(|container| !container["rx"].is_null()).count();
        Ok((counted == 4).then_some(()))
    })
}

/// The shop may use four gigabytes.
pub(super) fn allow(dtraf: &Dtraf<'_>, ledger: &str) -> Result<()> {
    eventually("the shop's account", LIMIT, || {
        Ok(dtraf.run(&["quota", "set", "shop/web", "4GB", ledger]).ok().map(drop))
    })
}
