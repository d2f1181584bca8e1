//! Questions to Docker, asked beside the loop: while Docker starts a container it keeps everybody waiting who asks for it,
//! and just then that container's link must be attached to.

use tokio::sync::mpsc;

use crate::accounting::identity::ContainerId;
use crate::accounting::inventory::{Container, Inventory};
use crate::docker::{Catalogue, Docker};

/// Where questions are put.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    questions: mpsc::UnboundedSender<Question>,
}

#[derive(Clone, Copy, Debug)]
enum Question {
    List,
    Inspect(ContainerId),
}

/// What Docker said.
#[derive(Debug)]
pub(super) enum Answer {
    Listed(Inventory),
    /// `None`: there is no such container any more.
    Inspected(ContainerId, Option<Box<Container>>),
}

impl Desk {
    /// And the stream of answers.
    pub(super) fn open(docker: Docker, catalogue: Catalogue) -> (Self, mpsc::UnboundedReceiver<Answer>) {
        let (questions, receiver) = mpsc::unbounded_channel();
        let (answers, answered) = mpsc::unbounded_channel();
        let (lists, listings) = mpsc::channel(1);
        tokio::spawn(list(catalogue, listings, answers.clone()));
        tokio::spawn(serve(docker, receiver, lists, answers));
        (Self { questions }, answered)
    }

    /// Asks for everything. Questions that wait together are answered once.
    pub(super) fn list(&self) {
        self.ask(Question::List);
    }

    pub(super) fn inspect(&self, id: ContainerId) {
        self.ask(Question::Inspect(id));
    }

    fn ask(&self, question: Question) {
        self.questions.send(question).expect("the desk is served for as long as it is open");
    }
}

async fn serve(
    docker: Docker,
    mut questions: mpsc::UnboundedReceiver<Question>,
    lists: mpsc::Sender<()>,
    answers: mpsc::UnboundedSender<Answer>,
) {
    while let Some(question) = questions.recv().await {
        match question {
            // One that waits already will see everything that this one would.
            Question::List => drop(lists.try_send(())),
            Question::Inspect(id) => {
                tokio::spawn(inspect(docker.clone(), id, answers.clone()));
            }
        }
    }
}

async fn list(
    mut catalogue: Catalogue,
    mut listings: mpsc::Receiver<()>,
    answers: mpsc::UnboundedSender<Answer>,
) {
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

async fn inspect(docker: Docker, id: ContainerId, answers: mpsc::UnboundedSender<Answer>) {
    match docker.inspect(id).await {
        // Nobody waits for the answer any more when the daemon ends.
        Ok(container) => drop(answers.send(Answer::Inspected(id, container.map(Box::new)))),
        Err(error) => log::warn!("{:#}", anyhow::Error::from(error)),
    }
}
