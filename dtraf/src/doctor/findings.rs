//! [`Facts`] -> what is good, what is worth knowing, and what is in the way. Pure.

mod docker;
mod ebpf;
mod rules;

use crate::source::probe::{Facts, Security, Selinux};
use crate::source::select::Refusal;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) topic: Topic,
    pub(crate) mark: Mark,
    /// May hold what others say, as they say it.
    pub(crate) text: String,
    /// What to do about it.
    pub(crate) advice: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    Kernel,
    Privileges,
    Programs,
    Hooks,
    Bpffs,
    Pins,
    Jit,
    Btf,
    Security,
    Docker,
    Bridges,
    Firewall,
    UserlandProxy,
    Iptables,
    Ip6tables,
    BridgeIptables,
    BridgeIp6tables,
    Nft,
}

/// How good it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    Ok,
    /// Good to know; nothing that is needed here.
    Note,
    /// It keeps the best backend from counting, or dtraf from knowing whom it counts for.
    Problem,
}

/// In the order of [`Topic`]. What is not known of Docker is left out.
pub(crate) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings = ebpf::findings(facts);
    findings.push(security(&facts.security));
    findings.extend(docker::findings(facts));
    findings.extend(rules::findings(facts));
    findings
}

impl Finding {
    fn new(topic: Topic, mark: Mark, text: impl Into<String>) -> Self {
        Self { topic, mark, text: text.into(), advice: None }
    }

    fn ok(topic: Topic, text: impl Into<String>) -> Self {
        Self::new(topic, Mark::Ok, text)
    }

    fn note(topic: Topic, text: impl Into<String>) -> Self {
        Self::new(topic, Mark::Note, text)
    }

    fn problem(topic: Topic, text: impl Into<String>) -> Self {
        Self::new(topic, Mark::Problem, text)
    }

    /// A refusal in its own words.
    fn refused(topic: Topic, mark: Mark, refusal: &Refusal) -> Self {
        Self::new(topic, mark, refusal.to_string()).advise(refusal.advice())
    }

    fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }
}

fn security(security: &Security) -> Finding {
    let lockdown = security.lockdown.as_deref().map(|mode| format!("lockdown {mode}"));
    let selinux = security.selinux.map(|selinux| match selinux {
        Selinux::Enforcing => "SELinux enforcing".to_owned(),
        Selinux::Permissive => "SELinux permissive".to_owned(),
    });
    let apparmor = security.apparmor.as_deref().map(|profile| format!("AppArmor profile {profile}"));
    let parts: Vec<_> = [lockdown, selinux, apparmor].into_iter().flatten().collect();
    let text = if parts.is_empty() { "nothing that could interfere".to_owned() } else { parts.join(", ") };
    Finding::ok(Topic::Security, text)
}

#[cfg(test)]
mod tests;
