//! Whether dtraf's figures are what was transferred.

use std::fmt::{self, Display, Formatter};

use anyhow::{Result, bail};
use dtraf_tests::report::{Amount, Both, Figures};
use dtraf_tests::{Container, Counters, Dtraf};

use super::visitors::Visits;

/// One container's figures beside those that they are held against.
#[derive(Debug)]
pub(crate) struct Verdict {
    visits: Visits,
    /// Port 80, as dtraf has it.
    port: Both<Amount>,
    /// The container's interface, as the kernel has it.
    kernel: Counters,
    interface: String,
    /// What does not fit.
    wrong: Vec<String>,
}

/// Reads dtraf and the interface at an instant when nothing moves.
pub(crate) fn of(dtraf: &Dtraf<'_>, container: &Container<'_>, visits: Visits) -> Result<Verdict> {
    let veth = container.veth()?;
    let (kernel, report) = veth.while_still(|| dtraf.stats())?;
    let figures = report.container(container.name())?.figures()?;
    let port = figures.port("tcp", 80, "server");
    Ok(Verdict {
        visits,
        port,
        wrong: wrong(&figures, &kernel, &port, &visits),
        kernel,
        interface: veth.name,
    })
}

fn wrong(figures: &Figures, kernel: &Counters, port: &Both<Amount>, visits: &Visits) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Err(error) = figures.audit(kernel) {
        wrong.push(error.to_string());
    }
    let content = visits.site.page_bytes * visits.pages;
    // Headers of every kind are below a tenth of pages like these.
    let most = (visits.broken == 0).then_some(content + content / 10);
    if port.tx.wire_bytes < content || most.is_some_and(|most| port.tx.wire_bytes > most) {
        wrong.push(format!("port 80 sent {} bytes for {content} bytes of content", port.tx.wire_bytes));
    }
    if visits.pages == 0 {
        wrong.push("nobody fetched a page".to_owned());
    }
    wrong
}

/// Shows them all; an error when one does not fit.
pub(crate) fn print(verdicts: &[Verdict]) -> Result<()> {
    println!("What was transferred, and what dtraf counted:\n");
    for verdict in verdicts {
        println!("{verdict}");
    }
    if verdicts.iter().any(|verdict| !verdict.wrong.is_empty()) {
        bail!("dtraf's figures are not those of the traffic");
    }
    println!("Every byte that the kernel counted on the interfaces is in dtraf's books.");
    Ok(())
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { visits, port, kernel, interface, wrong } = self;
        let site = visits.site;
        let content = site.page_bytes * visits.pages;
        writeln!(f, "{} (container port 80, host port {})", site.name, site.host_port)?;
        writeln!(
            f,
            "  fetched    {} pages of {} bytes: {content} bytes of content",
            visits.pages, site.page_bytes
        )?;
        writeln!(f, "  port 80    sent {} wire bytes, received {}", port.tx.wire_bytes, port.rx.wire_bytes)?;
        writeln!(
            f,
            "  kernel     {interface}: sent {} bytes in {} packets, received {} in {}",
            kernel.transmitted.bytes,
            kernel.transmitted.packets,
            kernel.received.bytes,
            kernel.received.packets
        )?;
        if wrong.is_empty() {
            return writeln!(f, "  dtraf      the same, to the byte");
        }
        for wrong in wrong {
            writeln!(f, "  WRONG      {wrong}")?;
        }
        Ok(())
    }
}
