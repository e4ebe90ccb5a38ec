//! The constant data in a component's memories, where texts of the source end up.
//!
//! Takes: bytes of a component. Gives: data segments with their place in the file. May name: nothing.

use wasmparser::{Parser, Payload};

/// A data segment: where its content begins in the file, in bytes, and the content.
pub(super) struct Segment<'a> {
    pub(super) offset: usize,
    pub(super) content: &'a [u8],
}

/// Every data segment of every module in the component. The bytes were validated when the component was read; of a
/// file that cannot be walked, what stands before the fault is looked at.
pub(super) fn segments(bytes: &[u8]) -> Vec<Segment<'_>> {
    let mut segments = Vec::new();
    for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
        let Payload::DataSection(section) = payload else { continue };
        for data in section.into_iter().map_while(Result::ok) {
            let offset = data.range.end.saturating_sub(data.data.len());
            segments.push(Segment { offset, content: data.data });
        }
    }
    segments
}
