//! Blocks of content as documents that can be read by themselves, and which of them are too long for an answer.
//!
//! Takes: blocks. Gives: [`Document`], [`long_ones`]. May name: nothing.

use rmcp::model::{ContentBlock, ResourceContents};

/// What a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Document<'a> {
    pub(super) mime_type: &'a str,
    pub(super) body: Body<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body<'a> {
    Text(&'a str),
    /// In base64 with padding.
    Bytes(&'a str),
}

impl<'a> Document<'a> {
    /// `None` for a link, which is as short as it can be.
    pub(super) fn of(block: &'a ContentBlock) -> Option<Self> {
        let (mime_type, body) = match block {
            ContentBlock::Text(text) => (None, Body::Text(&text.text)),
            ContentBlock::Image(image) => (Some(&image.mime_type), Body::Bytes(&image.data)),
            ContentBlock::Audio(audio) => (Some(&audio.mime_type), Body::Bytes(&audio.data)),
            ContentBlock::Resource(document) => match &document.resource {
                ResourceContents::TextResourceContents { text, mime_type, .. } => {
                    (mime_type.as_ref(), Body::Text(text))
                }
                ResourceContents::BlobResourceContents { blob, mime_type, .. } => {
                    (mime_type.as_ref(), Body::Bytes(blob))
                }
                _ => return None,
            },
            _ => return None,
        };
        Some(Self { mime_type: mime_type.map_or(body.mime_type(), String::as_str), body })
    }

    /// Its bytes, as whoever reads it has them in the end.
    pub(super) fn size(&self) -> usize {
        match self.body {
            Body::Text(text) => text.len(),
            Body::Bytes(data) => {
                let padding = data.bytes().rev().take_while(|b| *b == b'=').count();
                (data.len() / 4 * 3).saturating_sub(padding)
            }
        }
    }

    /// As what it is read, under the URI of its link, whatever its tool calls it.
    pub(super) fn contents(&self, uri: &str) -> ResourceContents {
        let contents = match self.body {
            Body::Text(text) => ResourceContents::text(text, uri),
            Body::Bytes(data) => ResourceContents::blob(data, uri),
        };
        contents.with_mime_type(self.mime_type)
    }
}

impl Body<'_> {
    /// What it is where nobody says anything.
    fn mime_type(&self) -> &'static str {
        match self {
            Self::Text(_) => "text/plain",
            Self::Bytes(_) => "application/octet-stream",
        }
    }
}

/// The longest of the blocks, so many that the others fit into so many bytes.
pub(super) fn long_ones(blocks: &[ContentBlock], most: usize) -> Vec<usize> {
    let carried = |block| match Document::of(block).map(|document| document.body) {
        Some(Body::Text(text) | Body::Bytes(text)) => text.len(),
        None => 0,
    };
    let mut sizes: Vec<_> = blocks.iter().map(carried).enumerate().collect();
    let mut all: usize = sizes.iter().map(|(_, size)| *size).sum();
    sizes.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    let mut long = Vec::new();
    for (n, size) in sizes {
        if all <= most || size == 0 {
            break;
        }
        long.push(n);
        all = all.saturating_sub(size);
    }
    long
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmcp::model::Resource;

    #[test]
    fn the_longest_blocks_are_linked_until_the_others_fit() {
        let text = |length: usize| ContentBlock::text("x".repeat(length));
        let blocks = [text(10), ContentBlock::image("A".repeat(400), "image/png"), text(300), text(60)];
        for (most, long) in
            [(770, vec![]), (769, vec![1]), (370, vec![1]), (369, vec![1, 2]), (9, vec![1, 2, 3, 0])]
        {
            assert_eq!(long_ones(&blocks, most), long, "{most}");
        }
        let places = [ContentBlock::resource_link(Resource::new("x:1", "x"))];
        assert_eq!(long_ones(&places, 0), [0; 0]);
    }

    #[test]
    fn a_size_is_that_of_the_bytes() {
        for (data, size) in [("", 0), ("AA==", 1), ("AAA=", 2), ("AAAA", 3)] {
            let block = ContentBlock::image(data, "image/png");
            let document = Document::of(&block).unwrap();
            assert_eq!((document.size(), document.mime_type), (size, "image/png"), "{data}");
        }
        assert_eq!(Document::of(&ContentBlock::text("ü")).map(|document| document.size()), Some(2));
    }
}
