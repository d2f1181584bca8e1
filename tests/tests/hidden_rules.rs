//! Rules of other people that end packets before dtraf's own: whatever is put before them, and whenever, dtraf's stand first
//! and count what the mangle table's FORWARD chain sees.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::firewall::{Tally, Witness, at_rest, rules, ruling, shape, wait_for_rules};
use dtraf_tests::report::Both;
use dtraf_tests::traffic::Datagrams;
use dtraf_tests::{Container, Dtraf, Lab, LabOptions, Outside, Running, Shared, eventually};
use rustix::process::Signal;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(30);

/// A rule that may end packets' way, and how to take it back. `IPT` stands for the program, `OUTSIDE` for the client.
struct Hiding {
    name: &'static str,
    put: &'static str,
    take: &'static str,
    /// As `dtraf rules list` names it.
    chain: &'static str,
    number: u64,
}

const fn hiding(
    name: &'static str,
    put: &'static str,
    take: &'static str,
    (chain, number): (&'static str, u64),
) -> Hiding {
    Hiding { name, put, take, chain, number }
}

const TOP: (&str, u64) = ("DOCKER-USER", 1);

const HIDING: [Hiding; 15] = [
    hiding(
        "the rule of Docker's manual",
        "IPT -w -I DOCKER-USER -m state --state RELATED,ESTABLISHED -j ACCEPT",
        "IPT -w -D DOCKER-USER -m state --state RELATED,ESTABLISHED -j ACCEPT",
        TOP,
    ),
    hiding(
        "the same in other words and with a comment",
        "IPT -w -I DOCKER-USER -m comment --comment mine -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "IPT -w -D DOCKER-USER -m comment --comment mine -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        TOP,
    ),
    hiding(
        "an interface",
        "IPT -w -I DOCKER-USER -i out0 -j RETURN",
        "IPT -w -D DOCKER-USER -i out0 -j RETURN",
        TOP,
    ),
    hiding(
        "a source",
        "IPT -w -I DOCKER-USER -s OUTSIDE -j ACCEPT",
        "IPT -w -D DOCKER-USER -s OUTSIDE -j ACCEPT",
        TOP,
    ),
    hiding(
        "a protocol",
        "IPT -w -I DOCKER-USER -p tcp -j RETURN",
        "IPT -w -D DOCKER-USER -p tcp -j RETURN",
        TOP,
    ),
    hiding("acceptance of all", "IPT -w -I DOCKER-USER -j ACCEPT", "IPT -w -D DOCKER-USER -j ACCEPT", TOP),
    hiding("return of all", "IPT -w -I DOCKER-USER -j RETURN", "IPT -w -D DOCKER-USER -j RETURN", TOP),
    hiding(
        "a drop of what does not come",
        "IPT -w -I DOCKER-USER -p udp --dport 9 -j DROP",
        "IPT -w -D DOCKER-USER -p udp --dport 9 -j DROP",
        TOP,
    ),
    hiding(
        "a refusal of what does not come",
        "IPT -w -I DOCKER-USER -p tcp --dport 9 -j REJECT",
        "IPT -w -D DOCKER-USER -p tcp --dport 9 -j REJECT",
        TOP,
    ),
    hiding(
        "a chain within a chain",
        "IPT -w -N INNER && IPT -w -A INNER -m state --state ESTABLISHED -j ACCEPT && IPT -w -N OUTER && \
         IPT -w -A OUTER -j INNER && IPT -w -I DOCKER-USER -j OUTER",
        "IPT -w -D DOCKER-USER -j OUTER && IPT -w -F OUTER && IPT -w -X OUTER && IPT -w -F INNER && IPT -w -X INNER",
        TOP,
    ),
    hiding(
        "a chain that is gone to and does not come back",
        "IPT -w -N AWAY && IPT -w -I DOCKER-USER -p tcp -g AWAY",
        "IPT -w -D DOCKER-USER -p tcp -g AWAY && IPT -w -X AWAY",
        TOP,
    ),
    hiding(
        "a verdict amid the rules",
        "IPT -w -I DOCKER-USER 2 -p tcp -j ACCEPT",
        "IPT -w -D DOCKER-USER -p tcp -j ACCEPT",
        ("DOCKER-USER", 2),
    ),
    hiding(
        "a verdict before the chain",
        "IPT -w -I FORWARD -m state --state RELATED,ESTABLISHED -j ACCEPT",
        "IPT -w -D FORWARD -m state --state RELATED,ESTABLISHED -j ACCEPT",
        ("FORWARD", 1),
    ),
    hiding(
        "a chain before the chain",
        "IPT -w -N BEFORE && IPT -w -A BEFORE -p tcp -j ACCEPT && IPT -w -I FORWARD -j BEFORE",
        "IPT -w -D FORWARD -j BEFORE && IPT -w -F BEFORE && IPT -w -X BEFORE",
        ("FORWARD", 1),
    ),
    hiding(
        "a jump for some packets only",
        "IPT -w -I FORWARD -p tcp -j DOCKER-USER && IPT -w -D FORWARD -j DOCKER-USER",
        "IPT -w -I FORWARD -j DOCKER-USER && IPT -w -D FORWARD -p tcp -j DOCKER-USER",
        ("FORWARD", 1),
    ),
];

/// A host, a container on it, and a family of addresses.
struct Scene<'a> {
    lab: &'a Lab,
    dtraf: Dtraf<'a>,
    program: &'static str,
    container: &'a Container<'a>,
    address: IpAddr,
    published: IpAddr,
    options: &'a [&'a str],
    witness: Witness,
}

impl Scene<'_> {
    fn shell(&self, script: &str) -> Result<()> {
        let client = if self.program == "iptables" { Outside::V4 } else { Outside::V6 };
        let script = script.replace("IPT", self.program).replace("OUTSIDE", &client.to_string());
        self.lab.host().run("sh", &["-c", &script]).map(drop)
    }

    /// 300 kB each way and 20 datagrams, of which the smallest part are a connection's first packets.
    fn visit(&self) -> Result<()> {
        let outside = self.lab.outside().place();
        outside.tcp(SocketAddr::new(self.published, 8110), 300_000, 300_000)?;
        let datagrams = Datagrams { echoed: true, ..Datagrams::new(20, 700) };
        outside.udp(SocketAddr::new(self.published, 5310), &datagrams).map(drop)
    }

    fn list(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.dtraf.run(&["rules", "list", "--format=json"])?)?)
    }

    fn named(&self) -> Result<Vec<(String, u64)>> {
        let list = self.list()?;
        let hiding = list["hiding"].as_array().context("the list says what hides")?;
        let name = |it: &Value| Some((it["chain"].as_str()?.to_owned(), it["number"].as_u64()?));
        hiding.iter().map(|it| name(it).context("a rule has a chain and a number")).collect()
    }

    /// Waits until dtraf's rules stand first, and nothing is left of the move.
    fn first(&self, what: &str) -> Result<()> {
        eventually(&format!("dtraf's rules to stand first: {what}"), LIMIT, || {
            let rules = rules(self.lab.host(), self.program)?;
            let is_moving = rules.iter().any(|rule| rule.spec.ends_with(" -\""));
            Ok((self.named()?.is_empty() && !is_moving).then_some(()))
        })
    }

    /// Figures since `before`.
    fn seen(&self, before: Both<Tally>) -> Result<Both<Tally>> {
        Ok(self.witness.seen()?.since(before))
    }

    /// Puts a rule before dtraf's while it runs, while it does not, and takes it back.
    fn withstands(&self, rule: &Hiding) -> Result<()> {
        let (mut running, _) = ruling(&self.dtraf, "iptables", self.options)?;
        wait_for_rules(self.lab.host(), &[self.address])?;
        let name = self.container.name();
        let before = self.witness.seen()?;
        let base = running.total_of(name)?;
        let counted = |total: Both<Tally>| total.since(base);
        let agree = |running: &mut Running, when: &str| -> Result<()> {
            let mut last = String::new();
            eventually(&format!("the figures of the witness: {when}"), LIMIT, || {
                let seen = self.seen(before)?;
                let said = counted(running.total_of(name)?);
                last = format!("dtraf {said:?}, the witness {seen:?}");
                Ok((said == seen && self.seen(before)? == seen).then_some(()))
            })
            .with_context(|| last.clone())
        };

        self.shell(rule.put)?;
        self.first("while it runs")?;
        self.visit()?;
        agree(&mut running, "while it runs")?;
        let ended = running.stop(Signal::TERM)?;
        let told = format!("{} {}", rule.chain, rule.number);
        ensure!(
            ended.errors.contains(&told) && ended.errors.contains("stands before dtraf's rules"),
            "{}",
            ended.errors
        );
        ensure!(ended.errors.contains("dtraf's rules stand first again"), "{}", ended.errors);

        self.shell(rule.take)?;
        self.settle()?;
        self.shell(rule.put)?;
        assert_eq!(self.named()?, [(rule.chain.to_owned(), rule.number)]);
        let table = self.dtraf.run(&["rules", "list"])?;
        ensure!(table.contains(&format!("{told} (`")), "{table}");
        let doctor = self.dtraf.run(&["doctor"])?;
        let words: String = doctor.split_whitespace().collect::<Vec<_>>().join(" ");
        ensure!(words.contains("before dtraf's rules") && words.contains(&told), "{doctor}");
        let plan = self.dtraf.run(&["rules", "plan"])?;
        ensure!(plan.contains("stands before dtraf's rules"), "{plan}");

        let (mut running, _) = ruling(&self.dtraf, "iptables", self.options)?;
        self.first("after a start")?;
        self.visit()?;
        agree(&mut running, "after a start")?;

        self.shell(rule.take)?;
        self.first("without the rule")?;
        self.visit()?;
        agree(&mut running, "without the rule")?;
        running.stop(Signal::TERM).map(drop)
    }

    /// Brings dtraf's rules to where they belong, without a daemon.
    fn settle(&self) -> Result<()> {
        self.dtraf.run(&[&["rules", "apply"], self.options].concat())?;
        self.first("after `rules apply`")
    }
}

fn all_withstood(lab: &Lab, program: &'static str, options: &[&str]) -> Result<()> {
    let dtraf = Dtraf::new(lab)?;
    let container = lab.container("seen").publish("8110:80").publish("5310:53/udp").start()?;
    let place = container.place()?;
    let (_tcp, _udp) = (place.serve_tcp(80)?, place.serve_udp(53)?);
    let (address, published) = if program == "iptables" {
        (container.address("bridge")?, Outside::HOST_V4)
    } else {
        eventually("the end of duplicate detection", LIMIT, || {
            let tentative = place.run("ip", &["-6", "address", "show", "tentative"])?;
            Ok(tentative.trim().is_empty().then_some(()))
        })?;
        (container.address_v6("bridge")?, Outside::HOST_V6)
    };
    let witness = Witness::of_address(lab.host(), address)?;
    let before = shape(lab.host())?;
    let scene = Scene { lab, dtraf, program, container: &container, address, published, options, witness };
    for rule in &HIDING {
        scene.withstands(rule).with_context(|| format!("{program} {options:?}: {}", rule.name))?;
    }
    scene.dtraf.run(&["uninstall", "--yes"])?;
    assert_eq!(shape(lab.host())?, before);
    Ok(())
}

#[test]
fn no_rule_of_others_hides_traffic_from_rules_in_docker_user() -> Result<()> {
    let lab = Shared::fresh()?;
    all_withstood(&lab, "iptables", &[])
}

#[test]
fn no_rule_of_others_hides_traffic_from_rules_below_the_tree() -> Result<()> {
    let lab = Shared::fresh()?;
    all_withstood(&lab, "iptables", &["--literal-rules=0"])
}

#[test]
fn no_rule_of_others_hides_traffic_from_rules_of_the_old_iptables() -> Result<()> {
    let lab = Lab::start_with(&LabOptions { legacy_iptables: true, ..LabOptions::default() })?;
    all_withstood(&lab, "iptables", &[])
}

#[test]
fn no_rule_of_others_hides_traffic_of_ipv6() -> Result<()> {
    let dockerd = ["--ipv6", "--fixed-cidr-v6=fd00:d0c::/64", "--experimental", "--ip6tables"];
    let dockerd = dockerd.map(str::to_owned).into();
    let lab = Lab::start_with(&LabOptions { dockerd, ..LabOptions::default() })?;
    // Docker makes this one since 27.
    let chain = "ip6tables -N DOCKER-USER && ip6tables -A DOCKER-USER -j RETURN && ip6tables -I FORWARD -j DOCKER-USER";
    lab.host().run("sh", &["-c", chain])?;
    all_withstood(&lab, "ip6tables", &[])
}

/// Puts a rule above and takes it away, again and again, while packets pass it: each time every counter moves.
fn moves_under_load(lab: &Lab, name: &str, host_port: u16) -> Result<()> {
    let dtraf = Dtraf::new(lab)?;
    let (mut running, _) = ruling(&dtraf, "iptables", &[])?;
    let container = lab.container(name).publish(&format!("{host_port}:80")).web_server(80).start()?;
    let address = container.address("bridge")?;
    let witness = Witness::of_address(lab.host(), address)?;
    wait_for_rules(lab.host(), &[address])?;
    running.total_of(name)?;
    // What passed before the witness was there, nobody has sent.
    let load = lab.outside().downloads(host_port)?;
    let mut last = Both::default();
    for (chain, specific) in [("DOCKER-USER", "203.0.113.7"), ("FORWARD", "203.0.113.8")].repeat(5) {
        for verb in ["-I", "-D"] {
            lab.host().run("iptables", &["-w", verb, chain, "-s", specific, "-j", "DROP"])?;
            for _ in 0..4 {
                let now = running.total_of(name)?;
                ensure!(now.rx >= last.rx && now.tx >= last.tx, "{now:?} after {last:?}");
                last = now;
            }
        }
    }
    drop(load);
    let said = running.agrees(name, || witness.seen())?;
    ensure!(said.tx.bytes > 5_000_000 && said.rx.packets > 1_000, "too little for a test: {said:?}");
    let errors = running.stop(Signal::TERM)?.errors;
    ensure!(errors.matches("dtraf's rules stand first again").count() >= 5, "{errors}");
    ensure!(!errors.contains("set back"), "{errors}");
    let (seen, report) = at_rest(&dtraf, "iptables", || witness.seen())?;
    assert_eq!(report.total(name)?, Some(seen), "counters in the kernel");
    dtraf.run(&["uninstall", "--yes"]).map(drop)
}

#[test]
fn counters_that_move_up_under_load_lose_no_byte_and_double_none() -> Result<()> {
    let lab = Shared::fresh()?;
    moves_under_load(&lab, "loaded", 8111)
}

#[test]
fn counters_of_the_old_iptables_move_up_under_load_without_loss() -> Result<()> {
    let lab = Lab::start_with(&LabOptions { legacy_iptables: true, ..LabOptions::default() })?;
    moves_under_load(&lab, "loaded", 8111)
}

#[test]
fn rules_that_were_applied_once_are_moved_up_by_the_next_apply() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let (container, _server) = lab.served("applied", (8112, 80))?;
    let witness = Witness::of_address(lab.host(), container.address("bridge")?)?;
    dtraf.run(&["rules", "apply"])?;
    let visit = || lab.outside().place().tcp(SocketAddr::new(Outside::HOST_V4, 8112), 1_000, 2_000_000);
    let total = || -> Result<(Both<Tally>, Both<Tally>)> {
        let (seen, report) = at_rest(&dtraf, "iptables", || witness.seen())?;
        Ok((report.total("applied")?.context("it is counted")?, seen))
    };
    visit()?;
    let (said, seen) = total()?;
    assert_eq!(said, seen);

    let state = ["-m", "state", "--state", "RELATED,ESTABLISHED", "-j", "ACCEPT"];
    lab.host().run("iptables", &[&["-I", "DOCKER-USER"][..], &state].concat())?;
    visit()?;
    let (said, hidden) = total()?;
    ensure!(said.tx.bytes < seen.tx.bytes + 1_000, "this was to be hidden: {said:?}");
    let (_, report) = at_rest(&dtraf, "iptables", || witness.seen())?;
    ensure!(report.blind_spots.iter().any(|spot| spot.kind == "hidden"), "{report:?}");
    let missed = hidden.since(said);

    dtraf.run(&["rules", "apply"])?;
    let (same, _) = total()?;
    assert_eq!(same, said, "moved with all that it had counted");
    visit()?;
    let (said, seen) = total()?;
    assert_eq!(said.tx, (seen.since(missed)).tx);
    assert_eq!(said.rx, (seen.since(missed)).rx);
    let (_, report) = at_rest(&dtraf, "iptables", || witness.seen())?;
    ensure!(report.blind_spots.iter().all(|spot| spot.kind != "hidden"), "{report:?}");
    dtraf.run(&["rules", "remove"])?;
    lab.host().run("iptables", &[&["-D", "DOCKER-USER"][..], &state].concat()).map(drop)
}

#[test]
fn rules_in_forward_go_with_an_uninstall_even_when_docker_user_is_gone() -> Result<()> {
    let lab = Lab::start()?;
    let dtraf = Dtraf::new(&lab)?;
    let (_container, _server) = lab.served("left", (8113, 80))?;
    lab.host().run("iptables", &["-I", "FORWARD", "-p", "udp", "-j", "ACCEPT"])?;
    dtraf.run(&["rules", "apply"])?;
    let in_forward = rules(lab.host(), "iptables")?;
    let in_forward = in_forward.iter().filter(|rule| rule.chain == "FORWARD" && rule.spec.contains("dtraf "));
    assert_eq!(in_forward.count(), 4);
    let gone = "iptables -D FORWARD -j DOCKER-USER && iptables -F DOCKER-USER && iptables -X DOCKER-USER";
    lab.host().run("sh", &["-c", gone])?;
    dtraf.run(&["uninstall", "--yes"])?;
    let left = shape(lab.host())?;
    ensure!(!left.to_lowercase().contains("dtraf"), "{left}");
    Ok(())
}
