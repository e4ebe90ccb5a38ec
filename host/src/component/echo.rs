//! The engine's own opinion: what was decoded passes its type checks, and comes back through a guest unchanged.
//!
//! Takes: a component made from WIT. Gives: tests. May name: component, typed.

use super::{Function, Limits, read, samples};
use crate::typed;
use wasmtime::component::{Component, Linker, Val};
use wasmtime::{Config, Engine, Store};

const WIT: &str = r#"
package a:b;

interface all {
    type byte = u8;
    record numbers {
        a: s8, b: u8, c: s16, d: u16, e: s32, f: u32, g: s64, h: u64, i: f32, j: f64,
    }
    enum color { red, green }
    flags rights { read, write, run }
    variant shape { point, circle(f64), path(list<tuple<s32, s32>>) }
    record everything {
        yes: bool,
        numbers: numbers,
        letter: char,
        text: string,
        raw: list<byte>,
        words: list<string>,
        pair: tuple<color, rights>,
        shapes: list<shape>,
        outcomes: list<result<string, color>>,
        silent: list<result>,
        maybe: option<string>,
        twice: list<option<option<bool>>>,
    }
    echo: func(x: everything) -> everything;
}

world w { export all; }
"#;

const JSON: &str = r#"{"yes":true,"numbers":{"a":-128,"b":255,"c":-32768,"d":65535,"e":-2147483648,"f":4294967295,\
"g":"-9223372036854775808","h":"18446744073709551615","i":-0.0,"j":"-Infinity"},"letter":"🦀","text":"né\\n",\
"raw":"AP9/","words":["","b"],"pair":["green",["read","run"]],"shapes":[{"tag":"point"},{"tag":"circle","val":0.1},\
{"tag":"path","val":[[1,-1]]}],"outcomes":[{"ok":"fine"},{"err":"red"}],"silent":[{"ok":null},{"err":null}],\
"maybe":null,"twice":[null,{"some":null},{"some":true}]}"#;

#[expect(clippy::disallowed_methods, reason = "a store of the test's own, which gives the guest nothing")]
fn call(component: &[u8], function: &Function, arguments: &[Val]) -> wasmtime::Result<Vec<Val>> {
    let engine = Engine::new(&Config::new())?;
    let component = Component::new(&engine, component)?;
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate(&mut store, &component)?;
    let interface = function.export.interface.as_deref().unwrap();
    let interface = component.get_export_index(None, interface).unwrap();
    let index = component.get_export_index(Some(&interface), &*function.export.function).unwrap();
    let mut results = vec![Val::Bool(false)];
    instance.get_func(&mut store, index).unwrap().call(&mut store, arguments, &mut results)?;
    Ok(results)
}

#[test]
fn every_kind_of_value_goes_through_a_guest_and_comes_back() {
    let json = JSON.replace("\\\n", "");
    let component = samples::of_wit(WIT, &[]);
    let info = read(&component, &Limits::default()).unwrap();
    let [echo] = &info.functions[..] else { panic!("{:?}", info.functions) };
    let limits = typed::Limits::default();
    let arguments = echo.signature.decode_arguments(&format!("{{\"x\":{json}}}"), &limits).unwrap();
    let results = call(&component, echo, &arguments).unwrap();
    assert_eq!(results, arguments);
    assert_eq!(echo.signature.encode_result(&results, &limits).unwrap(), json);
}
