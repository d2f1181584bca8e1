//! Who talked to whom: each pair against what the receiver's own firewall has seen.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::{audited, counting};
use dtraf_tests::report::{Amount, Both, Figures};
use dtraf_tests::traffic::{Datagrams, Scan};
use dtraf_tests::{Chains, Container, Crowd, CrowdOptions, Dtraf, Member, Shared, eventually};
use rustix::process::Signal;

const LIMIT: Duration = Duration::from_secs(30);

/// Packets and bytes as a firewall sees them: skbs without Ethernet headers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    packets: u64,
    bytes: u64,
}

impl Seen {
    fn of(amount: Amount) -> Self {
        Self { packets: amount.skbs, bytes: amount.skb_bytes - 14 * amount.skbs }
    }
}

/// Counts what `to` receives from `from`, in its own namespace, before anything else looks at it.
struct Witness<'a> {
    to: &'a Container<'a>,
    program: &'static str,
    from: String,
}

impl<'a> Witness<'a> {
    fn of(from: IpAddr, to: &'a Container<'a>) -> Result<Self> {
        let program = if from.is_ipv4() { "iptables" } else { "ip6tables" };
        let from = from.to_string();
        let rule = ["-w", "-t", "raw", "-A", "PREROUTING", "-s", &from];
        to.place()?.run(program, &rule)?;
        Ok(Self { to, program, from })
    }

    fn seen(&self) -> Result<Seen> {
        let rules = self.to.place()?.run(self.program, &["-w", "-t", "raw", "-vnxL", "PREROUTING"])?;
        let rule = rules.lines().find(|line| line.split_whitespace().any(|word| word == self.from));
        let mut numbers = rule.context("the rule")?.split_whitespace().map(str::parse);
        let (packets, bytes) = numbers.next().zip(numbers.next()).context("its counters")?;
        Ok(Seen { packets: packets?, bytes: bytes? })
    }
}

fn pair<'a>(lab: &'a Shared, first: &str, second: &str) -> Result<(Container<'a>, Container<'a>)> {
    Ok((lab.container(first).start()?, lab.container(second).start()?))
}

/// The figures of both, as the kernel's own counters have them.
fn both(dtraf: &Dtraf<'_>, one: &Container<'_>, other: &Container<'_>) -> Result<(Figures, Figures)> {
    Ok((audited(dtraf, one)?, audited(dtraf, other)?))
}

#[test]
fn each_pair_has_what_the_receivers_firewall_has_seen() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let (proxy, origin) = pair(&lab, "proxy", "origin")?;
    let other = lab.container("other").start()?;
    let at = |container: &Container<'_>| container.address("bridge");
    let _servers = (origin.place()?.serve_tcp(80)?, origin.place()?.serve_udp(53)?);
    let witnesses = [
        (Witness::of(at(&proxy)?, &origin)?, "proxy", "origin"),
        (Witness::of(at(&origin)?, &proxy)?, "origin", "proxy"),
        (Witness::of(at(&other)?, &origin)?, "other", "origin"),
        (Witness::of(at(&origin)?, &other)?, "origin", "other"),
    ];

    let web = SocketAddr::new(at(&origin)?, 80);
    proxy.place()?.tcp(web, 1_000_000, 5_000_000)?;
    other.place()?.tcp(web, 10, 20_000)?;
    // In fragments, of which only the first says a port.
    proxy.place()?.udp(SocketAddr::new(at(&origin)?, 53), &Datagrams::new(20, 4_000))?;
    proxy.exec(&["ping", "-c", "3", &at(&origin)?.to_string()])?;

    let figures = [
        ("proxy", audited(&dtraf, &proxy)?),
        ("origin", audited(&dtraf, &origin)?),
        ("other", audited(&dtraf, &other)?),
    ];
    let of = |name: &str| &figures.iter().find(|(other, _)| *other == name).expect("one of the three").1;
    for (witness, from, to) in &witnesses {
        let (counted, sent) = (of(to).peer(from).rx, of(from).peer(to).tx);
        ensure!(
            Seen::of(counted) == witness.seen()?,
            "{from} to {to}: {counted:?}, seen {:?}",
            witness.seen()?
        );
        ensure!(sent == counted, "{from} sent {sent:?} of which {to} received {counted:?}");
        println!(
            "{from} to {to}: {} bytes in {} skbs, and {:?}",
            counted.skb_bytes,
            counted.skbs,
            witness.seen()?
        );
    }
    ensure!(of("proxy").peer("other") == Both::default(), "they never spoke");
    for (name, figures) in &figures {
        ensure!(figures.elsewhere() == Both::default(), "{name}: {:?}", figures.elsewhere());
    }
    ensure!(of("origin").peer("proxy").tx.wire_bytes > 5_000_000 + 3_000 * 66, "segments, each with headers");
    Ok(())
}

#[test]
fn pairs_outlive_dtraf_and_are_forgotten_with_a_container() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let mut running = counting(&dtraf, &[])?;
    let (asking, asked) = pair(&lab, "asking", "asked")?;
    let server = asked.place()?.serve_tcp(80)?;
    let web = SocketAddr::new(asked.address("bridge")?, 80);
    asking.place()?.tcp(web, 1, 1_000_000)?;
    let before = audited(&dtraf, &asking)?.peer("asked");

    running.process.stop(Signal::KILL, LIMIT)?;
    asking.place()?.tcp(web, 1, 1_000_000)?;
    let running = counting(&dtraf, &[])?;
    asking.place()?.tcp(web, 1, 1_000_000)?;
    let (one, other) = both(&dtraf, &asking, &asked)?;
    let now = one.peer("asked");
    ensure!(now.rx.wire_bytes >= before.rx.wire_bytes + 2_000_000, "{before:?}, then {now:?}");
    ensure!(one.elsewhere() == Both::default() && other.elsewhere() == Both::default());
    drop(server);

    // What came from one that is gone is of no pair, and nobody who comes next has it.
    asked.remove()?;
    let next = lab.container("next").start()?;
    let figures = eventually("the removed one's slot to be free", LIMIT, || {
        let figures = audited(&dtraf, &asking)?;
        Ok((figures.peer("asked") == Both::default()).then_some(figures))
    })?;
    ensure!(figures.elsewhere().rx == now.rx, "{:?} of {now:?}", figures.elsewhere());
    ensure!(audited(&dtraf, &next)?.peer("asking") == Both::default());
    asking.exec(&["ping", "-c", "1", &next.address("bridge")?.to_string()])?;
    ensure!(audited(&dtraf, &next)?.peer("asking").rx.skbs == 1);
    drop(running);
    Ok(())
}

#[test]
fn who_is_only_knocked_at_has_no_pair_of_its_own() -> Result<()> {
    let lab = Shared::lab()?;
    let dtraf = Dtraf::new(&lab)?;
    let _running = counting(&dtraf, &[])?;
    let (knocking, knocked) = pair(&lab, "knocking", "knocked")?;
    let address = knocked.address("bridge")?;
    knocking.place()?.scan(address, 1..=2_000, Scan::Tcp)?;
    let (from, to) = both(&dtraf, &knocking, &knocked)?;
    ensure!(to.peer("knocking").rx.skbs == 2_000, "{:?}", to.peer("knocking"));
    // Its refusals are answers that it was made to give: they are in its totals, and in no entry that it must pay for.
    ensure!(to.peer("knocking").tx == Amount::default(), "{:?}", to.peer("knocking"));
    ensure!(from.elsewhere().rx.skbs == 2_000, "{:?}", from.elsewhere());
    Ok(())
}

/// Enough for everyone to use up what they may have of the smallest table.
const NEIGHBOURS: usize = 20;

#[test]
fn who_sends_to_many_fills_its_own_room_for_pairs_and_no_one_elses() -> Result<()> {
    let options = CrowdOptions { containers: NEIGHBOURS, chains: Chains::Nft, ..CrowdOptions::default() };
    let crowd = Crowd::start(&options)?;
    let dtraf = Dtraf::of_host(crowd.host())?;
    let sizes = [format!("--max-containers={NEIGHBOURS}"), "--peer-entries=64".to_owned()];
    let _running = dtraf.start(&["run", "--headless", &sizes[0], &sizes[1]])?;
    let figures = |member: &Member| dtraf.stats()?.container(&member.name)?.figures();
    eventually("all to be counted", LIMIT, || {
        Ok(crowd.members().iter().all(|member| figures(member).is_ok()).then_some(()))
    })?;
    let [greedy, modest, others @ ..] = crowd.members() else { anyhow::bail!("too small a crowd") };
    let send =
        |from: &Member, to: &Member| crowd.place(from).scan(crowd.sink(to).ip(), 7_000..=7_009, Scan::Udp);
    let received = |to: &Member| -> Result<u64> { Ok(figures(to)?.scopes.rx["container"].skbs) };
    let before = others.iter().map(received).collect::<Result<Vec<_>>>()?;

    others.iter().try_for_each(|to| send(greedy, to))?;
    send(modest, &others[0])?;
    let (mut paired, mut unpaired) = (0, 0);
    for (to, before) in others.iter().zip(before) {
        eventually("all datagrams", LIMIT, || Ok((received(to)? >= before + 10).then_some(())))?;
        let figures = figures(to)?;
        if figures.peer(&greedy.name).rx.skbs > 0 { paired += 1 } else { unpaired += 1 }
    }
    println!("{paired} pairs, {unpaired} without");
    ensure!((1..=64 / 20).contains(&paired) && unpaired > 0, "{paired} pairs, {unpaired} without");
    ensure!(figures(&others[0])?.peer(&modest.name).rx.skbs == 10);
    Ok(())
}
