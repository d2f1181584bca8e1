//! What is shown where rules count, which do not know everything.

use insta::assert_snapshot;

use crate::view::fixtures::by_rules;
use crate::view::tui::event::{Key, Size};
use crate::view::tui::fixtures::{NARROW, press, screen, type_text, view};

#[test]
fn the_header_says_why_rules_count_and_what_they_do_not_see() {
    let state = view(Size { rows: 12, ..NARROW }, by_rules());
    assert_snapshot!(screen(&state), @"
    dtraf on host1: iptables, skb IP bytes; Linux 6.12.0                   14:13:22Z
    2 counted, 1 not counted      RX 10.00 kB/s, 32.00 kB  TX 200.00 kB/s, 407.00 kB
    not by eBPF: Linux 4.19.0 is older than 5.8 (boot Linux 5.8 or newer)
    not seen: wire bytes and packets, who the other end is, ports of the other … (?)
     Containers  Ports  Scopes  Networks  Projects  Peers                     3 rows
    CONTAINER       RX/S       TX/S▼ TREND            RX TOTAL   TX TOTAL  BUSIEST
    web         10.00 kB  200.00 kB               █   27.00 kB  403.00 kB  80/tcp
    db               0 B        0 B               ▁    5.00 kB    4.00 kB  -
    metrics    not counted: host network


    q quit  ? help  Enter open  / filter  s sort  r reverse  t total  u units  a all
    ");
}

#[test]
fn what_rules_do_not_know_is_not_shown_as_nothing() {
    let mut state = view(NARROW, by_rules());
    press(&mut state, Key::Enter);
    assert_snapshot!(screen(&state), @"
    dtraf on host1: iptables, skb IP bytes; Linux 6.12.0                   14:13:22Z
    2 counted, 1 not counted      RX 10.00 kB/s, 32.00 kB  TX 200.00 kB/s, 407.00 kB
    not by eBPF: Linux 4.19.0 is older than 5.8 (boot Linux 5.8 or newer)
    not seen: wire bytes and packets, who the other end is, ports of the other … (?)
     web                                                                      2 rows
    image busybox, id 010101010101
    networks bridge; addresses 172.17.0.1; published 8080->80/tcp
    bridge: 172.17.0.1 by docker_user since 2026-09-21 14:13Z, rx 27.00 kB, tx
      403.00 kB
    RX 10.00 kB/s, max 10.00 kB, 1s          TX 200.00 kB/s, max 200.00 kB, 1s
    ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸  ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸
    ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸  ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸
    ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸  ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸
    ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸  ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸
    PORT       ROLE    SCOPE       RX/S       TX/S▼  RX TOTAL   TX TOTAL
    80/tcp     server  -       10.00 kB  200.00 kB   20.00 kB  400.00 kB
    (no_rule)                       0 B        0 B    7.00 kB    3.00 kB






    Esc back  q quit  ? help  / filter  s sort  r reverse  t total  u units
    ");
    press(&mut state, Key::Escape);
    press(&mut state, Key::Tab);
    press(&mut state, Key::Tab);
    let scopes = screen(&state);
    assert!(scopes.contains("(unknown)") && !scopes.contains("internet"), "{scopes}");
}

#[test]
fn no_other_figure_is_offered_than_the_one_that_rules_know() {
    let mut state = view(NARROW, by_rules());
    let before = screen(&state);
    type_text(&mut state, "w");
    let line = |text: &str| text.lines().find(|line| line.starts_with("web")).map(str::to_owned);
    assert_eq!(line(&screen(&state)), line(&before));
    assert!(screen(&state).contains("iptables counts skb IP bytes and nothing else"));
}
