use std::io::Cursor;

use super::*;

const TCP_HEADING: &str =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const TCP6_HEADING: &str = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const SCTP_HEADING: &str = " ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS\n";
const REST: &str =
    "00000000:00000000 00:00000000 00000000     0        0 20562 1 000000005fd83398 100 0 0 10 0";

fn ports(table: Table, text: &str) -> Vec<(u8, u16)> {
    let mut ports = BTreeSet::new();
    table.collect(Cursor::new(text), &mut ports).unwrap();
    ports.into_iter().map(|found| (found.protocol, found.port)).collect()
}

fn table(heading: &str, rows: &[&str]) -> String {
    rows.iter().fold(heading.to_owned(), |text, row| format!("{text}{row} {REST}\n"))
}

#[test]
fn rows_are_told_apart() {
    for (name, table_kind, row, expected) in [
        ("listening on every address", Table::Tcp, "   0: 00000000:0050 00000000:0000 0A", Some((6, 80))),
        ("listening on one address", Table::Tcp, "   0: 020011AC:1F90 00000000:0000 0A", Some((6, 8080))),
        ("listening on a high port", Table::Tcp, "   0: 00000000:C350 00000000:0000 0A", Some((6, 50000))),
        ("Docker's name server", Table::Tcp, "   0: 0B00007F:9A2B 00000000:0000 0A", None),
        ("connected", Table::Tcp, "   0: 020011AC:0050 010011AC:D431 01", None),
        ("a server's UDP socket", Table::Udp, "  123: 00000000:0035 00000000:0000 07", Some((17, 53))),
        ("Docker's name server by UDP", Table::Udp, "  123: 0B00007F:0035 00000000:0000 07", None),
        ("a client's UDP socket", Table::Udp, "  123: 00000000:8000 00000000:0000 07", None),
        ("the last client's port", Table::Udp, "  123: 00000000:EE47 00000000:0000 07", None),
        ("above the clients' ports", Table::Udp, "  123: 00000000:EE48 00000000:0000 07", Some((17, 61000))),
        ("a connected UDP socket", Table::Udp, "  123: 020011AC:0035 010011AC:D431 01", None),
        ("not a row", Table::Udp, "  123: 00000000 zz 07", None),
    ] {
        let found = ports(table_kind, &table(TCP_HEADING, &[row]));
        assert_eq!(found, Vec::from_iter(expected), "{name}");
    }
}

#[test]
fn ipv6_rows_are_told_apart() {
    for (name, address, expected) in [
        ("every address", "00000000000000000000000000000000", Some((6, 80))),
        ("a global address", "B80D0120000000000000000002000000", Some((6, 80))),
        ("the loopback address", "00000000000000000000000001000000", None),
        ("IPv4's loopback address, mapped", "0000000000000000FFFF00000100007F", None),
        ("too short", "0000000000000000FFFF0000", None),
    ] {
        let row = format!("   0: {address}:0050 00000000000000000000000000000000:0000 0A");
        let found = ports(Table::Tcp, &table(TCP6_HEADING, &[&row]));
        assert_eq!(found, Vec::from_iter(expected), "{name}");
    }
}

#[test]
fn reading_stops_at_the_first_connection() {
    let text = table(
        TCP_HEADING,
        &[
            "   0: 00000000:0050 00000000:0000 0A",
            "   1: 020011AC:0050 010011AC:D431 01",
            "   2: 00000000:0051 00000000:0000 0A",
        ],
    );
    assert_eq!(ports(Table::Tcp, &text), [(6, 80)]);
}

#[test]
fn a_table_cut_off_at_the_bound_gives_what_was_read() {
    let text =
        table(TCP_HEADING, &["   0: 00000000:0050 00000000:0000 0A", "   1: 00000000:0051 00000000:0000 0A"]);
    let cut = &text[..text.len() - REST.len() - 20];
    assert_eq!(ports(Table::Tcp, cut), [(6, 80)]);
}

#[test]
fn sctp_endpoints_are_told_apart() {
    let listening = "0000000000000000 0000000000000000 2   10  30   5000      0 1234 0.0.0.0\n";
    let closed = "0000000000000000 0000000000000000 2   7   31   5001      0 1235 0.0.0.0\n";
    assert_eq!(ports(Table::SctpEndpoints, &format!("{SCTP_HEADING}{listening}{closed}")), [(132, 5000)]);
}

#[test]
fn an_empty_table_has_no_ports() {
    assert_eq!(ports(Table::Tcp, TCP_HEADING), []);
    assert_eq!(ports(Table::Tcp, ""), []);
}
