//! `dtraf rules ...`, as it is typed.

use clap::{Args, Subcommand};

use super::values::ListFormatChoice;
use crate::source::iptables::plan::LITERAL_RULES;

/// Keep the iptables recipe in DOCKER-USER, without a daemon
///
/// The recipe that administrators follow by hand: for each port of a container two rules without target, one for what it
/// receives and one for what it transmits, and two more for everything. Their counters are the book; nothing of dtraf runs
/// between two commands. Every rule has a comment that says whose it is. Other people's rules are not touched.
///
/// Such rules count IP packets as the kernel hands them on, up to 64 KB with one header: 3 to 4 % less than a wire carries.
/// They do not see what host and containers say to each other, and containers on one bridge only with
/// bridge-nf-call-iptables=1. `dtraf doctor` says what holds on this host.
///
/// While `dtraf run` counts by rules it keeps them itself, and these commands only look.
#[derive(Debug, Args)]
pub(crate) struct RulesArgs {
    #[command(subcommand)]
    pub(crate) command: RulesCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Print the commands that `apply` would run, and run nothing
    Plan(MakeArgs),
    /// Make the rules, or bring them up to date: a container that has got another address keeps its counts
    ///
    /// What was counted for a container that has no address now is kept in a chain that nothing leads to.
    Apply(MakeArgs),
    /// Show the rules with their counters and line numbers
    List(ListArgs),
    /// Set the counters to zero, as `iptables -Z` does for one rule
    Zero(ChosenArgs),
    /// Remove the rules and what they have counted; all of dtraf's, or those of some containers
    Remove(ChosenArgs),
    /// Print the rules with their counters, for `iptables-restore --noflush --counters`
    Save(SaveArgs),
}

#[derive(Debug, Args)]
pub(crate) struct MakeArgs {
    /// Only these containers, by name or by the beginning of their id; all when there is none
    #[arg(value_name = "CONTAINER")]
    pub(crate) containers: Vec<String>,

    /// Rules that may stand in DOCKER-USER itself, as by hand; where there would be more, those of new containers stand in
    /// chains of dtraf's own
    #[arg(long, value_name = "N", default_value_t = LITERAL_RULES)]
    pub(crate) literal_rules: usize,

    /// Ports of a container that have rules of their own
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(crate) ports_per_container: usize,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) chosen: ChosenArgs,

    /// A table for people, one line of JSON, or comma-separated values
    #[arg(long, value_enum, default_value_t = ListFormatChoice::Table)]
    pub(crate) format: ListFormatChoice,
}

#[derive(Debug, Args)]
pub(crate) struct ChosenArgs {
    /// Only the rules of these containers, by name or by the beginning of their id; all when there is none
    #[arg(value_name = "CONTAINER")]
    pub(crate) containers: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SaveArgs {
    /// The rules for IPv6, for ip6tables-restore
    #[arg(long)]
    pub(crate) ipv6: bool,

    /// Declare the chain DOCKER-USER as well, for a file that is restored at boot, before Docker starts
    ///
    /// Where the chain is there already, restoring such a file empties it first, other people's rules included.
    #[arg(long)]
    pub(crate) declare_chain: bool,
}
