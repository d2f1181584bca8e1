//! Visitors from outside: they fetch one page after the other and keep count.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use dtraf_tests::{Outside, Place};

/// A web server, and the page that its visitors fetch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site {
    pub(crate) name: &'static str,
    pub(crate) host_port: u16,
    pub(crate) page: &'static str,
    pub(crate) page_bytes: u64,
}

/// What the visitors of a site have fetched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visits {
    pub(crate) site: Site,
    pub(crate) pages: u64,
    /// Pages that were not fetched to their ends: one at most, when a Ctrl-C came in between.
    pub(crate) broken: u64,
}

const PAUSE: Duration = Duration::from_millis(250);

/// One visitor for each site.
#[derive(Debug)]
pub(crate) struct Visitors {
    running: Vec<(Sender<()>, JoinHandle<Visits>)>,
}

impl Visitors {
    pub(crate) fn start(outside: &Place, sites: &[Site]) -> Self {
        let visitor = |&site: &Site| {
            let (stop, stopped) = channel();
            let outside = outside.clone();
            let visitor = std::thread::spawn(move || {
                let mut visits = Visits { site, pages: 0, broken: 0 };
                let url = format!("http://{}:{}/{}", Outside::HOST_V4, site.host_port, site.page);
                while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                    match outside.run("busybox", &["wget", "-q", "-O", "/dev/null", &url]) {
                        Ok(_) => visits.pages += 1,
                        Err(_) => visits.broken += 1,
                    }
                }
                visits
            });
            (stop, visitor)
        };
        Self { running: sites.iter().map(visitor).collect() }
    }

    /// Lets each finish the page that it is at.
    pub(crate) fn stop(self) -> Vec<Visits> {
        let visitors = self.running.into_iter().map(|(stop, visitor)| {
            drop(stop);
            visitor.join().expect("a visitor does not panic")
        });
        visitors.collect()
    }
}
