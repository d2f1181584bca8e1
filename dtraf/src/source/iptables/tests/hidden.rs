//! Rules of others before dtraf's: counters take over from one another, and no count is lost.

use super::*;

const STATE: &str = "-m state --state RELATED,ESTABLISHED -j ACCEPT";

/// A host with one container, before whose rules a verdict stands.
fn hidden(chain: &str, verdict: &str) -> (Host, Vec<Wanted>) {
    let mut host = Host::new();
    let wanted = vec![wanted(1, "web", v4(2), [])];
    host.have(&wanted, 40);
    host.receive(v4(2));
    host.model.chain(chain).insert(0, Rule::of(verdict));
    (host, wanted)
}

/// Without the ids, which are long.
fn short(script: &str) -> String {
    script.replace(&id(1).to_string(), "ID")
}

fn bytes(host: &Host) -> u64 {
    host.model.standing().counted().iter().map(|it| it.tally.bytes).sum()
}

fn names(host: &Host) -> Vec<String> {
    host.model.standing().hiding().iter().map(ToString::to_string).collect()
}

#[test]
fn another_counter_takes_over_above_and_the_old_one_is_retired_with_its_count() {
    let (mut host, wanted) = hidden("DOCKER-USER", "-p udp -j DROP");
    assert_eq!(names(&host), ["iptables: DOCKER-USER 1 (`-p udp -j DROP`)"]);
    insta::assert_snapshot!(short(&host.have(&wanted, 40)), @r#"
    *filter
    [0:0] -I DOCKER-USER 4 -s 172.17.0.2/32 -m comment --comment "dtraf tx all web ID 2026-09-21T14:14:20Z -"
    [0:0] -I DOCKER-USER 3 -s 172.17.0.2/32 -m comment --comment "dtraf tx all web ID 2026-09-21T14:14:20Z -"
    [0:0] -I DOCKER-USER 3 -d 172.17.0.2/32 -m comment --comment "dtraf rx all web ID 2026-09-21T14:14:20Z -"
    [0:0] -I DOCKER-USER 2 -d 172.17.0.2/32 -m comment --comment "dtraf rx all web ID 2026-09-21T14:14:20Z -"
    [0:0] -I DOCKER-USER 1 -s 172.17.0.2/32 -m comment --comment "dtraf tx all web ID 2026-09-21T14:15:20Z"
    [0:0] -I DOCKER-USER 1 -d 172.17.0.2/32 -m comment --comment "dtraf rx all web ID 2026-09-21T14:15:20Z"
    COMMIT
    "#);
    assert_eq!(names(&host), [""; 0]);
    assert_eq!(bytes(&host), 100);
    // It comes to the old counter, too.
    host.receive(v4(2));
    assert_eq!(bytes(&host), 200);
    insta::assert_snapshot!(short(&host.have(&wanted, 40)), @r#"
    *filter
    :DTRAF-RETIRED - [0:0]
    -D DOCKER-USER -d 172.17.0.2/32 -m comment --comment "dtraf rx all web ID 2026-09-21T14:14:20Z -"
    -D DOCKER-USER -d 172.17.0.2/32 -m comment --comment "dtraf rx all web ID 2026-09-21T14:14:20Z"
    -D DOCKER-USER -d 172.17.0.2/32 -m comment --comment "dtraf rx all web ID 2026-09-21T14:14:20Z -"
    -D DOCKER-USER -s 172.17.0.2/32 -m comment --comment "dtraf tx all web ID 2026-09-21T14:14:20Z -"
    -D DOCKER-USER -s 172.17.0.2/32 -m comment --comment "dtraf tx all web ID 2026-09-21T14:14:20Z"
    -D DOCKER-USER -s 172.17.0.2/32 -m comment --comment "dtraf tx all web ID 2026-09-21T14:14:20Z -"
    [0:0] -I DTRAF-RETIRED 1 -s 172.17.0.2/32 -m comment --comment "dtraf tx all web ID 2026-09-21T14:14:20Z"
    [1:100] -I DTRAF-RETIRED 1 -d 172.17.0.2/32 -m comment --comment "dtraf rx all web ID 2026-09-21T14:14:20Z"
    COMMIT
    "#);
    assert_eq!(host.have(&wanted, 40), "");
    assert_eq!(bytes(&host), 200);
    // The next one to take over begins with what is retired: there is never more than one.
    host.model.chain("DOCKER-USER").insert(0, Rule::of(STATE));
    host.have(&wanted, 40);
    host.receive(v4(2));
    host.have(&wanted, 40);
    assert_eq!(bytes(&host), 300);
    let retired = host.known.iter().filter(|it| it.life == Life::Retired).count();
    assert_eq!((retired, live(&host.known).count()), (2, 2));
}

#[test]
fn a_count_that_is_not_certain_waits_for_another_reading() {
    let (mut host, wanted) = hidden("DOCKER-USER", "-p udp -j DROP");
    host.have(&wanted, 40);
    // A packet passed between the reading of the one shadow and that of the other.
    let is_shadow = |rule: &&mut Rule| rule.spec.starts_with("-d ") && rule.spec.ends_with(" -\"");
    let shadow = host.model.chain("DOCKER-USER").iter_mut().filter(is_shadow).last().unwrap();
    let before =
        std::mem::replace(&mut shadow.counter, crate::source::rules::Tally { packets: 1, bytes: 60 });
    assert_eq!(bytes(&host), 40, "never too much");
    let script = host.have(&wanted, 40);
    assert!(!script.contains("-d 172.17.0.2"), "{script}");
    let shadow = host.model.chain("DOCKER-USER").iter_mut().filter(is_shadow).last().unwrap();
    shadow.counter = before;
    host.have(&wanted, 40);
    assert_eq!(bytes(&host), 100);
    assert!(!host.model.save().contains(" -\"\n"));
}

#[test]
fn a_count_that_reads_lower_than_it_was_known_waits() {
    let (mut host, wanted) = hidden("DOCKER-USER", "-p udp -j DROP");
    host.have(&wanted, 40);
    // iptables-legacy, while somebody edits rules.
    let whole = host.model.clone();
    for rule in host.model.chain("DOCKER-USER") {
        rule.counter = crate::source::rules::Tally::default();
    }
    let standing = host.model.standing();
    let target =
        Target { wanted: &wanted, containers: &BTreeSet::from([id(1)]), known: &host.known, now: at(600) };
    let script = plan(&standing, &target, 40).script(Family::V4).unwrap_or_default();
    assert!(!script.contains("-d 172.17.0.2"), "{script}");
    host.model = whole;
    host.have(&wanted, 40);
    assert_eq!(bytes(&host), 100);
}

#[test]
fn where_docker_user_does_not_see_all_packets_rules_stand_at_the_top_of_forward() {
    let (mut host, wanted) = hidden("FORWARD", STATE);
    assert_eq!(names(&host), [format!("iptables: FORWARD 1 (`{STATE}`)")]);
    let script = host.have(&wanted, 40);
    assert_eq!(script.matches("-I FORWARD 1 ").count(), 2, "{script}");
    assert_eq!(names(&host), [""; 0]);
    host.have(&wanted, 40);
    host.receive(v4(2));
    assert_eq!(bytes(&host), 200);
    let both = [wanted[0].clone(), super::wanted(2, "db", v4(3), [])];
    let script = host.have(&both, 0);
    assert_eq!(script.matches("-I FORWARD 1 -d 172.17.0.3/32 -j DTRAF-RX").count(), 1, "{script}");
    // And back, when it is gone.
    host.model.chain("FORWARD").retain(|rule| rule.spec != STATE);
    host.have(&both, 40);
    host.have(&both, 40);
    assert!(host.model.chains["FORWARD"].iter().all(|rule| is_foreign(&rule.spec)), "{}", host.model.save());
    assert_eq!(bytes(&host), 200);
    host.model.carry_out(&removal(&host.model.standing(), |_| true));
    let mut before = Model::new(Family::V4, Presets::Kept);
    assert_eq!(host.model.chains.len(), before.chains.len());
    before.chain("FORWARD");
    let specs = |model: &Model| -> Vec<String> {
        model.chains.values().flatten().map(|it| it.spec.clone()).collect()
    };
    assert_eq!(specs(&host.model), specs(&before));
}

#[test]
fn what_is_saved_amid_a_move_is_restored_with_its_shadows() {
    let (mut host, wanted) = hidden("FORWARD", STATE);
    host.have(&wanted, 40);
    let standing = host.model.standing();
    let mut restored = Model::new(Family::V4, Presets::Kept);
    restored.chain("FORWARD").insert(0, Rule::of(STATE));
    restored.restore(&saved(&standing, Family::V4, false));
    assert_eq!(restored.standing().counted(), standing.counted());
    let zeroed = zero(&standing, |_| true).script(Family::V4).unwrap();
    restored.restore(&zeroed);
    assert!(restored.standing().counted().iter().all(|it| it.tally.bytes == 0), "{}", restored.save());
}
