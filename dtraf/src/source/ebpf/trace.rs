//! `--trace`: the programs' records of single decisions, as lines of the log.

use aya::Ebpf;
use aya_log::EbpfLogger;
use dtraf_common::abi::{Bucket, Direction, Family, Role, Scope, maps};
use log::{Log, Metadata, Record};

use super::error::EbpfError;
use super::load::Counting;

/// Records a second.
pub(crate) const RECORDS_PER_SECOND: u64 = 100;

impl Counting {
    /// The trace records, where the programs make any; flushing them puts them into the log.
    pub(crate) fn trace(&mut self) -> Result<Option<Records>, EbpfError> {
        let records = self.records.take();
        if records.is_some() {
            self.refill_trace()?;
        }
        Ok(records)
    }

    /// Allows more records. Returns whether the last allowance was used up, so that some may be missing.
    pub(crate) fn refill_trace(&mut self) -> Result<bool, EbpfError> {
        let failed = |source| EbpfError::Map { map: maps::TRACE_BUDGET, source };
        let left = self.maps.trace_budget.get(&0, 0).map_err(failed)?;
        self.maps.trace_budget.set(0, RECORDS_PER_SECOND, 0).map_err(failed)?;
        Ok(left == 0)
    }
}

/// What the programs have recorded.
pub(crate) struct Records(EbpfLogger<Readable>);

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").finish_non_exhaustive()
    }
}

impl Records {
    /// Those of an object's programs.
    pub(super) fn of(object: &mut Ebpf) -> Result<Self, EbpfError> {
        EbpfLogger::init_with_logger(object, Readable).map(Self).map_err(EbpfError::Trace)
    }

    /// Puts what there is into the log.
    pub(crate) fn flush(&mut self) {
        self.0.flush();
    }
}

/// Turns the numbers of a record into words before it is logged.
#[derive(Clone, Copy, Debug)]
struct Readable;

impl Log for Readable {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        log::logger().enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        let text = record.args().to_string();
        let line = readable(&text).unwrap_or(text);
        log::logger().log(
            &Record::builder()
                .level(log::Level::Info)
                .target("dtraf::trace")
                .args(format_args!("{line}"))
                .build(),
        );
    }

    fn flush(&self) {}
}

fn readable(text: &str) -> Option<String> {
    let field = |name: &str| {
        let value = text.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='))?;
        value.parse::<u64>().ok()
    };
    let raw = |name: &str| u8::try_from(field(name)?).ok();
    let direction = match Direction::try_from(raw("direction")?).ok()? {
        Direction::Received => "rx",
        Direction::Transmitted => "tx",
    };
    let scope = Scope::try_from(raw("scope")?).ok()?;
    let booked = if let Ok(bucket) = Bucket::try_from(raw("bucket")?) {
        format!("bucket {bucket:?}")
    } else {
        let role = Role::try_from(raw("role")?).ok()?;
        let family = match Family::try_from(raw("family")?).ok()? {
            Family::V4 => "ipv4",
            Family::V6 => "ipv6",
        };
        format!("{role:?} port {} of {family} protocol {}", field("port")?, field("protocol")?)
    };
    let (skb, added, packets) = (field("skb_bytes")?, field("added_bytes")?, field("added_packets")?);
    let wire = skb.wrapping_add(added);
    Some(
        format!(
            "slot {} {direction} {scope:?} {booked}: {wire} bytes in {} packets on the wire, {skb} in one skb",
            field("slot")?,
            packets + 1
        )
        .to_lowercase(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_become_words() {
        let text = "slot=1 direction=1 family=0 scope=0 protocol=6 role=1 port=80 bucket=255 skb_bytes=2962 added_bytes=66 added_packets=1";
        assert_eq!(
            readable(text).unwrap(),
            "slot 1 tx internet server port 80 of ipv4 protocol 6: 3028 bytes in 2 packets on the wire, 2962 in one skb"
        );
        let text = "slot=1 direction=0 family=0 scope=5 protocol=0 role=0 port=0 bucket=0 skb_bytes=42 added_bytes=0 added_packets=0";
        assert_eq!(
            readable(text).unwrap(),
            "slot 1 rx other bucket l2: 42 bytes in 1 packets on the wire, 42 in one skb"
        );
    }
}
