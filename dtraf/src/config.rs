//! What was meant, complete and consistent, before the host is touched.

pub(crate) mod accounts;
pub(crate) mod calibration;
pub(crate) mod file;
pub(crate) mod labels;
pub(crate) mod ledger;
pub(crate) mod quota;
pub(crate) mod report;
pub(crate) mod rules;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use dtraf_common::abi::Scope;
use ipnet::IpNet;

use self::accounts::{Accounts, Reset};
use self::calibration::Calibrations;
use self::ledger::LedgerTool;
use self::quota::Quotas;
use self::report::Report;
use self::rules::Rules;
use crate::accounting::report::Backend;
use crate::cli::values::{AttachChoice, BackendChoice, FormatChoice, UnitsChoice, UserScope};
use crate::cli::{Cli, Command, DoctorArgs, LookArgs, RunArgs, StatsArgs, TopArgs, UninstallArgs};
use crate::daemon::keeper::{Keeping, Showing, WhenDamaged};
use crate::source::ebpf::{HookChoice, Limits};
use crate::source::select::Wanted;
use crate::terminal::Stdout;
use crate::view::doctor::Look;
use crate::view::tui::{Names, Sheet, Spelling};
use crate::view::units::Units;
use crate::view::{Detail, Fit, Format, Paint, RateUnit, View};

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Config {
    Run(Run),
    Stats(Stats),
    Report(Report),
    Account(Accounts),
    Reset(Reset),
    Calibration(Calibrations),
    Quota(Quotas),
    Ledger(LedgerTool),
    Top(Top),
    Rules(Rules),
    Doctor(Doctor),
    Uninstall(Uninstall),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) backend: Wanted,
    pub(crate) hooks: HookChoice,
    pub(crate) pace: Pace,
    pub(crate) show: Show,
    pub(crate) trace: Option<String>,
    /// How many rules may stand in `DOCKER-USER` itself.
    pub(crate) literal_rules: usize,
    pub(crate) limits: Limits,
    /// What the user says of networks; none twice.
    pub(crate) scopes: Vec<(IpNet, Scope)>,
    pub(crate) keeping: Keeping,
    pub(crate) bpffs: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stats {
    /// All when empty.
    pub(crate) containers: Vec<String>,
    pub(crate) backend: Wanted,
    pub(crate) pace: Pace,
    pub(crate) view: View,
    pub(crate) bpffs: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Top {
    pub(crate) backend: Wanted,
    pub(crate) pace: Duration,
    /// Of the ledger, which need not be there.
    pub(crate) path: PathBuf,
    /// The configuration; the usual one, which need not be there, when `None`.
    pub(crate) file: Option<PathBuf>,
    pub(crate) opening: Opening,
    pub(crate) bpffs: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Doctor {
    pub(crate) look: Look,
    pub(crate) bpffs: PathBuf,
}

/// What becomes of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    Nothing,
    Reports(View),
    /// The live view, which takes the terminal.
    Live(Opening),
}

/// How the live view begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) paint: Paint,
    pub(crate) names: Names,
    pub(crate) spelling: Spelling,
    pub(crate) first: Sheet,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Uninstall {
    pub(crate) consent: Consent,
    /// To the ledger's end; `None`: it stays.
    pub(crate) ledger: Option<Consent>,
    pub(crate) path: PathBuf,
    pub(crate) bpffs: PathBuf,
}

/// How often to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    Once,
    Every(Duration),
}

/// Whether the user has agreed already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consent {
    Given,
    Ask,
}

/// Options that contradict one another.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("--ports-per-container {quota} is more than there are --port-entries ({entries})")]
    QuotaBeyondEntries { quota: u32, entries: u32 },
    #[error("--scope puts {network} into two scopes")]
    TwoScopes { network: IpNet },
    #[error("--hook `{command}` is no command: a quote in it is not closed, or it is empty")]
    Hook { command: String },
    #[error(
        "--reconcile has no CSV: a card's bytes are in a unit of their own, and no line would add up; take --format json"
    )]
    ReconcileAsCsv,
    #[error("`dtraf top` shows itself on a terminal, and standard output is none; `dtraf stats` prints")]
    NoTerminal,
}

impl Config {
    /// What `cli` means when this is where output goes.
    pub(crate) fn resolve(cli: Cli, stdout: Stdout) -> Result<Self, ConfigError> {
        Ok(match cli.command {
            Command::Run(args) => Self::Run(Run::resolve(args, stdout)?),
            Command::Stats(args) => Self::Stats(Stats::resolve(args, stdout)),
            Command::Report(args) => Self::Report(Report::resolve(args, stdout)?),
            Command::Account(args) => Self::Account(Accounts::resolve(args, stdout)),
            Command::Reset(args) => Self::Reset(Reset::resolve(args, stdout)),
            Command::Top(args) => Self::Top(Top::resolve(args, stdout)?),
            Command::Rules(args) => Self::Rules(Rules::resolve(args, stdout)),
            Command::Calibration(args) => Self::Calibration(Calibrations::resolve(args, stdout)),
            Command::Quota(args) => Self::Quota(Quotas::resolve(args, stdout)?),
            Command::Ledger(args) => Self::Ledger(LedgerTool::resolve(args)),
            Command::Doctor(args) => Self::Doctor(Doctor::resolve(args, stdout)),
            Command::Uninstall(args) => Self::Uninstall(Uninstall::resolve(args)),
        })
    }

    /// The terminal is taken for the live view.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self, Self::Run(Run { show: Show::Live(_), .. }) | Self::Top(_))
    }
}

impl Run {
    fn resolve(args: RunArgs, stdout: Stdout) -> Result<Self, ConfigError> {
        let (show, limits) = (show(&args, stdout), limits(&args)?);
        Ok(Self {
            backend: wanted(args.backend),
            literal_rules: args.literal_rules,
            hooks: match args.attach {
                AttachChoice::Auto => HookChoice::Auto,
                AttachChoice::Tcx => HookChoice::Tcx,
                AttachChoice::Clsact => HookChoice::Clsact,
            },
            pace: if args.once { Pace::Once } else { Pace::Every(args.interval) },
            show,
            trace: args.trace,
            limits,
            scopes: scopes(&args.scopes)?,
            keeping: Keeping {
                path: args.ledger.path,
                pace: args.flush,
                file: args.config.file,
                showing: if matches!(show, Show::Live(_)) { Showing::Somebody } else { Showing::Nobody },
                when_damaged: if args.recover { WhenDamaged::Recover } else { WhenDamaged::Tell },
            },
            bpffs: args.pins.bpffs,
        })
    }
}

fn wanted(choice: BackendChoice) -> Wanted {
    match choice {
        BackendChoice::Auto => Wanted::Auto,
        BackendChoice::Ebpf => Wanted::Only(Backend::Ebpf),
        BackendChoice::Iptables => Wanted::Only(Backend::Iptables),
        BackendChoice::Nft => Wanted::Only(Backend::Nft),
    }
}

fn limits(args: &RunArgs) -> Result<Limits, ConfigError> {
    let (entries, quota) = (args.port_entries.next_power_of_two(), args.ports_per_container);
    if quota > entries {
        return Err(ConfigError::QuotaBeyondEntries { quota, entries });
    }
    Ok(Limits {
        interfaces: args.max_containers,
        port_entries: entries,
        ports_per_interface: quota,
        peer_entries: args.peer_entries.next_power_of_two(),
    })
}

/// Each network once.
fn scopes(typed: &[UserScope]) -> Result<Vec<(IpNet, Scope)>, ConfigError> {
    let mut scopes = BTreeMap::<IpNet, Scope>::new();
    for UserScope { network, scope } in typed {
        if scopes.insert(*network, *scope).is_some_and(|other| other != *scope) {
            return Err(ConfigError::TwoScopes { network: *network });
        }
    }
    Ok(scopes.into_iter().collect())
}

impl Stats {
    fn resolve(args: StatsArgs, stdout: Stdout) -> Self {
        Self {
            containers: args.containers,
            backend: wanted(args.backend),
            pace: if args.watch { Pace::Every(args.interval) } else { Pace::Once },
            view: view(&args.look, stdout),
            bpffs: args.pins.bpffs,
        }
    }
}

impl Top {
    fn resolve(args: TopArgs, stdout: Stdout) -> Result<Self, ConfigError> {
        if stdout == Stdout::Elsewhere {
            return Err(ConfigError::NoTerminal);
        }
        let TopArgs { backend, interval, detail, units, bits, no_trunc, config, ledger, pins } = args;
        let look = LookArgs { format: None, detail, units, bits, no_trunc };
        Ok(Self {
            backend: wanted(backend),
            pace: interval,
            path: ledger.path,
            file: config.file,
            opening: live(&view(&look, stdout)),
            bpffs: pins.bpffs,
        })
    }
}

impl Doctor {
    fn resolve(args: DoctorArgs, stdout: Stdout) -> Self {
        let look = Look { format: format(args.format), width: stdout.fit().width(), paint: stdout.paint() };
        Self { look, bpffs: args.pins.bpffs }
    }
}

impl Uninstall {
    fn resolve(args: UninstallArgs) -> Self {
        let consent = if args.yes { Consent::Given } else { Consent::Ask };
        let ledger = match consent {
            _ if args.ledger => Some(Consent::Given),
            Consent::Ask => Some(Consent::Ask),
            Consent::Given => None,
        };
        Self { consent, ledger, path: args.kept.path, bpffs: args.pins.bpffs }
    }
}

/// The live view shows itself wherever somebody can see it and nothing else is asked for.
fn show(args: &RunArgs, stdout: Stdout) -> Show {
    let view = view(&args.look, stdout);
    let on_terminal = stdout != Stdout::Elsewhere && view.format == Format::Table;
    if args.headless {
        Show::Nothing
    } else if on_terminal && !args.once && args.trace.is_none() {
        Show::Live(live(&view))
    } else {
        Show::Reports(view)
    }
}

fn live(view: &View) -> Opening {
    Opening {
        paint: view.paint,
        names: if view.fit == Fit::Whole { Names::Whole } else { Names::Cut },
        spelling: Spelling { units: view.units, rate_unit: view.rate_unit },
        first: match view.detail {
            Detail::Containers => Sheet::Containers,
            Detail::Ports => Sheet::Ports,
            Detail::Peers => Sheet::Peers,
        },
    }
}

fn view(look: &LookArgs, stdout: Stdout) -> View {
    View {
        format: format(look.format),
        detail: match (look.detail.ports, look.detail.peers) {
            (true, _) => Detail::Ports,
            (false, true) => Detail::Peers,
            (false, false) => Detail::Containers,
        },
        units: match look.units {
            UnitsChoice::Si => Units::Si,
            UnitsChoice::Iec => Units::Iec,
        },
        rate_unit: if look.bits { RateUnit::Bits } else { RateUnit::Bytes },
        fit: if look.no_trunc { Fit::Whole } else { stdout.fit() },
        paint: stdout.paint(),
    }
}

fn format(choice: Option<FormatChoice>) -> Format {
    match choice {
        Some(FormatChoice::Json) => Format::Json,
        Some(FormatChoice::Table) | None => Format::Table,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    const TERMINAL: Stdout = Stdout::Terminal { columns: 100, paint: Paint::Colour };

    fn resolve(typed: &str, stdout: Stdout) -> Result<Config, ConfigError> {
        let words = ["dtraf"].into_iter().chain(typed.split_whitespace());
        Config::resolve(Cli::try_parse_from(words).unwrap(), stdout)
    }

    fn run(typed: &str, stdout: Stdout) -> Run {
        match resolve(typed, stdout).unwrap() {
            Config::Run(run) => run,
            other => panic!("{typed}: {other:?}"),
        }
    }

    fn reports(show: Show) -> View {
        match show {
            Show::Reports(view) => view,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_plain_run_shows_the_live_view_on_a_terminal() {
        let run = run("run", TERMINAL);
        let opening = Opening {
            paint: Paint::Colour,
            names: Names::Cut,
            spelling: Spelling { units: Units::Si, rate_unit: RateUnit::Bytes },
            first: Sheet::Containers,
        };
        assert_eq!(run.show, Show::Live(opening));
        assert_eq!(run.pace, Pace::Every(Duration::from_secs(1)));
        assert_eq!(
            run.limits,
            Limits { interfaces: 1024, port_entries: 32_768, ports_per_interface: 256, peer_entries: 16_384 }
        );
    }

    #[test]
    fn reports_are_printed_where_nobody_sees_a_view_or_somebody_asks_for_them() {
        for (typed, stdout) in [
            ("run", Stdout::Elsewhere),
            ("run --once", TERMINAL),
            ("run --format json", TERMINAL),
            ("run --trace web", TERMINAL),
        ] {
            let view = reports(run(typed, stdout).show);
            assert_eq!(view.format == Format::Json, typed.ends_with("json"), "{typed}");
        }
        for stdout in [TERMINAL, Stdout::Elsewhere] {
            assert_eq!(run("run --headless", stdout).show, Show::Nothing);
        }
    }

    #[test]
    fn nothing_is_cut_where_that_was_asked_for_or_no_terminal_wants_it() {
        assert_eq!(reports(run("run --once --no-trunc", TERMINAL).show).fit, Fit::Whole);
        assert_eq!(reports(run("run --once", TERMINAL).show).fit, Fit::Columns(100));
        assert_eq!(reports(run("run --once", Stdout::Elsewhere).show).fit, Fit::Rows);
    }

    #[test]
    fn top_needs_a_terminal() {
        assert!(
            matches!(resolve("top --ports", TERMINAL), Ok(Config::Top(Top { opening, .. })) if opening.first == Sheet::Ports)
        );
        assert_eq!(resolve("top", Stdout::Elsewhere), Err(ConfigError::NoTerminal));
    }

    #[test]
    fn the_port_table_is_a_power_of_two_and_holds_a_quota() {
        let limits = run("run --port-entries 1000 --ports-per-container 1024", TERMINAL).limits;
        assert_eq!((limits.port_entries, limits.ports_per_interface), (1024, 1024));
        let error = resolve("run --port-entries 1000 --ports-per-container 1025", TERMINAL).unwrap_err();
        assert_eq!(error, ConfigError::QuotaBeyondEntries { quota: 1025, entries: 1024 });
    }

    #[test]
    fn a_network_is_in_one_scope() {
        let twice = run("run --scope 10.0.0.0/8=lan --scope 10.0.0.0/8=lan --scope ::/0=internet", TERMINAL);
        assert_eq!(twice.scopes.len(), 2);
        assert!(matches!(
            resolve("run --scope 10.0.0.0/8=lan --scope 10.0.0.0/8=host", TERMINAL),
            Err(ConfigError::TwoScopes { .. })
        ));
    }

    #[test]
    fn stats_is_taken_once_unless_watched() {
        let pace = |typed| match resolve(typed, TERMINAL).unwrap() {
            Config::Stats(stats) => stats.pace,
            other => panic!("{typed}: {other:?}"),
        };
        assert_eq!(pace("stats web"), Pace::Once);
        assert_eq!(pace("stats --watch --interval 2s"), Pace::Every(Duration::from_secs(2)));
    }

    #[test]
    fn the_doctors_lines_fit_the_terminal_and_are_plain_elsewhere() {
        let look = |typed, stdout| match resolve(typed, stdout).unwrap() {
            Config::Doctor(doctor) => doctor.look,
            other => panic!("{typed}: {other:?}"),
        };
        let table = Look { format: Format::Table, width: Some(100), paint: Paint::Colour };
        assert_eq!(look("doctor", TERMINAL), table);
        let json = Look { format: Format::Json, width: None, paint: Paint::Plain };
        assert_eq!(look("doctor --format json", Stdout::Elsewhere), json);
    }
}
