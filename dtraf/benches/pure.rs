//! What needs no kernel: `cargo bench --package dtraf`.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dtraf::bench::Books;
use dtraf_common::abi::{Direction, Scope};
use dtraf_common::decide::{Knowledge, decide};
use dtraf_common::packet::{Frame, walk};
use dtraf_common::wire::{SkbSize, measure};

/// A container that serves one port, and whose every peer is on the internet: what the kernel asks its maps for.
#[derive(Debug)]
struct Serves(u16);

impl Knowledge for Serves {
    fn scope(&self, _: &Frame) -> Scope {
        Scope::Internet
    }

    fn is_served(&self, _: u8, port: u16) -> bool {
        port == self.0
    }

    fn was_asked(&self, _: u16) -> bool {
        false
    }

    fn uses_mac(&self, _: u64) -> bool {
        true
    }
}

/// Headers of a frame, with a length that does not matter to the walk.
fn frames() -> [(&'static str, Vec<u8>); 5] {
    let ethernet = |ethertype: u16| [&[2; 12][..], &ethertype.to_be_bytes()].concat();
    let v4 = |protocol: u8, fragment: [u8; 2]| {
        let [a, b] = fragment;
        [&[0x45, 0, 0x05, 0xdc, 0, 1, a, b, 64, protocol, 0, 0][..], &[198, 51, 100, 2, 172, 17, 0, 2]]
            .concat()
    };
    let v6 = [&[0x60, 0, 0, 0, 0x05, 0xb4, 6, 64][..], &[0x26; 16], &[0xfd; 16]].concat();
    let ports = [0x01, 0xbb, 0x9c, 0x40];
    let tcp = [&ports[..], &[0; 8], &[0x80, 0x10, 0xff, 0xff], &[0; 16]].concat();
    let udp = [&ports[..], &[0, 26, 0, 0], &[0; 18]].concat();
    [
        ("tcp4", [&ethernet(0x0800)[..], &v4(6, [0, 0]), &tcp].concat()),
        ("tcp6", [&ethernet(0x86dd)[..], &v6, &tcp].concat()),
        ("udp4", [&ethernet(0x0800)[..], &v4(17, [0, 0]), &udp].concat()),
        ("fragment", [&ethernet(0x0800)[..], &v4(17, [0, 185]), &udp].concat()),
        ("arp", [&ethernet(0x0806)[..], &[0; 28]].concat()),
    ]
}

fn packets(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("packet");
    let size = SkbSize { bytes: 64_306, metadata_tags: 0, gso_size: 1448, gso_segs: 45 };
    for (name, frame) in frames() {
        group.bench_with_input(BenchmarkId::new("walk", name), &frame[..], |bencher, frame| {
            bencher.iter(|| walk(black_box(frame), Direction::Received));
        });
        group.bench_with_input(
            BenchmarkId::new("walk, measure, decide", name),
            &frame[..],
            |bencher, frame| {
                bencher.iter(|| {
                    let walked = walk(black_box(frame), Direction::Received)?;
                    let weight = measure(black_box(size), &walked, || false);
                    Some((weight, decide(&walked, Direction::Received, black_box(&Serves(40_000)))))
                });
            },
        );
    }
    group.finish();
}

fn accounting(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("accounting");
    for (containers, ports) in [(100, 10), (1000, 10), (1000, 100)] {
        let books = Books::of(containers, ports);
        let size = format!("{containers} containers with {ports} ports");
        group.throughput(Throughput::Elements(containers.into()));
        group.bench_function(BenchmarkId::new("attribute", &size), |bencher| {
            bencher.iter(|| black_box(&books).attribute());
        });
        group.bench_function(BenchmarkId::new("post", &size), |bencher| {
            bencher.iter_batched_ref(|| Books::of(containers, ports), Books::post, BatchSize::LargeInput);
        });
        group.bench_function(BenchmarkId::new("report", &size), |bencher| {
            bencher.iter(|| black_box(&books).report());
        });
    }
    group.finish();
}

criterion_group!(benches, packets, accounting);
criterion_main!(benches);
