//! `dtraf rules`: what was meant.

use dtraf_common::abi::Family;

use crate::cli::rules::{MakeArgs, RulesArgs, RulesCommand};
use crate::cli::values::ListFormatChoice;
use crate::terminal::Stdout;
use crate::view::rules::ListFormat;
use crate::view::{Fit, Paint};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Print what [`Self::Apply`] would do.
    Plan(Make),
    Apply(Make),
    List {
        containers: Vec<String>,
        format: ListFormat,
        fit: Fit,
        paint: Paint,
    },
    Zero(Vec<String>),
    Remove(Vec<String>),
    Save {
        family: Family,
        declare_chain: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Make {
    /// All when empty.
    pub(crate) containers: Vec<String>,
    pub(crate) literal_rules: usize,
    pub(crate) ports_per_container: usize,
}

impl Rules {
    pub(super) fn resolve(args: RulesArgs, stdout: Stdout) -> Self {
        match args.command {
            RulesCommand::Plan(make) => Self::Plan(make.into()),
            RulesCommand::Apply(make) => Self::Apply(make.into()),
            RulesCommand::List(list) => Self::List {
                containers: list.chosen.containers,
                format: match list.format {
                    ListFormatChoice::Table => ListFormat::Table,
                    ListFormatChoice::Json => ListFormat::Json,
                    ListFormatChoice::Csv => ListFormat::Csv,
                },
                fit: stdout.fit(),
                paint: stdout.paint(),
            },
            RulesCommand::Zero(chosen) => Self::Zero(chosen.containers),
            RulesCommand::Remove(chosen) => Self::Remove(chosen.containers),
            RulesCommand::Save(save) => Self::Save {
                family: if save.ipv6 { Family::V6 } else { Family::V4 },
                declare_chain: save.declare_chain,
            },
        }
    }
}

impl From<MakeArgs> for Make {
    fn from(args: MakeArgs) -> Self {
        let MakeArgs { containers, literal_rules, ports_per_container } = args;
        Self { containers, literal_rules, ports_per_container }
    }
}
