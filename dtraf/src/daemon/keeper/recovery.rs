//! What is said of a recovery.

use std::path::Path;

use crate::store::{GoesOn, Recovered, Recovery};
use crate::view::names;

pub(super) fn tell(path: &Path, recovery: &Recovery) {
    let path = path.display();
    match recovery {
        Recovery::Missing => log::info!("there is no ledger {path}: --recover has nothing to do"),
        Recovery::Intact => log::info!("the ledger {path} is intact: --recover has nothing to do"),
        Recovery::Recovered(Recovered { damage, aside, tables, goes_on }) => {
            log::warn!(
                "the ledger {path} was damaged ({damage}) and is now {}; a new one has what could be read of it",
                aside.display()
            );
            for table in tables {
                log::warn!("saved from the damaged ledger: {table}");
            }
            match goes_on {
                GoesOn::FromCursors => {
                    log::warn!("what is booked is known: nothing is missing, nothing is booked twice");
                }
                GoesOn::FromNextReading { last } => log::warn!(
                    "what was booked is not known for certain: to book nothing twice, counting goes on in the ledger from what \
                     counters say now; what they have counted since the last write{} is not in it",
                    last.map(|last| format!(", at {},", names::rfc3339(last))).unwrap_or_default(),
                ),
            }
        }
    }
}
