//! What `inspect` shows, for programs.
//!
//! Takes: a [`Subject`]. Gives: a JSON object. May name: component.

use super::{Interface, Subject};
use serde_json::{Value, json};
use strongroom::component::{self, DocsSource, Function};

pub(super) fn of(subject: &Subject<'_>) -> Value {
    let Subject { info, manifest, declared, imports, worst, dependencies } = subject;
    let function = |function: &Function| {
        json!({
            "name": format!("{}.{}", manifest.name, function.name),
            "effect": manifest.effect(&function.name),
            "cache": manifest.cache(&function.name),
            "description": function.signature.docs(),
            "arguments": function.signature.arguments_schema(),
            "result": function.signature.result_schema(),
            "interface": function.export.interface,
        })
    };
    let import = |interface: &Interface<'_>| {
        let functions = interface.functions.iter().map(|(name, rows)| json!({ "name": name, "rows": rows }));
        json!({
            "interface": interface.name,
            "available": interface.known,
            "functions": functions.collect::<Vec<_>>(),
        })
    };
    let producer =
        |p: &component::Producer| json!({ "field": p.field, "name": p.name, "version": p.version });
    json!({
        "name": manifest.name,
        "version": manifest.version,
        "component": info.digest,
        "bytes": info.size,
        "manifest": declared.then_some(manifest),
        "worst_case": worst,
        "functions": info.functions.iter().map(function).collect::<Vec<_>>(),
        "imports": imports.iter().map(import).collect::<Vec<_>>(),
        "descriptions_from": match info.docs {
            DocsSource::None => None,
            DocsSource::PackageDocs => Some("package-docs"),
            DocsSource::Wit => Some("wit"),
        },
        "producers": info.producers.iter().map(producer).collect::<Vec<_>>(),
        "dependencies": (dependencies.lists > 0).then_some(&dependencies.packages),
        "notes": info.notes.iter().chain(&dependencies.notes).collect::<Vec<_>>(),
    })
}
