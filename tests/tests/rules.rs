//! The recipe in `DOCKER-USER`, made by `dtraf rules`: the rules are those that people write, and they count the same.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::firewall::{Rule, at_rest, only, rules, shape};
use dtraf_tests::{Container, Dtraf, Ended, Outside, Shared};
use serde_json::Value;

/// The recipe by hand for one container: its ports first, then everything.
fn recipe(container: &Container<'_>, address: IpAddr, ports: &[(&str, u16)]) -> Vec<String> {
    let mut specs = Vec::new();
    for (protocol, port) in ports {
        specs
            .push(format!("-d {address}/32 -p {protocol} -m {protocol} --dport {port} rx {port}/{protocol}"));
        specs
            .push(format!("-s {address}/32 -p {protocol} -m {protocol} --sport {port} tx {port}/{protocol}"));
    }
    specs.push(format!("-d {address}/32 rx all"));
    specs.push(format!("-s {address}/32 tx all"));
    let owner = format!("{} {}", container.name(), container.id());
    specs.into_iter().map(|spec| format!("{spec} {owner}")).collect()
}

/// A rule of dtraf's as [`recipe`] writes it: what it matches, and what its comment says, without the time.
fn as_recipe(rule: &Rule) -> Option<String> {
    let (matched, comment) = rule.spec.split_once("-m comment --comment \"dtraf ")?;
    let words: Vec<&str> = comment.trim_end_matches('"').split(' ').collect();
    Some(format!("{matched}{}", words.get(..4)?.join(" ")))
}

/// All rules of dtraf's that count, wherever they stand.
fn counters(lab: &Shared) -> Result<Vec<Rule>> {
    let rules = rules(lab.host(), "iptables")?;
    Ok(rules.into_iter().filter(|rule| as_recipe(rule).is_some()).collect())
}

fn docker_user(lab: &Shared) -> Result<Vec<Rule>> {
    Ok(rules(lab.host(), "iptables")?.into_iter().filter(|rule| rule.chain == "DOCKER-USER").collect())
}

fn refused(ended: &Ended, words: &[&str]) -> Result<()> {
    ensure!(ended.status.code() == Some(1), "{ended:?}");
    for word in words {
        ensure!(ended.errors.contains(word), "says nothing of {word:?}: {ended:?}");
    }
    Ok(())
}

/// Every rule of `dtraf rules list`, by its line in the chain, with its counter.
fn listed(dtraf: &Dtraf<'_>) -> Result<Vec<(String, u64, u64, u64)>> {
    let list: Value = serde_json::from_str(&dtraf.run(&["rules", "list", "--format=json"])?)?;
    let rules = list["rules"].as_array().context("the list has rules")?;
    let row = |rule: &Value| {
        let number = |field: &str| rule[field].as_u64();
        Some((rule["chain"].as_str()?.to_owned(), number("number")?, number("packets")?, number("bytes")?))
    };
    rules.iter().map(|rule| row(rule).context("a rule has a chain, a number and a counter")).collect()
}

#[test]
fn the_three_situations_of_the_recipe_have_its_rules_and_count_what_passes() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    lab.host()
        .run("iptables", &["-I", "DOCKER-USER", "-s", "203.0.113.9", "-m", "comment", "--comment", "mine"])?;
    // Published under its own number, under another, and two containers with the same port.
    let (same, _same) = lab.served("same", (38022, 38022))?;
    let (one, _one) = lab.served("one", (8081, 80))?;
    let (two, _two) = lab.served("two", (8082, 80))?;

    let before = shape(lab.host())?;
    dtraf.run(&["rules", "apply"])?;
    let made = docker_user(&lab)?;
    let mut expected = Vec::new();
    for (container, port) in [(&same, 38022), (&one, 80), (&two, 80)] {
        expected.extend(recipe(container, container.address("bridge")?, &[("tcp", port)]));
    }
    let of_dtraf: Vec<String> = made.iter().map_while(as_recipe).collect();
    assert_eq!(of_dtraf, expected);
    let rest: Vec<&str> = made[expected.len()..].iter().map(|rule| rule.spec.as_str()).collect();
    assert_eq!(rest, ["-s 203.0.113.9/32 -m comment --comment mine", "-j RETURN"]);

    let outside = lab.outside().place();
    for (port, up, down) in [(38022, 10_000, 2_000_000), (8081, 500_000, 1_000), (8082, 1_000, 700_000)] {
        outside.tcp(SocketAddr::new(Outside::HOST_V4, port), up, down)?;
    }
    let (kernel, report) = at_rest(&dtraf, "iptables", || docker_user(&lab))?;
    assert_eq!(report.backend, "iptables");
    for (container, port) in [(&same, 38022), (&one, 80), (&two, 80)] {
        let counted = |words: &str| {
            let it = kernel.iter().find(|rule| {
                as_recipe(rule).is_some_and(|spec| {
                    spec.ends_with(&format!("{words} {} {}", container.name(), container.id()))
                })
            });
            it.map(|rule| rule.tally).with_context(|| format!("{} has no rule {words}", container.name()))
        };
        let said = report.port(container.name(), "ipv4", "tcp", port)?;
        assert_eq!(
            (said.rx, said.tx),
            (counted(&format!("rx {port}/tcp"))?, counted(&format!("tx {port}/tcp"))?)
        );
        let total = report.total(container.name())?.context("it is counted")?;
        assert_eq!((total.rx, total.tx), (counted("rx all")?, counted("tx all")?));
        ensure!(said.rx.bytes > 1_000 && said.tx.bytes > 1_000, "nothing passed: {said:?}");
    }
    let list = listed(&dtraf)?;
    let kernel: Vec<_> = (1_u64..).zip(&kernel).take(expected.len()).collect();
    assert_eq!(list.len(), expected.len());
    for ((number, rule), row) in kernel.into_iter().zip(&list) {
        assert_eq!(*row, ("DOCKER-USER".to_owned(), number, rule.tally.packets, rule.tally.bytes));
    }
    dtraf.run(&["rules", "remove"])?;
    assert_eq!(shape(lab.host())?, before);
    lab.host()
        .run("iptables", &["-D", "DOCKER-USER", "-s", "203.0.113.9", "-m", "comment", "--comment", "mine"])?;
    Ok(())
}

#[test]
fn what_is_planned_is_what_a_shell_can_do() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let (_web, _server) = lab.served("planned", (8083, 80))?;
    let before = shape(lab.host())?;
    let plan = dtraf.run(&["rules", "plan"])?;
    assert_eq!(shape(lab.host())?, before, "a plan changes nothing");
    lab.host().run("sh", &["-c", &plan])?;
    assert_eq!(listed(&dtraf)?.len(), 4);
    assert_eq!(dtraf.run(&["rules", "plan"])?, "# Nothing is to be done.\n");
    dtraf.run(&["rules", "remove", "planned"])?;
    assert_eq!(shape(lab.host())?, before);
    Ok(())
}

#[test]
fn only_the_named_containers_rules_are_made_zeroed_and_removed() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let (one, _one) = lab.served("chosen", (8084, 80))?;
    let (_other, _other_server) = lab.served("left", (8085, 80))?;
    dtraf.run(&["rules", "apply", "chosen"])?;
    assert_eq!(listed(&dtraf)?.len(), 4);
    dtraf.run(&["rules", "apply"])?;
    let mine = ["DOCKER-USER", "-d", &one.address("bridge")?.to_string()];
    lab.host().run("iptables", &[&["-I"], &mine[..]].concat())?;
    for port in [8084, 8085] {
        lab.outside().place().tcp(SocketAddr::new(Outside::HOST_V4, port), 1_000, 100_000)?;
    }
    let counts = |container: &str| -> Result<Vec<bool>> {
        let rules = docker_user(&lab)?;
        let its = rules.iter().filter(|rule| rule.spec.contains(&format!(" {container} ")));
        Ok(its.map(|rule| rule.tally.packets > 0).collect())
    };
    assert_eq!(counts("chosen")?, [true; 4]);
    dtraf.run(&["rules", "zero", "chosen"])?;
    assert_eq!((counts("chosen")?, counts("left")?), (vec![false; 4], vec![true; 4]));
    let bare = only(&docker_user(&lab)?, &format!("-d {}/32", one.address("bridge")?))?;
    ensure!(bare.packets > 0, "a rule of the same shape that is not dtraf's keeps its count");

    dtraf.run(&["rules", "remove", &one.id()[..12]])?;
    assert_eq!((counts("chosen")?.len(), counts("left")?.len()), (0, 4));
    refused(&dtraf.end(&["rules", "remove", "nobody"])?, &["no such container", "nobody"])?;
    only(&docker_user(&lab)?, &format!("-d {}/32", one.address("bridge")?))?;
    lab.host().run("iptables", &[&["-D"], &mine[..]].concat())?;
    dtraf.run(&["rules", "remove"]).map(drop)
}

#[test]
fn a_container_that_has_got_another_address_keeps_its_counts() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let (container, server) = lab.served("mover", (8086, 80))?;
    let address = container.address("bridge")?;
    dtraf.run(&["rules", "apply"])?;
    lab.outside().place().tcp(SocketAddr::new(Outside::HOST_V4, 8086), 1_000, 400_000)?;
    drop(server);
    container.stop()?;
    let (kernel, report) = at_rest(&dtraf, "iptables", || docker_user(&lab))?;
    let before = report.total("mover")?.context("it is counted")?;
    ensure!(kernel.iter().any(|rule| rule.tally == before.tx), "{kernel:?}");

    // Somebody else takes the address.
    let (squatter, _squatter) = lab.served("squatter", (8087, 80))?;
    assert_eq!(squatter.address("bridge")?, address);
    lab.docker(&["start", container.id()])?;
    ensure!(container.address("bridge")? != address);
    dtraf.run(&["rules", "apply"])?;
    let (_, report) = at_rest(&dtraf, "iptables", || docker_user(&lab))?;
    let after = report.total("mover")?.context("it is counted")?;
    // What came for the old address since is the squatter's doing, and rules by hand cannot know that.
    ensure!(after.tx >= before.tx && after.rx >= before.rx, "{after:?} of {before:?}");
    let moved = recipe(&container, container.address("bridge")?, &[("tcp", 80)]);
    let specs: Vec<String> = docker_user(&lab)?.iter().filter_map(as_recipe).collect();
    ensure!(moved.iter().all(|spec| specs.contains(spec)), "{specs:#?}");
    dtraf.run(&["rules", "remove"]).map(drop)
}

#[test]
fn a_saved_recipe_can_be_restored_with_its_counts_beside_other_peoples_rules() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let (_web, _server) = lab.served("saved", (8088, 80))?;
    for limit in ["40", "0"] {
        dtraf.run(&["rules", "apply", "--literal-rules", limit])?;
        lab.outside().place().tcp(SocketAddr::new(Outside::HOST_V4, 8088), 1_000, 300_000)?;
        let (kernel, _) = at_rest(&dtraf, "iptables", || counters(&lab))?;
        let saved = dtraf.run(&["rules", "save"])?;
        ensure!(!saved.contains(":DOCKER-USER"), "this would flush the chain: {saved}");
        dtraf.run(&["rules", "remove"])?;
        let script = format!("iptables-restore --noflush --counters <<'END'\n{saved}END\n");
        lab.host().run("sh", &["-c", &script])?;
        assert_eq!(counters(&lab)?, kernel);
        dtraf.run(&["rules", "remove"])?;
    }
    Ok(())
}

#[test]
fn names_labels_and_ports_cannot_break_the_chain() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let before = shape(lab.host())?;
    let long = "n".repeat(255);
    let inject = "a=\" -j DROP\n[0:0] -A DOCKER-USER -j DROP\n$(reboot);`reboot`'";
    let named = lab
        .container(&long)
        .label(inject)
        .option("--expose=65535")
        // Docker takes a port 0, but no packet has one.
        .option("--expose=0")
        .option("--expose=1/udp")
        .option("--expose=9/sctp")
        .start()?;
    let dashes = lab.container("a--j.DROP_-").start()?;
    dtraf.run(&["rules", "apply"])?;
    let made = docker_user(&lab)?;
    let ours: Vec<String> = made.iter().map_while(as_recipe).collect();
    assert_eq!(ours.len(), 2 + 2 + 3 * 2, "{made:#?}");
    for (protocol, port) in [("tcp", 65535), ("udp", 1), ("sctp", 9)] {
        let address = named.address("bridge")?;
        let spec =
            format!("-d {address}/32 -p {protocol} -m {protocol} --dport {port} rx {port}/{protocol} ");
        ensure!(ours.iter().any(|rule| rule.starts_with(&spec)), "{ours:#?}");
    }
    ensure!(
        made.iter().all(|rule| !rule.spec.contains("DROP\"") && !rule.spec.contains("reboot")),
        "{made:#?}"
    );
    let list: Value =
        serde_json::from_str(&dtraf.run(&["rules", "list", "a--j.DROP_-", "--format=json"])?)?;
    assert_eq!(list["rules"].as_array().map(Vec::len), Some(2));
    let csv = dtraf.run(&["rules", "list", "--format=csv"])?;
    assert_eq!(csv.lines().count(), 1 + ours.len());
    drop(dashes);
    dtraf.run(&["rules", "remove"])?;
    assert_eq!(shape(lab.host())?, before);
    Ok(())
}
