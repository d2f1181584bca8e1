use insta::assert_snapshot;

use super::*;
use crate::view::fixtures::{VIEW, by_rules, full, peers, small};
use crate::view::units::Units;
use crate::view::{Detail, Fit, RateUnit};

#[test]
fn one_container() {
    assert_snapshot!(render(&small(), &VIEW), @"
    ebpf on host1, wire bytes, 2026-09-21T14:13:22Z: 1 container counted
    CONTAINER  NETWORKS  ADDRESSES   PORTS         RX/S  TX/S  RX TOTAL  TX TOTAL  RX PKTS  TX PKTS  SINCE
    web        bridge    172.17.0.1  8080->80/tcp     -     -  12.00 kB  34.00 kB       12       34  2026-09-21 14:13Z
    ");
}

#[test]
fn wide_enough_for_everything() {
    assert_snapshot!(render(&full(), &VIEW), @r#"
    ebpf on host1, wire bytes, 2026-09-21T14:13:30Z: 5 containers counted, 1 counted at another, 1 not counted
    CONTAINER                   NETWORKS       ADDRESSES                PORTS                            RX/S      TX/S  RX TOTAL  TX TOTAL  RX PKTS  TX PKTS  SINCE
    db                          bridge, vlan7  172.17.0.2, 192.168.7.2  -                                 0 B       0 B   1.00 GB   1.00 kB  1000000        1  2026-09-21 14:13Z
    evil\u{1b}[2J\u{202e}       bridge         172.17.0.7               -                                 0 B       0 B       0 B       0 B        0        0  2026-09-21 14:13Z
    metrics                     -              -                        -                            not counted: host network
    sidecar                     -              -                        -                            counted at web
    web                         bridge, front  172.17.0.1, fd00:17::1   8080->80/tcp, 8443->443/tcp  10.00 kB  20.00 kB   1.02 MB   2.03 MB     1020     2026  2026-09-21 14:13Z
    old (stopped)               bridge         172.17.0.5               -                                   -         -   5.00 kB   5.00 kB        5        5  2026-09-21 14:13Z
    job (removed 090909090909)  bridge         -                        -                                   -         -   5.00 kB   5.00 kB        5        5  2026-09-21 14:13Z
    <unattributed>              -              -                        -                                 0 B       0 B   2.00 kB   1.00 kB        2        1  2026-09-21 14:13Z
    db: not counted in vlan7 (macvlan: the device is inside the container's namespace)
    db: received 1.20 MB and transmitted at most 3.00 kB (skb bytes) before dtraf was attached; not in the totals
    unattributed: no container is known to own its network namespace (veth10)
    in no total: received 3.00 kB and transmitted 0 B by interfaces that dtraf does not know
    not shown: 1 stopped container, never counted
    "#);
}

#[test]
fn eighty_columns() {
    let text = render(&full(), &View { fit: Fit::Columns(80), ..VIEW });
    assert_snapshot!(text, @r#"
    ebpf on host1, wire bytes, 2026-09-21T14:13:30Z: 5 containers counted, 1 counted
      at another, 1 not counted
    CONTAINER            PORTS                    RX/S      TX/S  RX TOTAL  TX TOTAL
    db                   -                         0 B       0 B   1.00 GB   1.00 kB
    evil\u{1b}[2J\u{20…  -                         0 B       0 B       0 B       0 B
    metrics              -                    not counted: host network
    sidecar              -                    counted at web
    web                  8080->80/tcp, …      10.00 kB  20.00 kB   1.02 MB   2.03 MB
    old (stopped)        -                           -         -   5.00 kB   5.00 kB
    job (removed 09090…  -                           -         -   5.00 kB   5.00 kB
    <unattributed>       -                         0 B       0 B   2.00 kB   1.00 kB
    db: not counted in vlan7 (macvlan: the device is inside the container's
      namespace)
    db: received 1.20 MB and transmitted at most 3.00 kB (skb bytes) before dtraf
      was attached; not in the totals
    unattributed: no container is known to own its network namespace (veth10)
    in no total: received 3.00 kB and transmitted 0 B by interfaces that dtraf does
      not know
    not shown: 1 stopped container, never counted
    no room for NETWORKS, ADDRESSES, RX PKTS, TX PKTS, SINCE; --no-trunc shows all
    "#);
}

#[test]
fn ports() {
    let text = render(&full(), &View { detail: Detail::Ports, fit: Fit::Columns(120), ..VIEW });
    assert_snapshot!(text, @r#"
    ebpf on host1, wire bytes, 2026-09-21T14:13:30Z: 5 containers counted, 1 counted at another, 1 not counted
    CONTAINER                   NETWORKS       ADDRESSES          PORTS                 RX/S      TX/S   RX TOTAL   TX TOTAL
    db                          bridge, vlan7  172.17.0.2, …      -                      0 B       0 B    1.00 GB    1.00 kB
      80/tcp server internet                                                                              1.00 GB    1.00 kB
    evil\u{1b}[2J\u{202e}       bridge         172.17.0.7         -                      0 B       0 B        0 B        0 B
      80/tcp server internet                                                                                  0 B        0 B
    metrics                     -              -                  -                 not counted: host network
    sidecar                     -              -                  -                 counted at web
    web                         bridge, front  172.17.0.1, …      8080->80/tcp, …   10.00 kB  20.00 kB    1.02 MB    2.03 MB
      80/tcp server internet                                      8080->80/tcp                          910.00 kB    1.82 MB
      443/tcp client internet                                                                           100.00 kB  200.00 kB
      icmp lan                                                                                            2.00 kB    2.00 kB
      (unsolicited)                                                                                       8.00 kB    4.00 kB
    old (stopped)               bridge         172.17.0.5         -                        -         -    5.00 kB    5.00 kB
      80/tcp server internet                                                                              5.00 kB    5.00 kB
    job (removed 090909090909)  bridge         -                  -                        -         -    5.00 kB    5.00 kB
      80/tcp server internet                                                                              5.00 kB    5.00 kB
    <unattributed>              -              -                  -                      0 B       0 B    2.00 kB    1.00 kB
      80/tcp server internet                                                                              2.00 kB    1.00 kB
    db: not counted in vlan7 (macvlan: the device is inside the container's namespace)
    db: received 1.20 MB and transmitted at most 3.00 kB (skb bytes) before dtraf was attached; not in the totals
    unattributed: no container is known to own its network namespace (veth10)
    in no total: received 3.00 kB and transmitted 0 B by interfaces that dtraf does not know
    not shown: 1 stopped container, never counted
    no room for RX PKTS, TX PKTS, SINCE; --no-trunc shows all
    "#);
}

#[test]
fn bits_and_powers_of_1024() {
    let text = render(&full(), &View { units: Units::Iec, rate_unit: RateUnit::Bits, ..VIEW });
    assert_snapshot!(text.lines().nth(6).unwrap(), @"web                         bridge, front  172.17.0.1, fd00:17::1   8080->80/tcp, 8443->443/tcp  78.13 Kibit  156.25 Kibit  996.09 KiB  1.93 MiB     1020     2026  2026-09-21 14:13Z");
}

#[test]
fn no_line_is_longer_than_the_terminal() {
    for width in [80, 100, 120, 140, 200] {
        let text = render(&full(), &View { fit: Fit::Columns(width), ..VIEW });
        for line in text.lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
    }
}

#[test]
fn colour_adds_nothing_but_colour() {
    let report = full();
    let painted = render(&report, &View { paint: Paint::Colour, ..VIEW });
    let mut plain = painted.clone();
    for sequence in ["\x1b[1m", "\x1b[2m", "\x1b[33m", "\x1b[0m"] {
        plain = plain.replace(sequence, "");
    }
    assert_ne!(painted, plain);
    assert_eq!(plain, render(&report, &VIEW));
}

#[test]
fn peers_are_named_below_each_container() {
    let [_, report] = peers();
    let text = render(&report, &View { detail: Detail::Peers, fit: Fit::Columns(110), ..VIEW });
    assert_snapshot!(text, @"
    ebpf on host1, wire bytes, 2026-09-21T14:13:22Z: 3 containers counted
    CONTAINER      NETWORKS  ADDRESSES   PORTS  RX/S  TX/S   RX TOTAL   TX TOTAL  SINCE
    app            bridge    172.17.0.2  -         -     -  280.00 kB    1.81 MB  2026-09-21 14:13Z
      proxy                                                 200.00 kB    1.80 MB
      db                                                     80.00 kB   14.00 kB
    db             bridge    172.17.0.3  -         -     -   17.00 kB   80.00 kB  2026-09-21 14:13Z
      app                                                    14.00 kB   80.00 kB
      (elsewhere)                                             3.00 kB        0 B
    proxy          bridge    172.17.0.1  -         -     -    1.80 MB  200.00 kB  2026-09-21 14:13Z
      app                                                     1.80 MB  200.00 kB
    no room for RX PKTS, TX PKTS; --no-trunc shows all
    ");
}

#[test]
fn rules_do_not_know_peers_and_say_so() {
    let [_, report] = by_rules();
    let text = render(&report, &View { detail: Detail::Peers, ..VIEW });
    assert!(text.contains("iptables does not see which container the other end is"), "{text}");
}
