//! What eBPF takes.

use std::collections::BTreeSet;

use dtraf_common::abi::LAYOUT_VERSION;

use super::{Finding, Mark, Topic};
use crate::accounting::report::Backend;
use crate::source::probe::{Bpf, BpffsState, Capability, Facts, Jit, Load, Support};
use crate::source::select::{Refusal, refusals};

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let refusals = refusals(Backend::Ebpf, facts);
    vec![
        kernel(facts, &refusals),
        privileges(facts, &refusals),
        programs(&facts.bpf, &refusals),
        hooks(&facts.bpf, &refusals),
        bpffs(&facts.bpf, &refusals),
        pins(&facts.bpf),
        jit(&facts.bpf),
        btf(&facts.bpf),
    ]
}

/// The refusal that this is about, if there is one.
fn problem(topic: Topic, refusals: &[Refusal], is_about: fn(&Refusal) -> bool) -> Option<Finding> {
    let refusal = refusals.iter().find(|refusal| is_about(refusal))?;
    Some(Finding::refused(topic, Mark::Problem, refusal))
}

fn kernel(facts: &Facts, refusals: &[Refusal]) -> Finding {
    problem(Topic::Kernel, refusals, |refusal| matches!(refusal, Refusal::Kernel { .. }))
        .unwrap_or_else(|| Finding::ok(Topic::Kernel, format!("Linux {}", facts.kernel.release)))
}

fn privileges(facts: &Facts, refusals: &[Refusal]) -> Finding {
    let missing = refusals.iter().filter_map(|refusal| match refusal {
        Refusal::Capability(capability) => Some(*capability),
        _ => None,
    });
    let missing = listed(missing);
    if missing.is_empty() {
        return Finding::ok(Topic::Privileges, listed(facts.capabilities.iter().copied()));
    }
    let advice = Refusal::Capability(Capability::NetAdmin).advice();
    Finding::problem(Topic::Privileges, format!("dtraf has no {missing}")).advise(advice)
}

fn listed(capabilities: impl Iterator<Item = Capability>) -> String {
    capabilities.map(|capability| capability.to_string()).collect::<Vec<_>>().join(", ")
}

fn programs(bpf: &Bpf, refusals: &[Refusal]) -> Finding {
    let is_about = |refusal: &Refusal| matches!(refusal, Refusal::NoPrograms | Refusal::ProgramRefused(_));
    problem(Topic::Programs, refusals, is_about).unwrap_or_else(|| match &bpf.load {
        Load::Refused(said) => Finding::note(Topic::Programs, format!("not without the privileges: {said}")),
        Load::Done | Load::Unsupported => Finding::ok(Topic::Programs, "the kernel takes them"),
    })
}

fn hooks(bpf: &Bpf, refusals: &[Refusal]) -> Finding {
    problem(Topic::Hooks, refusals, |refusal| *refusal == Refusal::NoHook).unwrap_or_else(|| {
        match (bpf.tcx, bpf.clsact) {
            (Support::Yes, _) => Finding::ok(Topic::Hooks, "TCX; clsact for many interfaces at once"),
            (Support::No, Support::Yes) => Finding::ok(Topic::Hooks, "clsact; TCX takes Linux 6.6"),
            (Support::No, _) => {
                Finding::ok(Topic::Hooks, "clsact, to judge by the kernel's version; TCX takes Linux 6.6")
            }
            (Support::Unknown, _) => Finding::note(
                Topic::Hooks,
                "there are some, to judge by the kernel's version; who has no CAP_NET_ADMIN is not told",
            ),
        }
    })
}

fn bpffs(bpf: &Bpf, refusals: &[Refusal]) -> Finding {
    let path = bpf.bpffs.path.display();
    let is_about = |refusal: &Refusal| matches!(refusal, Refusal::NoBpffs(_) | Refusal::BpffsClosed(_));
    problem(Topic::Bpffs, refusals, is_about).unwrap_or_else(|| match bpf.bpffs.state {
        BpffsState::Closed => Finding::note(Topic::Bpffs, format!("mounted on {path}, but not open to us")),
        BpffsState::Writable | BpffsState::NotMounted => {
            Finding::ok(Topic::Bpffs, format!("mounted on {path}"))
        }
    })
}

fn pins(bpf: &Bpf) -> Finding {
    let own = LAYOUT_VERSION.to_string();
    let others: BTreeSet<&str> = bpf.pinned.iter().map(String::as_str).filter(|name| *name != own).collect();
    let top = bpf.bpffs.path.join("dtraf");
    let top = top.display();
    if !others.is_empty() {
        let others = others.into_iter().collect::<Vec<_>>().join(", ");
        let text = format!("{top} holds maps of another dtraf (layout {others}, this one has {own})");
        return Finding::problem(Topic::Pins, text)
            .advise("`dtraf uninstall` removes them, and with them what they have counted");
    }
    match bpf.bpffs.state {
        _ if bpf.pinned.contains(&own) => {
            Finding::ok(Topic::Pins, format!("{top}/{own}: dtraf has begun to count already"))
        }
        BpffsState::Closed => Finding::note(Topic::Pins, "not for us to see"),
        BpffsState::Writable | BpffsState::NotMounted => Finding::ok(Topic::Pins, "none"),
    }
}

fn jit(bpf: &Bpf) -> Finding {
    match bpf.jit {
        Some(Jit::On) => Finding::ok(Topic::Jit, "on"),
        Some(Jit::Off) => {
            Finding::note(Topic::Jit, "off: the program is interpreted, and each packet costs more")
                .advise("`sysctl -w net.core.bpf_jit_enable=1`")
        }
        None => Finding::note(Topic::Jit, "not for us to see"),
    }
}

fn btf(bpf: &Bpf) -> Finding {
    let text = match bpf.btf {
        Support::Yes => "there is some; it is not needed",
        Support::No | Support::Unknown => "there is none; it is not needed",
    };
    Finding::ok(Topic::Btf, text)
}
