//! The stand-in for the Engine: Docker's socket, and HTTP on it.

use std::convert::Infallible;
use std::os::unix::net::UnixListener;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Waiter, Poll};

use anyhow::{Context as _, Result};
use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;

use super::answers::{Answers, unversioned};

const SOCKET: &str = "/run/docker.sock";

pub(super) fn listen() -> Result<UnixListener> {
    let listening = UnixListener::bind(SOCKET).with_context(|| format!("listen at {SOCKET}"))?;
    listening.set_nonblocking(true).context("serve many at once")?;
    Ok(listening)
}

/// Answers until the process is killed.
pub(super) fn serve(listening: UnixListener, answers: Answers) -> Result<()> {
    let answers = Arc::new(answers);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listening = tokio::net::UnixListener::from_std(listening)?;
        loop {
            let (connection, _) = listening.accept().await.context("accept a connection")?;
            let answers = Arc::clone(&answers);
            let service = service_fn(move |request| {
                let response = respond(&request, &answers);
                async { response }
            });
            tokio::spawn(async {
                // Who closes a connection in between has heard what it wanted.
                drop(http1::Builder::new().serve_connection(TokioIo::new(connection), service).await);
            });
        }
    })
}

type Answer = Response<Either<Full<Bytes>, Silence>>;

fn respond(request: &Request<Incoming>, answers: &Answers) -> Result<Answer, hyper::http::Error> {
    let path = request.uri().path();
    let json = Response::builder().header("Api-Version", "1.41").header("Content-Type", "application/json");
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return json.status(StatusCode::METHOD_NOT_ALLOWED).body(message("a crowd does not change"));
    }
    if unversioned(path) == "/events" {
        return json.body(Either::Right(Silence));
    }
    match answers.get(path) {
        Some(answer) => json.body(Either::Left(Full::new(answer))),
        None => json.status(StatusCode::NOT_FOUND).body(message(&format!("nothing is at {path}"))),
    }
}

fn message(text: &str) -> Either<Full<Bytes>, Silence> {
    Either::Left(Full::from(serde_json::json!({ "message": text }).to_string()))
}

/// Events that never come.
#[derive(Debug)]
struct Silence;

impl Body for Silence {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Waiter<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}
