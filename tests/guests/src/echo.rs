//! Gives back values of every kind; imports nothing.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use exports::strongroom_test::echo::echo::*;

strongroom_guests::without_std!();
wit_bindgen::generate!({ path: "src/echo.wit" });
strongroom_guests::embed!("strongroom:wit", include_str!("echo.wit"));
strongroom_guests::embed!(
    "strongroom:manifest",
    r#"
name = "echo"
version = "0.1.0"
description = "Gives back what it is given"
[functions]
echo.effect = "read"
echo-integers.effect = "read"
echo-scalars.effect = "read"
echo-bool.effect = "read"
echo-s8.effect = "read"
echo-s16.effect = "read"
echo-s32.effect = "read"
echo-s64.effect = "read"
echo-u8.effect = "read"
echo-u16.effect = "read"
echo-u32.effect = "read"
echo-u64.effect = "read"
echo-f32.effect = "read"
echo-f64.effect = "read"
echo-char.effect = "read"
echo-string.effect = "read"
echo-bytes.effect = "read"
echo-list.effect = "read"
echo-strings.effect = "read"
echo-option.effect = "read"
echo-option-option.effect = "read"
echo-result.effect = "read"
echo-result-ok.effect = "read"
echo-result-err.effect = "read"
echo-result-unit.effect = "read"
echo-variant.effect = "read"
echo-enum.effect = "read"
echo-flags.effect = "read"
echo-many-flags.effect = "read"
echo-tuple.effect = "read"
echo-nested.effect = "read"
nothing.effect = "read"
several.effect = "read"
fill.effect = "read"
# `fail` has no entry: it counts as a write.
"#
);

struct Tool;
export!(Tool);

macro_rules! echoes {
    ($($name:ident: $kind:ty),+ $(,)?) => {
        impl Guest for Tool {
            $(fn $name(value: $kind) -> $kind { value })+
            fn nothing() {}
            fn several(first: u8, second: Option<String>, third: Vec<f32>, fourth: Option<bool>) -> String {
                format!("{first} {second:?} {third:?} {fourth:?}")
            }
            fn fail(problem: Problem) -> Result<String, Problem> { Err(problem) }
            fn fill(bytes: u32) -> Vec<u8> { vec![b'x'; bytes as usize] }
        }
    };
}

echoes!(
    echo: Message,
    echo_integers: Integers,
    echo_scalars: Scalars,
    echo_bool: bool,
    echo_s8: i8,
    echo_s16: i16,
    echo_s32: i32,
    echo_s64: i64,
    echo_u8: u8,
    echo_u16: u16,
    echo_u32: u32,
    echo_u64: u64,
    echo_f32: f32,
    echo_f64: f64,
    echo_char: char,
    echo_string: String,
    echo_bytes: Vec<u8>,
    echo_list: Vec<i64>,
    echo_strings: Vec<String>,
    echo_option: Option<String>,
    echo_option_option: Option<Option<u32>>,
    echo_result: Result<u32, String>,
    echo_result_ok: Result<u32, ()>,
    echo_result_err: Result<(), String>,
    echo_result_unit: Result<(), ()>,
    echo_variant: Shape,
    echo_enum: Urgency,
    echo_flags: Rights,
    echo_many_flags: Many,
    echo_tuple: (u8, String, bool),
    echo_nested: Nested,
);
