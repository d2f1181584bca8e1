//! Doors for benchmarks into what is the program's own. Nothing in dtraf comes through here.

mod books;
mod flush;
mod reading;

pub use self::books::Books;
pub use self::flush::{Flush, Made};
pub use self::reading::{Owned, Reading, Taken};
