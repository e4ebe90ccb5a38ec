//! Results that are content for people and models: text, pictures, sound, documents and where they are.
//!
//! Takes: a function's result type and the text of a result. Gives: rmcp's content. May name: typed.
//!
//! A function shows content by the type of its result, `list<block>` as `wit/mcp.wit` has it. WIT types are structural: a
//! copy of the type in the tool's own package is the same type.

use crate::typed::{Kind, Shape};
use rmcp::model::{ContentBlock, Resource, ResourceContents};
use serde::Deserialize;
use serde_json::Value;

/// The type, written as [`spell`] does.
const CONTENT: &str = "list<variant{text:string,image:record{data:bytes,mime-type:string},\
    audio:record{data:bytes,mime-type:string},\
    embedded:record{uri:string,mime-type:option<string>,body:variant{text:string,blob:bytes}},\
    link:record{uri:string,name:string,title:option<string>,description:option<string>,mime-type:option<string>,\
    size:option<u64>}}>";

/// Whether a result of this type is content.
pub(super) fn is(shape: &Shape) -> bool {
    // Every other kind of list is told apart at once.
    matches!(shape.kind(), Kind::List(_)) && spell(shape) == CONTENT
}

/// A type as text, without its docs; kinds that content does not have are not told apart.
fn spell(shape: &Shape) -> String {
    let fields = |fields: Vec<(&str, Option<&Shape>)>| {
        let field = |(name, shape): (&str, Option<&Shape>)| match shape {
            Some(shape) => format!("{name}:{}", spell(shape)),
            None => name.to_owned(),
        };
        fields.into_iter().map(field).collect::<Vec<_>>().join(",")
    };
    match shape.kind() {
        Kind::String => "string".into(),
        Kind::Bytes => "bytes".into(),
        Kind::Int(crate::typed::Int::U64) => "u64".into(),
        Kind::Option(inner) => format!("option<{}>", spell(inner)),
        Kind::List(item) => format!("list<{}>", spell(item)),
        Kind::Record(all) => {
            let all = all.iter().map(|field| (&*field.name, Some(&field.value))).collect();
            format!("record{{{}}}", fields(all))
        }
        Kind::Variant(cases) => {
            let cases = cases.iter().map(|case| (&*case.name, case.value.as_ref())).collect();
            format!("variant{{{}}}", fields(cases))
        }
        _ => "?".into(),
    }
}

#[derive(Deserialize)]
#[serde(tag = "tag", content = "val", rename_all = "kebab-case")]
enum Block {
    Text(String),
    Image(Media),
    Audio(Media),
    Embedded(Embedded),
    Link(Link),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Media {
    /// Base64, as the protocol has it.
    data: String,
    mime_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Embedded {
    uri: String,
    mime_type: Option<String>,
    body: Text,
}

#[derive(Deserialize)]
#[serde(tag = "tag", content = "val", rename_all = "kebab-case")]
enum Text {
    Text(String),
    Blob(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Link {
    uri: String,
    name: String,
    title: Option<String>,
    description: Option<String>,
    mime_type: Option<String>,
    /// A number, or beyond 2^53 its digits.
    size: Option<Value>,
}

/// The content that a result of the type says.
pub(super) fn blocks(result: Value) -> serde_json::Result<Vec<ContentBlock>> {
    let blocks: Vec<Block> = serde_json::from_value(result)?;
    Ok(blocks.into_iter().map(ContentBlock::from).collect())
}

impl From<Block> for ContentBlock {
    fn from(block: Block) -> Self {
        match block {
            Block::Text(text) => Self::text(text),
            Block::Image(Media { data, mime_type }) => Self::image(data, mime_type),
            Block::Audio(Media { data, mime_type }) => Self::audio(data, mime_type),
            Block::Embedded(Embedded { uri, mime_type, body }) => {
                let mut contents = match body {
                    Text::Text(text) => ResourceContents::text(text, uri),
                    Text::Blob(blob) => ResourceContents::blob(blob, uri),
                };
                if let Some(mime_type) = mime_type {
                    contents = contents.with_mime_type(mime_type);
                }
                Self::resource(contents)
            }
            Block::Link(Link { uri, name, title, description, mime_type, size }) => {
                let mut resource = Resource::new(uri, name);
                resource.title = title;
                resource.description = description;
                resource.mime_type = mime_type;
                resource.size = size.and_then(|size| match size {
                    Value::String(digits) => digits.parse().ok(),
                    size => size.as_u64(),
                });
                Self::resource_link(resource)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_block_becomes_the_protocols() {
        let told = blocks(json!([
            { "tag": "text", "val": "a" },
            { "tag": "image", "val": { "data": "AA==", "mime-type": "image/png" } },
            { "tag": "audio", "val": { "data": "AA==", "mime-type": "audio/wav" } },
            { "tag": "embedded", "val": { "uri": "x:1", "mime-type": null, "body": { "tag": "blob", "val": "AA==" } } },
            { "tag": "link", "val": { "uri": "x:2", "name": "n", "size": "1152921504606846976" } },
        ]));
        let told = serde_json::to_value(told.unwrap()).unwrap();
        assert_eq!(
            told,
            json!([
                { "type": "text", "text": "a" },
                { "type": "image", "data": "AA==", "mimeType": "image/png" },
                { "type": "audio", "data": "AA==", "mimeType": "audio/wav" },
                { "type": "resource", "resource": { "uri": "x:1", "blob": "AA==" } },
                { "type": "resource_link", "uri": "x:2", "name": "n", "size": 1_152_921_504_606_846_976_u64 },
            ])
        );
        assert!(blocks(json!([{ "tag": "video", "val": "a" }])).is_err());
    }
}
