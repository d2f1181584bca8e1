//! What the screens look like.

use insta::assert_snapshot;

use crate::accounting::amount::PerDirection;
use crate::accounting::fixtures::packets;
use crate::accounting::kept::{Kept, KeptAccount};
use crate::view::fixtures::{small, twice};
use crate::view::tui::columns::Column;
use crate::view::tui::event::{Key, Said, Size, Weight};
use crate::view::tui::fixtures::{NARROW, WIDE, options, press, screen, type_text, view};
use crate::view::tui::state::State;
use crate::view::tui::{Event, update};

#[test]
fn before_the_first_reading() {
    assert_snapshot!(screen(&State::new(options(Size { rows: 6, ..NARROW }))), @"
    dtraf: reading

     Containers  Ports  Scopes  Networks  Projects  Peers                     0 rows
    CONTAINER       RX/S       TX/S▼ TREND            RX TOTAL   TX TOTAL  BUSIEST

    q quit  ? help  Enter open  / filter  s sort  r reverse  t total  u units  a all
    ");
}

#[test]
fn without_an_earlier_reading_no_rate_is_known() {
    assert_snapshot!(screen(&view(Size { rows: 8, ..NARROW }, [small()])), @"
    dtraf on host1: eBPF, wire bytes; Linux 6.12.0                         14:13:22Z
    1 counted                                     RX -/s, 12.00 kB  TX -/s, 34.00 kB
     Containers  Ports  Scopes  Networks  Projects  Peers                      1 row
    CONTAINER       RX/S       TX/S▼ TREND            RX TOTAL   TX TOTAL  BUSIEST
    web                -          -                   12.00 kB   34.00 kB  80/tcp


    q quit  ? help  Enter open  / filter  s sort  r reverse  t total  u units  a all
    ");
}

#[test]
fn containers_narrow() {
    let mut state = view(NARROW, twice());
    press(&mut state, Key::Char('a'));
    assert_snapshot!(screen(&state), @r"
    dtraf on host1: eBPF, wire bytes; Linux 6.12.0                         14:13:30Z
    5 counted, 2 not (?)              RX 10.00 kB/s, 1.00 GB  TX 20.00 kB/s, 2.04 MB
    ! in no total 3.00 kB  unattributed 3.00 kB  shortfall 1.20 MB
     Containers  Ports  Scopes  Networks  Projects  Peers              8 rows of all
    CONTAINER                       RX/S       TX/S▼  RX TOTAL   TX TOTAL  BUSIEST
    web                         10.00 kB   20.00 kB    1.02 MB    2.03 MB  80/tcp
    db                               0 B        0 B    1.00 GB    1.00 kB  80/tcp
    evil\u{1b}[2J\u{202e}            0 B        0 B        0 B        0 B  -
    <unattributed>                   0 B        0 B    2.00 kB    1.00 kB  80/tcp
    metrics                    not counted: host network
    sidecar                    counted at web
    old (stopped)                      -          -    5.00 kB    5.00 kB  80/tcp
    job (removed 09090909090…          -          -    5.00 kB    5.00 kB  80/tcp










    q quit  ? help  Enter open  / filter  s sort  r reverse  t total  u units  a all
    ");
}

#[test]
fn containers_wide() {
    let mut state = view(WIDE, twice());
    press(&mut state, Key::Char('a'));
    assert_snapshot!(screen(&state), @r"
    dtraf on host1: eBPF, wire bytes; Linux 6.12.0                                                                                                         14:13:30Z
    5 counted, 1 at another, 1 not counted                                                                            RX 10.00 kB/s, 1.00 GB  TX 20.00 kB/s, 2.04 MB
    ! in no total 3.00 kB  unattributed 3.00 kB  shortfall 1.20 MB
     Containers  Ports  Scopes  Networks  Projects  Peers                                                                                              8 rows of all
    CONTAINER                  PROJECT  NETWORKS    PORTS                RX/S       TX/S▼ TREND        RX TOTAL   TX TOTAL      TODAY      CYCLE   PKTS/S  BUSIEST
    web                        shop     bridge, f…  8080->80/tcp,…   10.00 kB   20.00 kB           █    1.02 MB    2.03 MB          -          -       30  80/tcp
    db                         -        bridge, v…  -                     0 B        0 B           ▁    1.00 GB    1.00 kB          -          -        0  80/tcp
    evil\u{1b}[2J\u{202e}      -        bridge      -                     0 B        0 B           ▁        0 B        0 B          -          -        0  -
    <unattributed>                                                        0 B        0 B           ▁    2.00 kB    1.00 kB          -          -        0  80/tcp
    metrics                    -        -           -               not counted: host network
    sidecar                    -        -           -               counted at web
    old (stopped)              -        bridge      -                       -          -                5.00 kB    5.00 kB          -          -        -  80/tcp
    job (removed 09090909090…  -        bridge      -                       -          -                5.00 kB    5.00 kB          -          -        -  80/tcp










    q quit  ? help  Enter open  / filter  s sort  r reverse  t total  u units  a all  Tab view  Space hold  w figure
    ");
}

#[test]
fn totals_first_in_bits_and_powers_of_1024() {
    let mut state = view(Size { rows: 12, ..NARROW }, twice());
    type_text(&mut state, "tuuu");
    assert_snapshot!(screen(&state), @r"
    dtraf on host1: eBPF, wire bytes; Linux 6.12.0                         14:13:30Z
    5 counted, 2 not (?)   RX 78.13 Kibit/s, 954.66 MiB  TX 156.25 Kibit/s, 1.94 MiB
    ! in no total 2.93 KiB  unattributed 2.93 KiB  shortfall 1.15 MiB
     Containers  Ports  Scopes  Networks  Projects  Peers      6 rows, 2 not running
    CONTAINER                 RX TOTAL     TX TOTAL▼          RX/S           TX/S
    web                     996.09 KiB     1.93 MiB    78.13 Kibit   156.25 Kibit
    db                      953.67 MiB       1000 B          0 bit          0 bit
    <unattributed>            1.95 KiB       1000 B          0 bit          0 bit
    evil\u{1b}[2J\u{202e}          0 B          0 B          0 bit          0 bit
    metrics                not counted: host network
    sidecar                counted at web
    q quit  ? help  Enter open  / filter  s sort  r reverse  t rate  u units  a all
    ");
}

#[test]
fn one_container_narrow() {
    let mut state = view(NARROW, twice());
    type_text(&mut state, "jjjjj");
    press(&mut state, Key::Home);
    press(&mut state, Key::Enter);
    assert_snapshot!(screen(&state), @"
    dtraf on host1: eBPF, wire bytes; Linux 6.12.0                         14:13:30Z
    5 counted, 2 not (?)              RX 10.00 kB/s, 1.00 GB  TX 20.00 kB/s, 2.04 MB
    ! in no total 3.00 kB  unattributed 3.00 kB  shortfall 1.20 MB
     web                                                                      4 rows
    image busybox, id 010101010101
    networks bridge, front; addresses 172.17.0.1, fd00:17::1; published
      8080->80/tcp, 8443->443/tcp
    bridge: veth7 by tcx since 2026-09-21 14:13Z, rx 1.01 MB, tx 2.01 MB
    front: veth8 by tcx since 2026-09-21 15:13Z, rx 10.00 kB, tx 20.00 kB
    RX 10.00 kB/s, max 10.00 kB, 1s          TX 20.00 kB/s, max 20.00 kB, 1s
    ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸  ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸
    ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸  ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸
    ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸  ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸
    ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸  ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸
    PORT           ROLE    SCOPE          RX/S       TX/S▼  RX TOTAL   TX TOTAL
    80/tcp         server  internet   10.00 kB   20.00 kB  910.00 kB    1.82 MB
    icmp           -       lan             0 B        0 B    2.00 kB    2.00 kB
    443/tcp        client  internet        0 B        0 B  100.00 kB  200.00 kB
    (unsolicited)                          0 B        0 B    8.00 kB    4.00 kB




    Esc back  q quit  ? help  / filter  s sort  r reverse  t total  u units
    ");
}

#[test]
fn one_container_wide() {
    let mut state = view(Size { rows: 40, ..WIDE }, twice());
    press(&mut state, Key::Enter);
    assert_snapshot!(screen(&state), @"
    dtraf on host1: eBPF, wire bytes; Linux 6.12.0                                                                                                         14:13:30Z
    5 counted, 1 at another, 1 not counted                                                                            RX 10.00 kB/s, 1.00 GB  TX 20.00 kB/s, 2.04 MB
    ! in no total 3.00 kB  unattributed 3.00 kB  shortfall 1.20 MB
     web                                                                                                                                                      4 rows
    image busybox, id 010101010101
    networks bridge, front; addresses 172.17.0.1, fd00:17::1; published 8080->80/tcp, 8443->443/tcp
    bridge: veth7 by tcx since 2026-09-21 14:13Z, rx 1.01 MB, tx 2.01 MB
    front: veth8 by tcx since 2026-09-21 15:13Z, rx 10.00 kB, tx 20.00 kB
    RX 10.00 kB/s, max 10.00 kB, 1s                                                  TX 20.00 kB/s, max 20.00 kB, 1s
    ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸  ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸
    ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸  ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸
    ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸  ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸
    ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸  ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸
    ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸  ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸
    ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸  ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸
    ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸  ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸
    ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸  ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸
    ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸  ⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⠀⢸
    PORT           ROLE    SCOPE     PORTS              RX/S       TX/S▼  RX TOTAL   TX TOTAL   PKTS/S
    80/tcp         server  internet  8080->80/tcp   10.00 kB   20.00 kB  910.00 kB    1.82 MB       30
    icmp           -       lan       -                   0 B        0 B    2.00 kB    2.00 kB        0
    443/tcp        client  internet  -                   0 B        0 B  100.00 kB  200.00 kB        0
    (unsolicited)                                        0 B        0 B    8.00 kB    4.00 kB        0
















    Esc back  q quit  ? help  / filter  s sort  r reverse  t total  u units  w figure  Space hold
    ");
}

#[test]
fn every_port() {
    let mut state = view(WIDE, twice());
    press(&mut state, Key::Tab);
    assert_snapshot!(screen(&state), @r"
    dtraf on host1: eBPF, wire bytes; Linux 6.12.0                                                                                                         14:13:30Z
    5 counted, 1 at another, 1 not counted                                                                            RX 10.00 kB/s, 1.00 GB  TX 20.00 kB/s, 2.04 MB
    ! in no total 3.00 kB  unattributed 3.00 kB  shortfall 1.20 MB
     Containers  Ports  Scopes  Networks  Projects  Peers                                                                                      7 rows, 2 not running
    CONTAINER              PORT           ROLE    SCOPE     PORTS              RX/S       TX/S▼  RX TOTAL   TX TOTAL   PKTS/S
    web                    80/tcp         server  internet  8080->80/tcp   10.00 kB   20.00 kB  910.00 kB    1.82 MB       30
    db                     80/tcp         server  internet  -                   0 B        0 B    1.00 GB    1.00 kB        0
    evil\u{1b}[2J\u{202e}  80/tcp         server  internet  -                   0 B        0 B        0 B        0 B        0
    web                    icmp           -       lan       -                   0 B        0 B    2.00 kB    2.00 kB        0
    web                    443/tcp        client  internet  -                   0 B        0 B  100.00 kB  200.00 kB        0
    web                    (unsolicited)                                        0 B        0 B    8.00 kB    4.00 kB        0
    <unattributed>         80/tcp         server  internet  -                   0 B        0 B    2.00 kB    1.00 kB        0











    q quit  ? help  Enter open  / filter  s sort  r reverse  t total  u units  a all  Tab view  Space hold  w figure
    ");
}

#[test]
fn sums() {
    let mut state = view(Size { rows: 12, ..NARROW }, twice());
    let mut text = String::new();
    press(&mut state, Key::Tab);
    for _ in 0..3 {
        press(&mut state, Key::Tab);
        text.extend(screen(&state).lines().skip(3).map(|line| format!("{line}\n")));
    }
    assert_snapshot!(text, @"
     Containers  Ports  Scopes  Networks  Projects  Peers                     2 rows
    SCOPE          RX/S       TX/S▼  RX TOTAL   TX TOTAL   PKTS/S    SHARE
    internet   10.00 kB   20.00 kB    1.00 GB    2.04 MB       30  100.0 %
    lan             0 B        0 B    2.00 kB    2.00 kB        0    0.0 %




    q quit  ? help  Enter open  / filter  s sort  r reverse  t total  u units  a all
     Containers  Ports  Scopes  Networks  Projects  Peers                     3 rows
    NETWORK            CONTAINERS       RX/S       TX/S▼  RX TOTAL   TX TOTAL
    front                       1   10.00 kB   20.00 kB   10.00 kB   20.00 kB
    bridge                      3        0 B        0 B    1.00 GB    2.01 MB
    (gone interfaces)           2          -          -   10.00 kB   10.00 kB



    q quit  ? help  Enter open  / filter  s sort  r reverse  t total  u units  a all
     Containers  Ports  Scopes  Networks  Projects  Peers                     4 rows
    PROJECT         CONTAINERS       RX/S       TX/S▼  RX TOTAL   TX TOTAL    SHARE
    shop                     1   10.00 kB   20.00 kB    1.02 MB    2.03 MB  100.0 %
    (no project)             3        0 B        0 B    1.00 GB    6.00 kB    0.0 %
    (unattributed)           0        0 B        0 B    2.00 kB    1.00 kB    0.0 %
    (removed)                1          -          -    5.00 kB    5.00 kB        -


    q quit  ? help  Enter open  / filter  s sort  r reverse  t total  u units  a all
    ");
}

#[test]
fn help() {
    let mut state = view(Size { rows: 40, ..NARROW }, twice());
    press(&mut state, Key::Char('?'));
    assert_snapshot!(screen(&state), @"
    Keys
    q  Ctrl-C      leave the view; counting goes on
    ?              this page
    Up Down j k    move; also PgUp PgDn g G Home End and the mouse wheel
    Enter          open a container, or what is behind a sum
    Esc            forget the filter; else go back, else forget the message
    Tab Shift-Tab  containers, ports, scopes, networks, projects, peers
    /              filter as you type: words in name, image, label, network, port
    s S Left Right sort by the next column, the one before; or click on a title
    r              reverse the order
    t              rank by rate or by total: order, busiest port, shares
    u              powers of 1000, of 1024, and both with rates in bits
    w              figure: wire, IP, skb (interfaces) or skb IP bytes (iptables)
    a              all containers that were ever counted, or only running ones
    Space          hold the screen still; counting goes on
    Ctrl-L         draw everything again

    RX, TX         received and transmitted by the container
    TREND          both directions over the last readings; a full block is the most
    TODAY, CYCLE   both directions of the account, from the ledger's last batch
    QUOTA          how much of it the account has used in the cycle
    BUSIEST        the fastest port, else the greatest; > is a port of the other end
    (...)          counted without a port, and why
    (elsewhere)    of no pair: routed, from a gone container, or no --peer-entries
    -              not known, which is not zero

    map_full       no room for more ports: counted without (--port-entries)
    over_quota     more ports than one may have (--ports-per-container)
    in no total    came by interfaces that dtraf does not know
    unattributed   counted, and of no container that is known
    shortfall      carried before dtraf was attached; not in the totals
    To stop counting, and to remove every trace: dtraf uninstall

    This host
    eBPF counts
    db: not counted in vlan7 (macvlan: the device is inside the container's
      namespace)
    metrics: not counted: host network
    sidecar: counted at web
    1 more lines below; any other key: back
    ");
}

#[test]
fn a_filter_and_a_message() {
    let mut state = view(Size { rows: 10, ..NARROW }, twice());
    type_text(&mut state, "/evil");
    update(&mut state, Event::Said(Said { weight: Weight::Error, text: "lost \u{1b}[2J".to_owned() }));
    assert_snapshot!(screen(&state), @r"
    dtraf on host1: eBPF, wire bytes; Linux 6.12.0                         14:13:30Z
    5 counted, 2 not (?)              RX 10.00 kB/s, 1.00 GB  TX 20.00 kB/s, 2.04 MB
    ! in no total 3.00 kB  unattributed 3.00 kB  shortfall 1.20 MB
     Containers  Ports  Scopes  Networks  Projects  Peers               /evil  1 row
    CONTAINER                   RX/S       TX/S▼  RX TOTAL   TX TOTAL  BUSIEST
    evil\u{1b}[2J\u{202e}        0 B        0 B        0 B        0 B  -


    lost \u{1b}[2J
    /evil_  Enter keeps it, Esc forgets it
    ");
}

#[test]
fn no_size_of_a_screen_is_too_small_or_too_large() {
    for columns in [0, 1, 2, 7, 20, 39, 80, 133, 400] {
        for rows in [0, 1, 2, 3, 4, 5, 9, 24, 100] {
            let mut state = view(Size { columns, rows }, twice());
            for key in [Key::Enter, Key::Escape, Key::Tab, Key::Tab, Key::Char('?'), Key::Char('q'), Key::End]
            {
                press(&mut state, key);
                let _drawn = screen(&state);
            }
        }
    }
}

#[test]
fn what_the_ledger_has_of_accounts_on_a_wide_screen() {
    let mut state = view(Size { columns: 230, rows: 12 }, twice());
    let account = |packets_of: u64, quota_percent| KeptAccount {
        today: Some(PerDirection { rx: packets(packets_of), tx: packets(1) }),
        cycle: Some(PerDirection { rx: packets(packets_of * 10), tx: packets(1) }),
        quota_percent,
    };
    let ids: Vec<_> =
        twice().into_iter().last().unwrap().containers.into_iter().map(|row| (row.name, row.id)).collect();
    let of =
        |name: &str| ids.iter().filter(|(other, _)| other == name).map(|(_, id)| *id).collect::<Vec<_>>();
    let kept = Kept::new([(of("web"), account(7_000, Some(82))), (of("db"), account(3, Some(1_234)))]);
    update(&mut state, Event::Kept(kept));
    assert_snapshot!(screen(&state), @r"
    dtraf on host1: eBPF, wire bytes; Linux 6.12.0                                                                                                                                                                               14:13:30Z
    5 counted, 1 at another, 1 not counted                                                                                                                                                  RX 10.00 kB/s, 1.00 GB  TX 20.00 kB/s, 2.04 MB
    ! in no total 3.00 kB  unattributed 3.00 kB  shortfall 1.20 MB
     Containers  Ports  Scopes  Networks  Projects  Peers                                                                                                                                                            6 rows, 2 not running
    CONTAINER              PROJECT  NETWORKS       ADDRESS                 PORTS                             RX/S       TX/S▼ TREND                            RX TOTAL   TX TOTAL      TODAY      CYCLE         QUOTA   PKTS/S  BUSIEST
    web                    shop     bridge, front  172.17.0.1, fd00:17::1  8080->80/tcp, 8443->443/tcp   10.00 kB   20.00 kB                               █    1.02 MB    2.03 MB    7.00 MB   70.00 MB  ████░░  82 %       30  80/tcp
    db                     -        bridge, vlan7  172.17.0.2, 192.168.7…  -                                  0 B        0 B                               ▁    1.00 GB    1.00 kB    4.00 kB   31.00 kB  ██████ >999%        0  80/tcp
    evil\u{1b}[2J\u{202e}  -        bridge         172.17.0.7              -                                  0 B        0 B                               ▁        0 B        0 B          -          -                      0  -
    <unattributed>                                                                                            0 B        0 B                               ▁    2.00 kB    1.00 kB          -          -                      0  80/tcp
    metrics                -        -              -                       -                            not counted: host network
    sidecar                -        -              -                       -                            counted at web
    q quit  ? help  Enter open  / filter  s sort  r reverse  t total  u units  a all  Tab view  Space hold  w figure
    ");
    // On a page of its own, with both directions.
    press(&mut state, Key::Enter);
    let page = screen(&state);
    let said = "account: today RX 7.00 MB, TX 1.00 kB; this cycle RX 70.00 MB, TX 1.00 kB; 82 % of the quota";
    assert!(page.replace('\u{a0}', " ").contains(said), "{page}");
    press(&mut state, Key::Escape);
    // Sorted by it, and unknown stays last.
    while state.sorting().column != Column::Quota {
        press(&mut state, Key::Char('s'));
    }
    let shown = screen(&state);
    let at = |name: &str| shown.lines().position(|line| line.starts_with(name)).unwrap();
    assert!(at("db") < at("web") && at("web") < at("<unattributed>"), "{shown}");
}
