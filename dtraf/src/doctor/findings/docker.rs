//! What Docker says, or why it does not.

use super::{Finding, Topic};
use crate::docker::{Firewall, Product, Rights, Setup, UserlandProxy};
use crate::source::probe::{Bridges, DockerFacts, Facts, Unreachable};
use crate::source::select::Refusal;

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    match &facts.docker {
        Ok(docker) => {
            let setup = docker.setup.as_ref();
            let mut findings = vec![engine(docker)];
            findings.extend(bridges(docker));
            findings.extend(setup.and_then(|setup| firewall(docker, setup)));
            findings.extend(setup.and_then(proxy));
            findings
        }
        Err(Unreachable { text, advice }) => {
            vec![Finding::problem(Topic::Docker, format!("no answer: {text}")).advise(advice)]
        }
    }
}

fn engine(docker: &DockerFacts) -> Finding {
    let engine = docker.engine.to_string();
    match &docker.setup {
        Some(Setup { rights: Rights::Rootless, .. }) => {
            Finding::note(Topic::Docker, format!("{engine}, rootless: it has a network namespace of its own"))
        }
        Some(_) => Finding::ok(Topic::Docker, engine),
        None => Finding::note(Topic::Docker, format!("{engine}; it does not say how it was set up")),
    }
}

fn bridges(docker: &DockerFacts) -> Option<Finding> {
    match &docker.bridges {
        Bridges::Here => Some(Finding::ok(Topic::Bridges, "in this network namespace")),
        Bridges::Elsewhere(bridges) if docker.engine.product == Product::Docker => {
            let refusal = Refusal::Elsewhere(bridges.clone());
            Some(Finding::problem(Topic::Bridges, refusal.to_string()).advise(refusal.advice()))
        }
        Bridges::Elsewhere(bridges) => {
            let text = format!("none yet; each comes with its first container: {}", bridges.join(", "));
            Some(Finding::note(Topic::Bridges, text))
        }
        Bridges::Unknown => None,
    }
}

fn firewall(docker: &DockerFacts, setup: &Setup) -> Option<Finding> {
    let topic = Topic::Firewall;
    match (&setup.firewall, docker.engine.product) {
        (Some(Firewall::Iptables), _) => Some(Finding::ok(topic, "iptables")),
        (Some(Firewall::Nftables), _) => {
            Some(Finding::note(topic, "nftables: there is no DOCKER-USER in it"))
        }
        (Some(Firewall::Unknown(driver)), _) => {
            Some(Finding::note(topic, format!("{driver}: dtraf does not know it")))
        }
        (None, Product::Docker) => {
            Some(Finding::ok(topic, "iptables: engines before API 1.49 have no other"))
        }
        (None, Product::Podman) => None,
    }
}

fn proxy(setup: &Setup) -> Option<Finding> {
    let text = match setup.userland_proxy? {
        UserlandProxy::On => "on: whom it carries traffic for is hidden, and counts in the scope host",
        UserlandProxy::Off => "off",
    };
    Some(Finding::ok(Topic::UserlandProxy, text))
}
