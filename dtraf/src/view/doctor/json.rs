//! A diagnosis as one line of JSON. Field by field as in `docs/json.md`.

use serde::Serialize;

use super::names;
use crate::accounting::attribution::{Coverage, Gap};
use crate::accounting::blind::BlindSpot;
use crate::docker::{Engine, Product};
use crate::doctor::{Containers, Diagnosis, Finding, Outlook, Uncovered};
use crate::source::select::Refusal;
use crate::view::json::{VERSION, line};
use crate::view::names as common;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    host: Host<'a>,
    /// `None`: it does not answer.
    docker: Option<EngineObject<'a>>,
    /// What `dtraf run` would take.
    backend: Option<&'static str>,
    findings: Vec<FindingObject<'a>>,
    backends: Vec<BackendObject>,
    containers: Option<ContainersObject<'a>>,
}

#[derive(Serialize)]
struct Host<'a> {
    name: &'a str,
    kernel: &'a str,
}

#[derive(Serialize)]
struct EngineObject<'a> {
    product: &'static str,
    version: &'a str,
    api_version: &'a str,
}

#[derive(Serialize)]
struct FindingObject<'a> {
    topic: &'static str,
    mark: &'static str,
    text: &'a str,
    advice: Option<&'a str>,
}

#[derive(Serialize)]
struct BackendObject {
    backend: &'static str,
    refused: Vec<RefusalObject>,
    blind_spots: Vec<BlindSpotObject>,
}

#[derive(Serialize)]
struct RefusalObject {
    reason: &'static str,
    text: String,
    advice: String,
}

#[derive(Serialize)]
struct BlindSpotObject {
    kind: &'static str,
    text: String,
    advice: Option<&'static str>,
}

#[derive(Serialize)]
struct ContainersObject<'a> {
    running: usize,
    uncovered: Vec<UncoveredObject<'a>>,
}

#[derive(Serialize)]
struct UncoveredObject<'a> {
    id: String,
    name: &'a str,
    gaps: Vec<GapObject<'a>>,
}

#[derive(Serialize)]
struct GapObject<'a> {
    /// `None`: all that the container sends and receives.
    network: Option<&'a str>,
    reason: &'static str,
    text: String,
}

pub(super) fn render(diagnosis: &Diagnosis) -> String {
    let backend = diagnosis.selection.as_ref().ok().map(|selection| common::backend(selection.backend));
    line(&Document {
        version: VERSION,
        host: Host { name: &diagnosis.host, kernel: &diagnosis.kernel },
        docker: diagnosis.docker.as_ref().map(EngineObject::of),
        backend,
        findings: diagnosis.findings.iter().map(FindingObject::of).collect(),
        backends: diagnosis.outlooks.iter().map(BackendObject::of).collect(),
        containers: diagnosis.containers.as_ref().map(ContainersObject::of),
    })
}

impl<'a> EngineObject<'a> {
    fn of(engine: &'a Engine) -> Self {
        Self {
            product: match engine.product {
                Product::Docker => "docker",
                Product::Podman => "podman",
            },
            version: &engine.version,
            api_version: &engine.api_version,
        }
    }
}

impl<'a> FindingObject<'a> {
    fn of(finding: &'a Finding) -> Self {
        Self {
            topic: names::topic(finding.topic),
            mark: names::mark(finding.mark),
            text: &finding.text,
            advice: finding.advice.as_deref(),
        }
    }
}

impl BackendObject {
    fn of(outlook: &Outlook) -> Self {
        let refused = |refusal: &Refusal| RefusalObject {
            reason: names::refusal(refusal),
            text: refusal.to_string(),
            advice: refusal.advice(),
        };
        let blind = |spot: &BlindSpot| BlindSpotObject {
            kind: common::blind_spot(*spot),
            text: spot.to_string(),
            advice: spot.advice(),
        };
        Self {
            backend: common::backend(outlook.backend),
            refused: outlook.refusals.iter().map(refused).collect(),
            blind_spots: outlook.blind_spots.iter().map(blind).collect(),
        }
    }
}

impl<'a> ContainersObject<'a> {
    fn of(containers: &'a Containers) -> Self {
        Self {
            running: containers.running,
            uncovered: containers.uncovered.iter().map(UncoveredObject::of).collect(),
        }
    }
}

impl<'a> UncoveredObject<'a> {
    fn of(container: &'a Uncovered) -> Self {
        let gaps = match &container.coverage {
            Coverage::NotCounted(reason) => {
                vec![GapObject { network: None, reason: common::uncounted(reason), text: reason.to_string() }]
            }
            Coverage::Partly(gaps) => gaps.iter().map(GapObject::of).collect(),
            Coverage::Counted | Coverage::SharedWith(_) => Vec::new(),
        };
        Self { id: container.id.to_string(), name: &container.name, gaps }
    }
}

impl<'a> GapObject<'a> {
    fn of(gap: &'a Gap) -> Self {
        Self {
            network: Some(&gap.network),
            reason: common::uncounted(&gap.reason),
            text: gap.reason.to_string(),
        }
    }
}
