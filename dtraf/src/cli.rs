//! What was typed. What it means is [`crate::config`]'s business.

pub(crate) mod accounts;
pub(crate) mod calibration;
pub(crate) mod ledger;
pub(crate) mod quota;
pub(crate) mod report;
pub(crate) mod rules;
pub(crate) mod values;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use self::accounts::{AccountArgs, ResetArgs};
use self::calibration::CalibrationArgs;
use self::ledger::LedgerToolArgs;
use self::quota::QuotaArgs;
use self::report::ReportArgs;
use self::rules::RulesArgs;
use self::values::{
    AttachChoice, BackendChoice, FormatChoice, UnitsChoice, UserScope, absolute_path, interval,
};
use crate::source::ebpf::PEER_ENTRIES;
use crate::source::iptables::plan::LITERAL_RULES;

/// Counts the traffic of Docker containers, in the kernel and to the byte.
///
/// dtraf attaches an eBPF program to the host's end of every container's interfaces and adds up what passes: by
/// container, by port, by who the other end is. It drops nothing and changes nothing.
///
/// Received (RX) and transmitted (TX) are always the container's. Bytes are wire bytes: Ethernet frames as a wire would
/// carry them, after segmentation. That is up to 4 % more bytes and up to 40 times more packets than interface counters,
/// iptables rules or `docker stats` show, which count a packet of up to 64 KB with one header; JSON output has their
/// figures (skb bytes) as well.
///
/// Ports are container ports, as they are after Docker's address translation; the mapping (8080->80/tcp) is a label. A
/// port is the container's own where it serves it (role server), and the other end's where the container opened the
/// conversation (role client).
///
/// What is not counted (containers on the host's network, macvlan, ...) is shown as not counted, with the reason, never
/// as 0.
#[derive(Debug, Parser)]
#[command(name = "dtraf", version, after_long_help = AFTER)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER: &str = "\
Exit status:
  0  done
  1  failed; one line on stderr says what was tried, on what, why it failed, and what to do about it
  2  not understood: usage
  3  a quota is over its limit (dtraf quota check)

Environment:
  DOCKER_HOST  where Docker listens; the system's socket without it
  NO_COLOR     no colours when it is set to anything
  RUST_LOG     what is logged to stderr: error, warn, info (the default), debug, trace
  TZ           the time zone of a ledger that is new; the host's without it. It changes no report

Files:
  /sys/fs/bpf/dtraf/         pinned maps and links: counting goes on in them while no dtraf runs
  /var/lib/dtraf/ledger.db   the ledger: what was counted when, for whom
  /etc/dtraf/config.toml     billing cycles, prices, quotas, how long the ledger keeps what; need not be there

Examples:
  dtraf run                          count, and watch
  dtraf top                          watch a dtraf that counts already
  dtraf run --once --format json     attach, read once, leave everything counting
  dtraf stats --ports web            what was counted for one container, by port
  dtraf report --daily               who had how much on each day of this month
  dtraf account who 172.17.0.5       whose address that is, or was --at a time
  dtraf reset shop/web               a new baseline; `dtraf report --since-reset` counts from there
  dtraf quota set shop/web 500GB     an allowance for each month; --hook is run at 80 and 100 %
  dtraf ledger zone                  in which time zone the ledger's days and months are
  dtraf doctor                       what this host can do, and what is in the way
  dtraf uninstall                    detach and remove everything";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(RunArgs),
    Stats(StatsArgs),
    Report(ReportArgs),
    Account(AccountArgs),
    Reset(ResetArgs),
    Calibration(CalibrationArgs),
    Quota(QuotaArgs),
    Ledger(LedgerToolArgs),
    Top(TopArgs),
    Rules(RulesArgs),
    Doctor(DoctorArgs),
    Uninstall(UninstallArgs),
}

/// Attach to every container, keep attached, and show what is counted
///
/// Finds the host's end of every container's interfaces on every bridge network, those of containers that start later
/// included, and attaches to it. On a terminal it shows the live view (? explains its keys); elsewhere, and with --once,
/// --format json or --trace, it prints reports one after another. With --headless it only logs.
///
/// In the live view --ports begins with all ports of all containers instead of the containers, and --no-trunc shows
/// names in full, at the price of columns.
///
/// When it ends (q, Ctrl-C, SIGTERM) it takes a last reading and leaves everything attached: counting goes on in the kernel,
/// and the next run adopts it without losing a packet. `dtraf uninstall` is what stops it.
///
/// Needs root, Linux 5.8 or later and Docker.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// How to count
    #[arg(long, value_enum, default_value_t = BackendChoice::Auto)]
    pub(crate) backend: BackendChoice,

    /// Time between two readings, such as 500ms, 1s or "1m 30s"; at least 100ms
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub(crate) interval: Duration,

    /// Attach, read once, print, and end; what is attached goes on counting
    #[arg(long)]
    pub(crate) once: bool,

    /// Print no report: only log
    #[arg(long, conflicts_with_all = ["once", "format", "ports"])]
    pub(crate) headless: bool,

    #[command(flatten)]
    pub(crate) look: LookArgs,

    /// Log why each packet of this container (name or id) is counted where it is
    ///
    /// At most 100 packets a second are logged; all are counted.
    #[arg(long, value_name = "CONTAINER")]
    pub(crate) trace: Option<String>,

    /// How to attach: TCX (Linux 6.6 or later) or a filter on a clsact qdisc
    ///
    /// auto takes TCX where the kernel has it, and filters for more than 40 interfaces at once: with TCX each waits 25 ms for
    /// the one before it. An interface stays with what it has. Whatever else is attached stays, and sees every packet.
    #[arg(long, value_enum, default_value_t = AttachChoice::Auto)]
    pub(crate) attach: AttachChoice,

    /// Interfaces that there is room for: one for each container and network it is connected to
    ///
    /// This and the three options below set the size of the maps when they are made. To change it later, run `dtraf
    /// uninstall` first.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=65_534))]
    pub(crate) max_containers: u32,

    /// Ports that there is room for in all; each takes 96 bytes for every CPU. Rounded up to a power of two
    ///
    /// What finds no room is counted without its port, in the bucket `map_full`.
    #[arg(long, value_name = "N", default_value_t = 32_768, value_parser = clap::value_parser!(u32).range(64..=4_194_304))]
    pub(crate) port_entries: u32,

    /// Ports that each interface may take of them
    ///
    /// From half of them on, new remote ports above 32767 share an entry, `other`, and idle ones join it; a quarter is kept for
    /// what the container sends itself. Beyond them traffic is counted without its port, in the bucket `over_quota`: no
    /// container can use up another's room.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4_194_304))]
    pub(crate) ports_per_container: u32,

    /// Pairs of containers that there is room for; each takes 48 bytes for every CPU. Rounded up to a power of two
    ///
    /// Of what one container sends straight to another and finds no room, only the pair is not known: it is in both
    /// containers' figures as it is.
    #[arg(long, value_name = "N", default_value_t = PEER_ENTRIES, value_parser = clap::value_parser!(u32).range(64..=4_194_304))]
    pub(crate) peer_entries: u32,

    /// With iptables: rules that may stand in DOCKER-USER itself, as by hand
    ///
    /// Every packet meets all of them. Where the rules of all containers would be more, those of new ones stand in chains of
    /// dtraf's own, below a tree that leads a packet past those of other containers.
    #[arg(long, value_name = "N", default_value_t = LITERAL_RULES)]
    pub(crate) literal_rules: usize,

    /// Count traffic with these addresses in this scope (internet, lan, host or container); may be repeated
    ///
    /// For example 203.0.113.0/24=lan. The longest prefix that holds an address decides; for the same prefix, yours goes
    /// before what dtraf finds out itself.
    #[arg(long = "scope", value_name = "CIDR=SCOPE")]
    pub(crate) scopes: Vec<UserScope>,

    #[command(flatten)]
    pub(crate) ledger: LedgerArgs,

    /// Time between two writes to the ledger; at least 100ms
    ///
    /// A host that loses its power loses what was counted since the last write; nothing else does.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = interval)]
    pub(crate) flush: Duration,

    /// If the ledger is damaged, put it aside and make a new one of what can be read
    ///
    /// All of the ledger is looked through first. If it is intact, nothing happens. The damaged one stays beside it, as
    /// FILE.damaged-TIME. Where it is not certain any more what was booked, what counters say is taken for booked, so that
    /// nothing is twice: what they had counted since the last write is then missing. The log says how much was saved.
    #[arg(long)]
    pub(crate) recover: bool,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    #[command(flatten)]
    pub(crate) pins: PinArgs,
}

/// Print what has been counted, once
///
/// Reads the counters that `dtraf run` keeps or has left counting; attaches nothing.
#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    /// Whose counters to read; auto takes the best that there are any of
    #[arg(long, value_enum, default_value_t = BackendChoice::Auto)]
    pub(crate) backend: BackendChoice,

    /// Only these containers, by name or by the beginning of their id
    #[arg(value_name = "CONTAINER")]
    pub(crate) containers: Vec<String>,

    /// Print again each interval, with rates
    #[arg(long)]
    pub(crate) watch: bool,

    /// Time between two readings with --watch, such as 500ms, 1s or "1m 30s"; at least 100ms
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval, requires = "watch")]
    pub(crate) interval: Duration,

    #[command(flatten)]
    pub(crate) look: LookArgs,

    #[command(flatten)]
    pub(crate) pins: PinArgs,
}

/// Watch what is counted, live, beside a dtraf that counts
///
/// The view of `dtraf run`, over the counters that it keeps or has left counting; attaches nothing. Leaving it changes nothing.
/// `?` explains the keys.
#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// Whose counters to read; auto takes the best that there are any of
    #[arg(long, value_enum, default_value_t = BackendChoice::Auto)]
    pub(crate) backend: BackendChoice,

    /// Time between two readings, such as 500ms, 1s or "1m 30s"; at least 100ms
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub(crate) interval: Duration,

    #[command(flatten)]
    pub(crate) detail: DetailArgs,

    /// Powers of 1000 (kB, MB) or of 1024 (KiB, MiB)
    #[arg(long, value_enum, default_value_t = UnitsChoice::Si)]
    pub(crate) units: UnitsChoice,

    /// Show rates in bits per second
    #[arg(long)]
    pub(crate) bits: bool,

    /// Show names in full, at the price of columns
    #[arg(long)]
    pub(crate) no_trunc: bool,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,

    #[command(flatten)]
    pub(crate) ledger: LedgerArgs,

    #[command(flatten)]
    pub(crate) pins: PinArgs,
}

/// Say what this host can do, and what is in the way
///
/// Looks at the kernel, the privileges, Docker and the firewall; says which backend `dtraf run` would take, why no better one,
/// what each of them would not see here, which running containers cannot be counted, and what to do about each. Changes
/// nothing. Works without root and without Docker, and sees less then.
///
/// The exit status is 0 when something can count on this host, and 1 otherwise.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// A report for people, or one line of JSON
    #[arg(long, value_enum)]
    pub(crate) format: Option<FormatChoice>,

    #[command(flatten)]
    pub(crate) pins: PinArgs,
}

/// Detach from every interface and remove every trace
///
/// Removes dtraf's links, filters, maps and pins, its rules and its table of nftables, and the clsact qdiscs that it made and nobody
/// else uses. Asks first, unless --yes is given.
///
/// The ledger, which bills may rest on, goes only if you say so: to a question of its own, or with --ledger.
#[derive(Debug, Args)]
pub(crate) struct UninstallArgs {
    /// Do not ask; the ledger stays
    #[arg(long, short)]
    pub(crate) yes: bool,

    /// Remove the ledger, too
    #[arg(long)]
    pub(crate) ledger: bool,

    #[command(flatten)]
    pub(crate) kept: LedgerArgs,

    #[command(flatten)]
    pub(crate) pins: PinArgs,
}

/// How reports look.
#[derive(Debug, Args)]
pub(crate) struct LookArgs {
    /// A table for people, or one line of JSON for each report
    #[arg(long, value_enum)]
    pub(crate) format: Option<FormatChoice>,

    #[command(flatten)]
    pub(crate) detail: DetailArgs,

    /// Powers of 1000 (kB, MB) or of 1024 (KiB, MiB) in tables; JSON has exact numbers
    #[arg(long, value_enum, default_value_t = UnitsChoice::Si)]
    pub(crate) units: UnitsChoice,

    /// Show rates in bits per second
    #[arg(long)]
    pub(crate) bits: bool,

    /// Leave nothing out and cut nothing off to make a table fit
    #[arg(long)]
    pub(crate) no_trunc: bool,
}

/// What to show of containers beside their totals; the live view begins with it.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct DetailArgs {
    /// Show each container's ports, and what was counted without a port
    #[arg(long)]
    pub(crate) ports: bool,

    /// Show which other containers each exchanged traffic with straight, by a network that both are in
    #[arg(long)]
    pub(crate) peers: bool,
}

/// Where the ledger is.
pub(crate) const LEDGER: &str = "/var/lib/dtraf/ledger.db";

#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    /// The ledger: an SQLite database, made where there is none
    #[arg(long = "db", value_name = "FILE", default_value = LEDGER, value_parser = absolute_path)]
    pub(crate) path: PathBuf,
}

/// What is to be the same at every call.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// The configuration: billing cycles, prices, quotas, how long the ledger keeps what. /etc/dtraf/config.toml, if that is there
    #[arg(long = "config", value_name = "FILE", value_parser = absolute_path)]
    pub(crate) file: Option<PathBuf>,
}

/// Where systemd mounts it.
pub(crate) const BPFFS: &str = "/sys/fs/bpf";

#[derive(Debug, Args)]
pub(crate) struct PinArgs {
    /// A mounted bpf file system, below which maps and links are pinned
    #[arg(long, value_name = "DIR", default_value = BPFFS, value_parser = absolute_path)]
    pub(crate) bpffs: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_has_no_contradictions() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_cannot_be_meant_is_a_usage_error_that_says_why() {
        let cases = [
            ("run --interval 50ms", "at least 100ms"),
            ("run --interval 1", "time unit needed"),
            ("run --once --headless", "cannot be used with"),
            ("run --scope 10.0.0.0/8", "CIDR=SCOPE"),
            ("run --scope 10.0.0.0/8=moon", "internet, lan, host or container"),
            ("run --scope 10.1.0.0/8=lan", "10.0.0.0/8"),
            ("run --scope 10.0.0.0/33=lan", "is not a network"),
            ("run --max-containers 0", "1..=65534"),
            ("run --bpffs bpf", "begin with /"),
            ("stats --interval 2s", "--watch"),
            ("report --since-reset --daily", "cannot be used with"),
            ("report --since-reset --by port", "cannot be used with"),
            ("reset --format json", "--list"),
            ("report --tz Mars/Olympus", "is not a time zone"),
            ("ledger zone CET-1CEST,M3.5.0,M10.5.0/3", "is not a time zone"),
            ("account merge a", "<INTO>"),
            ("account who 172.17.0", "invalid IP address"),
            ("", "Usage: dtraf <COMMAND>"),
        ];
        for (typed, because) in cases {
            let words = ["dtraf"].into_iter().chain(typed.split_whitespace());
            let error = Cli::try_parse_from(words).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{typed}");
            assert!(error.to_string().contains(because), "{typed}: {error}");
        }
    }
}
