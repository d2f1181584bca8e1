//! Traffic for a crowd that is not measured itself: something for dtraf to count.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use dtraf_tests::traffic::Datagrams;
use dtraf_tests::{Crowd, Place};

/// Does something while a few datagrams go to one container after the other.
pub(super) fn while_some_passes<T>(crowd: &Crowd, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let outside = crowd.outside().place().clone();
    let sinks: Vec<_> = crowd.members().iter().map(|member| crowd.sink(member)).collect();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| send(&outside, &sinks, &over));
        let done = work();
        over.store(true, Ordering::Relaxed);
        done
    })
}

fn send(outside: &Place, sinks: &[SocketAddr], over: &AtomicBool) {
    let datagrams = Datagrams::new(20, 1000);
    for sink in sinks.iter().cycle() {
        if over.load(Ordering::Relaxed) {
            return;
        }
        // What does not arrive is not seen, and changes nothing else.
        drop(outside.udp(*sink, &datagrams));
        std::thread::sleep(Duration::from_millis(20));
    }
}
