//! What a call did through its imports, as the book writes it down.
//!
//! Takes: the gate's records. Gives: an entry's. May name: imports.

use super::{Decision, ImportRecord as Written};
use crate::imports::ImportRecord;

impl From<&ImportRecord> for Written {
    fn from(record: &ImportRecord) -> Self {
        let import = record.import;
        Self {
            import: format!("{}.{}", import.interface, import.function).into(),
            class: import.class.as_str().into(),
            decision: match record.decision {
                crate::imports::Decision::Allow => Decision::Allow,
                crate::imports::Decision::Deny => Decision::Deny,
            },
            target: record.target.as_deref().map(|target| target.to_owned().into()),
            method: record.method.as_deref().map(|method| method.to_owned().into()),
            why: record.why.as_deref().map(|why| why.to_owned().into()),
            count: record.count,
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
            fuel: record.fuel,
            first_us: record.first_us,
            last_us: record.last_us,
        }
    }
}
