use std::collections::BTreeSet;

use dtraf_common::abi::{Family, LAYOUT_VERSION};

use super::*;
use crate::source::iptables::verdict::Verdict;
use crate::source::probe::fixtures::{debian, docker, iptables, unprivileged};
use crate::source::probe::{Bridges, DockerFacts, DockerUser, Iptables, Jit, Load, PerFamily, Said};
use crate::source::rules::set::Hiding;

fn found(facts: &Facts, topic: Topic) -> Finding {
    findings(facts).into_iter().find(|finding| finding.topic == topic).unwrap()
}

#[test]
fn each_topic_is_told_once_and_in_order() {
    for facts in [debian(), unprivileged()] {
        let topics: Vec<_> = findings(&facts).into_iter().map(|finding| finding.topic).collect();
        assert!(topics.is_sorted(), "{topics:?}");
        assert_eq!(topics.iter().collect::<BTreeSet<_>>().len(), topics.len(), "{topics:?}");
    }
}

#[test]
fn every_problem_comes_with_what_to_do_about_it() {
    let mut facts = unprivileged();
    facts.bpf.pinned = BTreeSet::from(["0".to_owned()]);
    for finding in findings(&facts) {
        assert!(finding.mark != Mark::Problem || finding.advice.is_some(), "{finding:?}");
    }
}

#[test]
fn what_another_dtraf_has_pinned_is_in_the_way_and_our_own_is_not() {
    let with = |layout: String| {
        let mut facts = debian();
        facts.bpf.pinned = BTreeSet::from([layout]);
        found(&facts, Topic::Pins).mark
    };
    assert_eq!(with("0".to_owned()), Mark::Problem);
    assert_eq!(with(LAYOUT_VERSION.to_string()), Mark::Ok);
}

#[test]
fn what_is_refused_for_want_of_privileges_is_no_problem_of_its_own() {
    let facts = unprivileged();
    assert_eq!(found(&facts, Topic::Privileges).mark, Mark::Problem);
    for topic in [Topic::Programs, Topic::Hooks, Topic::Bpffs, Topic::Jit, Topic::Iptables, Topic::Nft] {
        assert_eq!(found(&facts, topic).mark, Mark::Note, "{topic:?}");
    }
}

#[test]
fn what_is_refused_in_spite_of_them_is() {
    let mut facts = debian();
    facts.bpf.load = Load::Refused(Said("Permission denied".to_owned()));
    facts.bpf.jit = Some(Jit::Off);
    assert_eq!(found(&facts, Topic::Programs).mark, Mark::Problem);
    assert_eq!(found(&facts, Topic::Jit).advice.as_deref(), Some("`sysctl -w net.core.bpf_jit_enable=1`"));
}

#[test]
fn both_variants_of_iptables_are_told_apart() {
    let with = |v4: Iptables| {
        let iptables = PerFamily { v4, ..debian().iptables };
        let finding = found(&Facts { iptables, ..debian() }, Topic::Iptables);
        (finding.mark, finding.text)
    };
    let reached = "FORWARD goes to DOCKER-USER, says /usr/sbin/iptables-nft";
    assert_eq!(with(iptables("iptables", DockerUser::Reached)), (Mark::Ok, reached.to_owned()));
    let neither = "nft: FORWARD does not go to DOCKER-USER; legacy: no DOCKER-USER";
    assert_eq!(with(iptables("iptables", DockerUser::Unreached)), (Mark::Note, neither.to_owned()));
    assert_eq!(with(Iptables::default()), (Mark::Note, "there is no such program".to_owned()));
}

#[test]
fn bridges_that_are_not_here_are_a_problem() {
    let bridges = Bridges::Elsewhere(vec!["docker0".to_owned()]);
    let facts = Facts { docker: Ok(DockerFacts { bridges, ..docker("28.5.2", "1.51") }), ..debian() };
    assert_eq!(found(&facts, Topic::Bridges).mark, Mark::Problem);
}

#[test]
fn a_rule_that_stands_before_dtrafs_is_named() {
    let spec = "-m state --state RELATED,ESTABLISHED -j ACCEPT".to_owned();
    let verdict = Verdict { chain: "DOCKER-USER".to_owned(), number: 1, spec };
    let mut facts = debian();
    let tables = facts.iptables.v4.nft.as_mut().expect("the fixture has it");
    tables.hiding.push(Hiding { family: Family::V4, verdict });
    let finding = found(&facts, Topic::Iptables);
    assert_eq!(finding.mark, Mark::Problem);
    assert_eq!(
        finding.text,
        "before dtraf's rules, which do not count what it ends, stands \
         iptables: DOCKER-USER 1 (`-m state --state RELATED,ESTABLISHED -j ACCEPT`)"
    );
    assert!(finding.advice.is_some_and(|advice| advice.contains("dtraf rules apply")));
}
