//! What happens to containers and networks, as it happens.
//!
//! Owns the subscription and makes it again when it breaks. Events are a hint: the engine drops them for a slow reader
//! and forgets them when it restarts, so that [`DockerEvent::Lost`] says when to list again. Refuses to say what a
//! container is like: only what its events say is handed on, for one that is gone before it can be inspected.

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::time::Duration;

use bollard::errors::Error as ApiError;
use bollard::models::{EventMessage, EventMessageTypeEnum};
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use super::error;
use crate::accounting::identity::{ContainerId, Timestamp};
use crate::clock;

const QUEUE: usize = 256;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// What engines put among a container's labels in an event.
const NOT_LABELS: [&str; 8] =
    ["name", "image", "exitCode", "execDuration", "signal", "oldName", "containerExitCode", "podId"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DockerEvent {
    Container(ContainerEvent),
    /// It was connected to a network, given by its id, or disconnected from one: inspect it.
    EndpointsChanged {
        container: ContainerId,
        network: String,
        change: EndpointChange,
        at: Timestamp,
    },
    /// A network was made or removed: list them.
    NetworksChanged,
    /// Subscribed, now or again: events before this one may be missing. List everything.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndpointChange {
    Connected,
    Disconnected,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContainerEvent {
    pub(crate) id: ContainerId,
    /// When it happened, by the engine's clock.
    pub(crate) at: Timestamp,
    pub(crate) action: Action,
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) labels: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Created,
    Started,
    Died,
    Removed,
    Renamed,
}

/// Returns what happened to containers before now, as far as the engine remembers: Docker keeps its last 256 events.
pub(super) async fn past(api: &bollard::Docker) -> Result<Vec<ContainerEvent>, ApiError> {
    let now = clock::now().0;
    let until = format!("{}.{:09}", now.as_secs(), now.subsec_nanos());
    let filters = HashMap::from([("type", vec!["container"])]);
    let options = EventsOptionsBuilder::new().filters(&filters).since("1").until(&until).build();
    let mut events = pin!(api.events(Some(options)));
    let mut past = Vec::new();
    while let Some(event) = events.next().await {
        if let Some(DockerEvent::Container(event)) = read(event?) {
            past.push(event);
        }
    }
    Ok(past)
}

/// Why a subscription ended.
enum End {
    /// Nobody listens any more.
    Unwanted,
    /// The engine ended it, or cannot be reached.
    Broken(Option<ApiError>),
}

pub(super) fn subscribe(api: bollard::Docker) -> mpsc::Receiver<DockerEvent> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(subscribe_again_and_again(api, sender));
    receiver
}

async fn subscribe_again_and_again(api: bollard::Docker, sender: mpsc::Sender<DockerEvent>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut live = false;
        let End::Broken(error) = relay(&api, &sender, &mut live).await else { return };
        let reason = error.map_or_else(|| "the engine ended it".to_owned(), |error| error::chain(&error));
        if live {
            log::warn!("events of containers: the subscription broke: {reason}; trying again");
            pause = FIRST_PAUSE;
        } else {
            log::debug!("events of containers: cannot subscribe: {reason}; trying again in {pause:?}");
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            () = sender.closed() => return,
        }
    }
}

/// One subscription, until it ends. `live` says whether it came about.
async fn relay(api: &bollard::Docker, sender: &mpsc::Sender<DockerEvent>, live: &mut bool) -> End {
    // Types that bollard does not know would end the stream.
    let filters = HashMap::from([("type", vec!["container", "network"])]);
    let mut events = pin!(api.events(Some(EventsOptionsBuilder::new().filters(&filters).build())));
    // bollard does not say when the subscription has come about. A ping sent after the request for it does.
    let mut ping = pin!(api.ping());
    loop {
        tokio::select! {
            biased;
            event = events.next() => match event {
                Some(Ok(event)) => if let Some(event) = read(event) && sender.send(event).await.is_err() {
                    return End::Unwanted;
                },
                Some(Err(error)) => return End::Broken(Some(error)),
                None => return End::Broken(None),
            },
            answer = &mut ping, if !*live => {
                if let Err(error) = answer {
                    return End::Broken(Some(error));
                }
                *live = true;
                if sender.send(DockerEvent::Lost).await.is_err() {
                    return End::Unwanted;
                }
            }
            () = sender.closed() => return End::Unwanted,
        }
    }
}

/// `None` for what changes nothing that dtraf shows: health checks, attached terminals, and the like.
fn read(event: EventMessage) -> Option<DockerEvent> {
    let actor = event.actor?;
    let action = event.action?;
    let at = event.time_nano.and_then(|ns| u64::try_from(ns).ok()).filter(|ns| *ns > 0);
    let at = at.map_or_else(clock::now, Timestamp::from_unix_ns);
    let mut attributes = actor.attributes.unwrap_or_default();
    match event.typ? {
        EventMessageTypeEnum::CONTAINER => {
            let action = action_of(&action)?;
            let id = actor.id?.parse().ok()?;
            let name = attributes.remove("name").unwrap_or_default();
            let image = attributes.remove("image").unwrap_or_default();
            attributes.retain(|key, _| !NOT_LABELS.contains(&key.as_str()));
            let labels = attributes.into_iter().collect();
            Some(DockerEvent::Container(ContainerEvent { id, at, action, name, image, labels }))
        }
        EventMessageTypeEnum::NETWORK => match action.as_str() {
            "connect" | "disconnect" => Some(DockerEvent::EndpointsChanged {
                container: attributes.get("container")?.parse().ok()?,
                network: actor.id?,
                change: if action == "connect" {
                    EndpointChange::Connected
                } else {
                    EndpointChange::Disconnected
                },
                at,
            }),
            "create" | "destroy" | "remove" | "update" => Some(DockerEvent::NetworksChanged),
            _ => None,
        },
        _ => None,
    }
}

/// Docker's words, then Podman's.
fn action_of(action: &str) -> Option<Action> {
    Some(match action {
        "create" => Action::Created,
        "start" => Action::Started,
        "die" | "died" => Action::Died,
        "destroy" | "remove" => Action::Removed,
        "rename" => Action::Renamed,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_lines(lines: &str) -> Vec<DockerEvent> {
        lines.lines().filter_map(|line| read(serde_json::from_str(line).unwrap())).collect()
    }

    #[test]
    fn a_short_life_leaves_its_name_and_labels() {
        insta::assert_debug_snapshot!(read_lines(include_str!("answers/docker-20.10-events.jsonl")));
    }

    #[test]
    fn podmans_words_are_understood() {
        let id = "0123456789abcdef".repeat(4);
        let line = format!(
            r#"{{"status":"died","Type":"container","Action":"died","Actor":{{"ID":"{id}","Attributes":{{"containerExitCode":"0","image":"localhost/web","name":"web1","podId":"","team":"a"}}}},"scope":"local","time":1,"timeNano":1}}"#
        );
        let expected = ContainerEvent {
            id: id.parse().unwrap(),
            at: Timestamp::from_unix_ns(1),
            action: Action::Died,
            name: "web1".to_owned(),
            image: "localhost/web".to_owned(),
            labels: BTreeMap::from([("team".to_owned(), "a".to_owned())]),
        };
        assert_eq!(read_lines(&line), [DockerEvent::Container(expected)]);
    }
}
