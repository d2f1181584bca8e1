//! Labels that do not hold, in words and for programs.

use serde::Serialize;

use super::neutral::neutral;
use crate::config::labels::Trouble;

/// For programs.
#[derive(Serialize)]
pub(super) struct TroubleObject<'a> {
    account: &'a str,
    container: &'a str,
    id: String,
    label: &'static str,
    value: &'a str,
    trouble: String,
}

pub(super) fn objects(troubles: &[Trouble]) -> Vec<TroubleObject<'_>> {
    troubles.iter().map(object).collect()
}

fn object(Trouble { seen, why }: &Trouble) -> TroubleObject<'_> {
    TroubleObject {
        account: &seen.account,
        container: &seen.container,
        id: seen.id.to_string(),
        label: seen.label.name(),
        value: &seen.value,
        trouble: why.to_string(),
    }
}

/// In the log.
pub(crate) fn tell(troubles: &[Trouble]) {
    for trouble in troubles {
        log::warn!("{}", told(trouble));
    }
}

/// One sentence, harmless to a terminal.
pub(crate) fn told(Trouble { seen, why }: &Trouble) -> String {
    neutral(&format!("{}'s label {} {why}.", seen.container, seen.label.name())).into_owned()
}
