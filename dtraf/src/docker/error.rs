//! What can go wrong between dtraf and an engine, and what to do about it.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

use bollard::errors::Error as ApiError;

/// What was asked of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    AskSetup,
    ListContainers,
    ListNetworks,
    Inspect(String),
    InspectNetwork(String),
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AskSetup => f.write_str("ask how it was set up"),
            Self::ListContainers => f.write_str("list containers"),
            Self::ListNetworks => f.write_str("list networks"),
            Self::Inspect(name) => write!(f, "inspect container {name}"),
            Self::InspectNetwork(id) => write!(f, "inspect network {id}"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum DockerError {
    #[error("connect to Docker at {host} ({advice})")]
    Connect { host: String, advice: Advice, source: Cause },
    #[error("{operation} at {host} ({advice})")]
    Request { operation: Operation, host: String, advice: Advice, source: Cause },
}

/// bollard's error, without the three times that it and hyper say "client error (Connect)".
#[derive(Debug)]
pub(crate) struct Cause(Box<ApiError>);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match io_error(&self.0) {
            Some(error) => error.fmt(f),
            None => f.write_str(&chain(&*self.0)),
        }
    }
}

impl Error for Cause {}

impl DockerError {
    pub(super) fn connect(host: &str, source: ApiError) -> Self {
        Self::Connect { host: host.to_owned(), advice: Advice::on(&source), source: Cause(Box::new(source)) }
    }

    pub(super) fn request(operation: Operation, host: &str, source: ApiError) -> Self {
        Self::Request {
            operation,
            host: host.to_owned(),
            advice: Advice::on(&source),
            source: Cause(Box::new(source)),
        }
    }

    /// Where the engine was looked for, and why that failed.
    pub(crate) fn cause(&self) -> String {
        let (Self::Connect { host, source, .. } | Self::Request { host, source, .. }) = self;
        format!("{host}: {source}")
    }

    pub(crate) fn advice(&self) -> Advice {
        let (Self::Connect { advice, .. } | Self::Request { advice, .. }) = self;
        *advice
    }

    /// Whether the engine answered, but with something that is not understood.
    pub(super) fn is_unreadable(&self) -> bool {
        self.advice() == Advice::Report
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advice {
    Start,
    Permit,
    Spell,
    Wait,
    Report,
    Look,
}

impl Advice {
    fn on(error: &ApiError) -> Self {
        match error {
            ApiError::SocketNotFoundError(_) => Self::Start,
            ApiError::UnsupportedURISchemeError { .. }
            | ApiError::URLParseError { .. }
            | ApiError::InvalidURIError { .. }
            | ApiError::InvalidURIPartsError { .. } => Self::Spell,
            ApiError::RequestTimeoutError => Self::Wait,
            ApiError::JsonDataError { .. } | ApiError::JsonSerdeError { .. } => Self::Report,
            _ => match io_error(error).map(io::Error::kind) {
                Some(ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset) => {
                    Self::Start
                }
                Some(ErrorKind::PermissionDenied) => Self::Permit,
                _ => Self::Look,
            },
        }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => {
                "start it, with systemd by `systemctl start docker`; for an engine elsewhere set DOCKER_HOST, \
                 for Podman to unix:///run/podman/podman.sock"
            }
            Self::Permit => "run dtraf as root",
            Self::Spell => "DOCKER_HOST must be like unix:///var/run/docker.sock or tcp://127.0.0.1:2375",
            Self::Wait => "it is there but does not answer: see its log, with systemd by `journalctl -u docker`",
            Self::Report => "this version of dtraf cannot read the answer: please report it with `docker version`",
            Self::Look => "see whether `docker ps` works and what its log says",
        })
    }
}

/// Whether the engine says that there is no such thing.
pub(super) fn is_absence(error: &ApiError) -> bool {
    matches!(error, ApiError::DockerResponseServerError { status_code: 404, .. })
}

/// An error with its causes, for the log. bollard's text holds some causes already: they are not said twice.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

/// The operating system's error at the bottom of the chain.
fn io_error(error: &ApiError) -> Option<&io::Error> {
    if let ApiError::IOError { err } = error {
        // Transparent: its source is its error's source.
        return Some(err);
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_where_and_what_to_do() {
        let missing = ApiError::SocketNotFoundError("/var/run/docker.sock".to_owned());
        let error = DockerError::connect("unix:///var/run/docker.sock", missing);
        let text = error.to_string();
        assert!(text.starts_with("connect to Docker at unix:///var/run/docker.sock (start it"), "{text}");
    }

    #[test]
    fn the_cause_decides_the_advice() {
        let io = |kind| ApiError::IOError { err: io::Error::from(kind) };
        for (error, expected) in [
            (io(ErrorKind::ConnectionRefused), Advice::Start),
            (io(ErrorKind::PermissionDenied), Advice::Permit),
            (ApiError::RequestTimeoutError, Advice::Wait),
            (ApiError::UnsupportedURISchemeError { uri: "/var/run/docker.sock".to_owned() }, Advice::Spell),
            (ApiError::JsonDataError { message: String::new(), column: 0 }, Advice::Report),
            (ApiError::DockerResponseServerError { status_code: 500, message: String::new() }, Advice::Look),
        ] {
            assert_eq!(Advice::on(&error), expected, "{error}");
        }
    }
}
