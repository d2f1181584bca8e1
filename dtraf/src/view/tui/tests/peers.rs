//! The view of pairs.

use insta::assert_snapshot;

use crate::view::fixtures::{by_rules, peers};
use crate::view::tui::event::Key;
use crate::view::tui::fixtures::{NARROW, press, screen, type_text, view};
use crate::view::tui::state::State;

fn of_pairs(state: &mut State) {
    press(state, Key::BackTab);
}

#[test]
fn each_container_has_a_row_for_each_that_it_talks_to() {
    let mut state = view(NARROW, peers());
    of_pairs(&mut state);
    assert_snapshot!(screen(&state), @"
    dtraf on host1: eBPF, wire bytes; Linux 6.12.0                         14:13:22Z
    3 counted                           RX 1.05 MB/s, 2.10 MB  TX 1.05 MB/s, 2.09 MB
     Containers  Ports  Scopes  Networks  Projects  Peers                     5 rows
    CONTAINER  PEER              RX/S       TX/S▼  RX TOTAL   TX TOTAL   PKTS/S
    app        proxy        100.00 kB  900.00 kB  200.00 kB    1.80 MB     1000
    proxy      app          900.00 kB  100.00 kB    1.80 MB  200.00 kB     1000
    db         app            7.00 kB   40.00 kB   14.00 kB   80.00 kB       47
    app        db            40.00 kB    7.00 kB   80.00 kB   14.00 kB       47
    db         (elsewhere)          -          -    3.00 kB        0 B        -














    q quit  ? help  Enter open  / filter  s sort  r reverse  t total  u units  a all
    ");
}

#[test]
fn a_filter_finds_both_ends_of_a_pair() {
    let mut state = view(NARROW, peers());
    of_pairs(&mut state);
    press(&mut state, Key::Char('/'));
    type_text(&mut state, "proxy app");
    assert_snapshot!(screen(&state), @"
    dtraf on host1: eBPF, wire bytes; Linux 6.12.0                         14:13:22Z
    3 counted                           RX 1.05 MB/s, 2.10 MB  TX 1.05 MB/s, 2.09 MB
     Containers  Ports  Scopes  Networks  Projects  Peers         /proxy app  2 rows
    CONTAINER  PEER        RX/S       TX/S▼  RX TOTAL   TX TOTAL   PKTS/S
    app        proxy  100.00 kB  900.00 kB  200.00 kB    1.80 MB     1000
    proxy      app    900.00 kB  100.00 kB    1.80 MB  200.00 kB     1000

















    /proxy app_  Enter keeps it, Esc forgets it
    ");
}

#[test]
fn a_pair_opens_the_one_whose_view_it_is() {
    let mut state = view(NARROW, peers());
    of_pairs(&mut state);
    press(&mut state, Key::Enter);
    assert!(screen(&state).contains(" app "), "{}", screen(&state));
}

#[test]
fn rules_say_that_they_do_not_know() {
    let mut state = view(NARROW, by_rules());
    of_pairs(&mut state);
    assert!(screen(&state).contains("iptables does not see which container the other end is"));
}
