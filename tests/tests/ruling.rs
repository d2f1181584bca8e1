//! `dtraf run` by rules of the firewall: the accounts stay exact while containers and rules come and go.

#![expect(clippy::tests_outside_test_module, reason = "this whole file is one")]

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dtraf_tests::books::counting;
use dtraf_tests::firewall::{Tally, Witness, at_rest, ruling, shape, wait_for_rules};
use dtraf_tests::report::Both;
use dtraf_tests::traffic::Datagrams;
use dtraf_tests::{Dtraf, Lab, Outside, Running, Shared, eventually};
use rustix::process::Signal;

#[test]
fn both_backends_count_the_same_for_what_the_firewall_sees() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    for (name, backend, options) in [
        ("in-chain", "iptables", &[][..]),
        ("in-tree", "iptables", &["--literal-rules=0"]),
        ("in-table", "nft", &[]),
    ] {
        let ebpf = counting(&dtraf, &["--backend=ebpf"])?;
        let (rules, _) = ruling(&dtraf, backend, options)?;
        let container = lab.container(name).publish("8090:80").publish("5390:53/udp").start()?;
        let place = container.place()?;
        let (_tcp, _udp) = (place.serve_tcp(80)?, place.serve_udp(53)?);
        let client = lab.container("peer").start()?;
        let address = container.address("bridge")?;
        let witness = Witness::of_address(lab.host(), address)?;
        let outside = lab.outside().place();
        outside.tcp(SocketAddr::new(Outside::HOST_V4, 8090), 700_000, 3_000_000)?;
        outside.udp(
            SocketAddr::new(Outside::HOST_V4, 5390),
            &Datagrams { echoed: true, ..Datagrams::new(50, 900) },
        )?;
        // On one bridge: br_netfilter hands it to the firewall, which Docker up to 27 sees to.
        client.place()?.tcp(SocketAddr::new(address, 80), 200_000, 300_000)?;
        let (seen, by_rules) = at_rest(&dtraf, backend, || witness.seen())?;
        let (_, by_program) = at_rest(&dtraf, "ebpf", || witness.seen())?;
        assert_eq!((by_rules.backend.as_str(), by_program.backend.as_str()), (backend, "ebpf"));
        for (protocol, port) in [("tcp", 80), ("udp", 53)] {
            let counted = by_rules.port(name, "ipv4", protocol, port)?;
            assert_eq!(
                counted,
                by_program.port(name, "ipv4", protocol, port)?,
                "{backend}: {port}/{protocol}"
            );
            ensure!(counted.rx.packets > 10 && counted.tx.packets > 10, "{counted:?}");
        }
        assert_eq!(by_rules.total(name)?, Some(seen), "{backend}");
        drop((ebpf, rules));
        dtraf.run(&["uninstall", "--yes"])?;
    }
    Ok(())
}

#[test]
fn a_container_is_counted_from_its_first_packet_on() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let (mut running, _) = ruling(&dtraf, "iptables", &[])?;
    let witness = Witness::of(lab.host(), "172.17.0.0/16", None)?;
    let ping = ["ping", "-c", "5", "-i", "0.05", &Outside::V4.to_string()].map(str::to_owned);
    let command: Vec<&str> = ping.iter().map(String::as_str).collect();
    for round in 0..5 {
        let before = witness.seen()?;
        let name = format!("early{round}");
        let container = lab.container(&name).command(&command).start()?;
        lab.docker(&["wait", container.id()])?;
        running.agrees(&name, || Ok(witness.seen()?.since(before)))?;
        assert_eq!(running.total_of(&name)?.tx.packets, 5);
        container.remove()?;
    }
    Ok(())
}

#[test]
fn an_address_that_changes_under_load_costs_no_count_and_doubles_none() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    for (names, options) in
        [(["moving1", "squatting1"], &[][..]), (["moving2", "squatting2"], &["--literal-rules=0"])]
    {
        let [moving, squatting] = names;
        let (mut running, _) = ruling(&dtraf, "iptables", options)?;
        let witness = Witness::of(lab.host(), "172.17.0.0/16", None)?;
        let container = lab.container(moving).publish("8091:80").web_server(80).start()?;
        let first = container.address("bridge")?;
        let load = lab.outside().downloads(8091)?;
        let mut last = Both::default();
        let mut grows = |running: &mut Running, times: u32| -> Result<()> {
            for _ in 0..times {
                let now = running.total_of(moving)?;
                ensure!(now.rx >= last.rx && now.tx >= last.tx, "{now:?} after {last:?}");
                last = now;
            }
            Ok(())
        };
        grows(&mut running, 5)?;
        container.stop()?;
        let squatter = lab.container(squatting).start()?;
        assert_eq!(squatter.address("bridge")?, first);
        grows(&mut running, 2)?;
        lab.docker(&["start", container.id()])?;
        ensure!(container.address("bridge")? != first);
        grows(&mut running, 10)?;
        drop(load);

        // Whatever came for the address while nobody had it, nobody received.
        let both = |running: &mut Running| -> Result<Both<Tally>> {
            let report = running.ruled()?;
            let of = |name| -> Result<Both<Tally>> {
                report.total(name)?.with_context(|| format!("{name} is counted"))
            };
            let (one, other) = (of(moving)?, of(squatting)?);
            Ok(one.and(other))
        };
        let (said, seen) = eventually("all that was sent to be counted", Duration::from_secs(20), || {
            let before = witness.seen()?;
            let said = both(&mut running)?;
            Ok((said.tx == before.tx && witness.seen()? == before).then_some((said, before)))
        })?;
        ensure!(said.rx <= seen.rx && said.rx.packets > 100, "{said:?} of {seen:?}");
        drop(running);
        dtraf.run(&["uninstall", "--yes"])?;
    }
    Ok(())
}

#[test]
fn what_somebody_takes_away_is_put_back_with_its_counts_and_the_gap_is_told() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    for (robbed, options) in [("robbed1", &[][..]), ("robbed2", &["--literal-rules=0"])] {
        let (mut running, _) = ruling(&dtraf, "iptables", options)?;
        let container = lab.container(robbed).publish("8092:80").web_server(80).start()?;
        let address = container.address("bridge")?;
        wait_for_rules(lab.host(), &[address])?;
        let witness = Witness::of_address(lab.host(), address)?;
        let load = lab.outside().downloads(8092)?;
        let mut last = running.total_of(robbed)?;
        let mut upheaval = |what: &str| -> Result<()> {
            lab.host().run("sh", &["-c", what]).with_context(|| what.to_owned())?;
            for _ in 0..5 {
                let now = running.total_of(robbed)?;
                ensure!(now.rx >= last.rx && now.tx >= last.tx, "{what}: {now:?} after {last:?}");
                last = now;
            }
            wait_for_rules(lab.host(), &[address]).with_context(|| what.to_owned())
        };
        upheaval("iptables -F DOCKER-USER")?;
        upheaval("iptables -D DOCKER-USER 1")?;
        upheaval("iptables -Z DOCKER-USER 1")?;
        upheaval("docker network create another && docker network rm another")?;
        upheaval(
            "for chain in $(iptables -S | sed -n 's/^-N \\(DTRAF-[^ ]*\\)/\\1/p'); do iptables -F $chain; done",
        )?;
        drop(load);
        let (said, seen) =
            eventually("a moment in which nothing is counted", Duration::from_secs(20), || {
                let before = witness.seen()?;
                running.total_of(robbed)?;
                let said = running.total_of(robbed)?;
                Ok((witness.seen()? == before).then_some((said, before)))
            })?;
        ensure!(said.tx <= seen.tx && said.rx <= seen.rx, "counted twice: {said:?} of {seen:?}");
        ensure!(said.tx.bytes > seen.tx.bytes / 2, "{said:?} of {seen:?}");
        let ended = running.stop(Signal::TERM)?;
        ensure!(ended.errors.contains(robbed) && ended.errors.contains("a gap of at most"), "{ended:?}");
        dtraf.run(&["uninstall", "--yes"])?;
    }
    Ok(())
}

#[test]
fn rules_count_on_when_dtraf_is_killed_and_the_next_one_has_it_all() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let (container, _server) = lab.served("lasting", (8093, 80))?;
    let address = container.address("bridge")?;
    let (running, _) = ruling(&dtraf, "iptables", &[])?;
    wait_for_rules(lab.host(), &[address])?;
    let witness = Witness::of_address(lab.host(), address)?;
    let visit = || lab.outside().place().tcp(SocketAddr::new(Outside::HOST_V4, 8093), 10_000, 100_000);
    visit()?;
    let second = dtraf.end(&["run", "--backend=iptables", "--once"])?;
    ensure!(second.status.code() == Some(1) && second.errors.contains("another dtraf"), "{second:?}");
    for command in
        [&["rules", "apply"][..], &["rules", "zero"], &["rules", "remove"], &["uninstall", "--yes"]]
    {
        let ended = dtraf.end(command)?;
        ensure!(ended.status.code() == Some(1) && ended.errors.contains("another dtraf"), "{ended:?}");
    }
    // Dropping it is SIGKILL.
    drop(running);
    visit()?;
    let (mut running, _) = ruling(&dtraf, "iptables", &[])?;
    visit()?;
    running.agrees("lasting", || witness.seen())?;
    drop(running);
    dtraf.run(&["uninstall", "--yes"]).map(drop)
}

#[test]
fn docker_may_start_again_and_every_total_goes_on() -> Result<()> {
    // Of its own: others must not lose their Docker.
    let mut lab = Lab::start()?;
    lab.docker(&[
        "create",
        "--name=steady",
        "--publish=8094:80",
        "dtraf-lab:latest",
        "httpd",
        "-f",
        "-p",
        "80",
        "-h",
        "/www",
    ])?;
    lab.docker(&["start", "steady"])?;
    let (mut running, _) = ruling(&Dtraf::new(&lab)?, "iptables", &[])?;
    let download = |lab: &Lab, file: &str| {
        let url = format!("http://{}:8094/{file}", Outside::HOST_V4);
        lab.outside().place().run("busybox", &["wget", "-q", "-O", "/dev/null", &url])
    };
    download(&lab, "1m")?;
    let said = eventually("the download to be counted", Duration::from_secs(20), || {
        let said = running.total_of("steady")?;
        Ok((said.tx.bytes > 1_000_000).then_some(said))
    })?;
    lab.restart_docker()?;
    lab.docker(&["start", "steady"])?;
    eventually("dtraf to count again", Duration::from_secs(40), || {
        drop(download(&lab, "100k"));
        let now = running.total_of("steady")?;
        ensure!(now.rx >= said.rx && now.tx >= said.tx, "{now:?} after {said:?}");
        Ok((now.tx.bytes > said.tx.bytes + 100_000).then_some(()))
    })
}

#[test]
fn nothing_of_dtraf_is_left_amid_other_peoples_rules() -> Result<()> {
    let lab = Shared::fresh()?;
    let dtraf = Dtraf::new(&lab)?;
    let mine = |number: &str, address: &str| {
        lab.host().run(
            "iptables",
            &["-I", "DOCKER-USER", number, "-s", address, "-m", "comment", "--comment", "dtraf rx all mine"],
        )
    };
    let _one = lab.container("amid").publish("8095:80").start()?;
    let _other = lab.container("amid2").start()?;
    mine("1", "203.0.113.1")?;
    mine("2", "203.0.113.2")?;
    let before = shape(lab.host())?;
    for (backend, options) in [("iptables", &[][..]), ("iptables", &["--literal-rules=0"]), ("nft", &[])] {
        let tables = lab.host().run("nft", &["list", "tables"])?;
        drop(ruling(&dtraf, backend, options)?);
        lab.host().run(
            "iptables",
            &["-D", "DOCKER-USER", "-s", "203.0.113.1", "-m", "comment", "--comment", "dtraf rx all mine"],
        )?;
        // Amid dtraf's, where it has several.
        mine("2", "203.0.113.3")?;
        dtraf.run(&["uninstall", "--yes"])?;
        lab.host().run(
            "iptables",
            &["-D", "DOCKER-USER", "-s", "203.0.113.3", "-m", "comment", "--comment", "dtraf rx all mine"],
        )?;
        mine("1", "203.0.113.1")?;
        assert_eq!(shape(lab.host())?, before, "{backend} {options:?}");
        assert_eq!(lab.host().run("nft", &["list", "tables"])?, tables, "{backend} {options:?}");
    }
    Ok(())
}
