//! Questions to Docker, asked beside the loop: while Docker starts a container it keeps everybody waiting who asks for it,
//! and just then that container's link must be attached to.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::{mpsc, oneshot};

use crate::accounting::identity::ContainerId;
use crate::accounting::inventory::{Container, Inventory};
use crate::docker::{Catalogue, Connected, ContainerEvent, Docker};

/// Where questions are put.
#[derive(Debug)]
pub(super) struct Desk {
    questions: mpsc::UnboundedSender<Question>,
    /// Whom the lists wait for.
    catalogue: Option<oneshot::Sender<Catalogue>>,
    /// The last question about each container that is not answered yet.
    latest: BTreeMap<ContainerId, Ticket>,
    next: u64,
}

/// Tells the answers to two questions about one container apart, which may come in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u64);

#[derive(Clone, Debug)]
enum Question {
    List,
    Inspect(ContainerId, Ticket),
    Connected(String),
    Past,
}

/// What Docker said.
#[derive(Debug)]
pub(super) enum Answer {
    Listed(Inventory),
    /// `None`: there is no such container any more.
    Inspected(ContainerId, Ticket, Option<Box<Container>>),
    /// Docker did not answer.
    Failed(ContainerId, Ticket),
    Connected(Connected),
    /// What happened before, oldest first.
    Past(Vec<ContainerEvent>),
}

impl Desk {
    /// And the stream of answers. Nothing is listed before somebody has [handed](Self::hand) a catalogue over.
    pub(super) fn open(docker: Docker) -> (Self, mpsc::UnboundedReceiver<Answer>) {
        let (questions, receiver) = mpsc::unbounded_channel();
        let (answers, answered) = mpsc::unbounded_channel();
        let (lists, listings) = mpsc::channel(1);
        let (catalogue, handed) = oneshot::channel();
        tokio::spawn(list(handed, listings, answers.clone()));
        let (networks, connections) = mpsc::unbounded_channel();
        tokio::spawn(connect(docker.clone(), connections, answers.clone()));
        tokio::spawn(serve(docker, receiver, Forward { lists, networks }, answers));
        (Self { questions, catalogue: Some(catalogue), latest: BTreeMap::new(), next: 0 }, answered)
    }

    /// Lets lists be made by what this catalogue knows already.
    pub(super) fn hand(&mut self, catalogue: Catalogue) {
        if let Some(waiting) = self.catalogue.take() {
            // Nobody waits for it any more when the daemon ends.
            drop(waiting.send(catalogue));
        }
    }

    /// Asks for everything. Questions that wait together are answered once.
    pub(super) fn list(&self) {
        self.ask(Question::List);
    }

    pub(super) fn inspect(&mut self, id: ContainerId) {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.latest.insert(id, ticket);
        self.ask(Question::Inspect(id, ticket));
    }

    /// Asks who is connected to the network of that id. The answers come in the order of the questions.
    pub(super) fn connected(&self, network: String) {
        self.ask(Question::Connected(network));
    }

    /// Asks what happened to containers lately: events may have been lost.
    pub(super) fn past(&self) {
        self.ask(Question::Past);
    }

    /// Whether an answer is the last one asked for. Each is to be asked about once.
    pub(super) fn is_latest(&mut self, id: ContainerId, ticket: Ticket) -> bool {
        let is_latest = self.latest.get(&id) == Some(&ticket);
        if is_latest {
            self.latest.remove(&id);
        }
        is_latest
    }

    /// The containers that an inspection is awaited of.
    pub(super) fn asked_about(&self) -> Vec<ContainerId> {
        self.latest.keys().copied().collect()
    }

    fn ask(&self, question: Question) {
        self.questions.send(question).expect("the desk is served for as long as it is open");
    }
}

/// Where questions go that must not be answered beside one another.
struct Forward {
    lists: mpsc::Sender<()>,
    networks: mpsc::UnboundedSender<String>,
}

async fn serve(
    docker: Docker,
    mut questions: mpsc::UnboundedReceiver<Question>,
    forward: Forward,
    answers: mpsc::UnboundedSender<Answer>,
) {
    while let Some(question) = questions.recv().await {
        match question {
            // One that waits already will see everything that this one would.
            Question::List => drop(forward.lists.try_send(())),
            Question::Connected(network) => drop(forward.networks.send(network)),
            Question::Inspect(id, ticket) => {
                tokio::spawn(inspect(docker.clone(), id, ticket, answers.clone()));
            }
            Question::Past => {
                let (docker, answers) = (docker.clone(), answers.clone());
                // Nobody waits for the answer any more when the daemon ends.
                tokio::spawn(async move { drop(answers.send(Answer::Past(docker.past_events().await))) });
            }
        }
    }
}

async fn list(
    handed: oneshot::Receiver<Catalogue>,
    mut listings: mpsc::Receiver<()>,
    answers: mpsc::UnboundedSender<Answer>,
) {
    let Ok(mut catalogue) = handed.await else { return };
    while listings.recv().await.is_some() {
        match catalogue.list().await {
            Ok(inventory) => {
                if answers.send(Answer::Listed(inventory)).is_err() {
                    return;
                }
            }
            // Counting goes on. Docker is asked again when its events come back, and every so often.
            Err(error) => log::warn!("{:#}", anyhow::Error::from(error)),
        }
    }
}

async fn connect(
    docker: Docker,
    mut networks: mpsc::UnboundedReceiver<String>,
    answers: mpsc::UnboundedSender<Answer>,
) {
    while let Some(first) = networks.recv().await {
        // An answer holds for every question that was asked before it.
        let mut asked = BTreeSet::from([first]);
        while let Ok(next) = networks.try_recv() {
            asked.insert(next);
        }
        for network in asked {
            match docker.connected(&network).await {
                // Nobody waits for the answer any more when the daemon ends.
                Ok(connected) => drop(connected.map(|connected| answers.send(Answer::Connected(connected)))),
                Err(error) => log::warn!("{:#}", anyhow::Error::from(error)),
            }
        }
    }
}

async fn inspect(docker: Docker, id: ContainerId, ticket: Ticket, answers: mpsc::UnboundedSender<Answer>) {
    let answer = match docker.inspect(id).await {
        Ok(container) => Answer::Inspected(id, ticket, container.map(Box::new)),
        Err(error) => {
            log::warn!("{:#}", anyhow::Error::from(error));
            Answer::Failed(id, ticket)
        }
    };
    // Nobody waits for the answer any more when the daemon ends.
    drop(answers.send(answer));
}
