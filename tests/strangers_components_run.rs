//! A component that has never heard of this host installs, lists with its schemas and runs; and values of every kind go
//! through a real guest and come back as they were.

use proptest::prelude::*;
use serde_json::{Value, json};
use strongroom::reason::Reason;
use strongroom_tests::house;

#[tokio::test]
async fn a_component_without_our_sdk_installs_lists_and_runs() {
    let house = house().tool("plain").build().await;
    let tools = house.room.catalogue().tools();
    let names: Vec<_> = tools[0].functions().map(|f| f.name.to_string()).collect();
    assert_eq!(names, ["plain.archive.get", "plain.forecast.get"]);
    let forecast = tools[0].function("forecast.get").unwrap();
    assert_eq!(forecast.arguments_schema["properties"]["city"]["type"], "string");
    assert_eq!(forecast.arguments_schema["required"], json!(["city"]));
    assert_eq!(forecast.arguments_schema["additionalProperties"], false);
    assert_eq!(forecast.result_schema["type"], "array");
    let receipt = house.call("plain.forecast.get", r#"{"city":"Berlin","days":2}"#).await;
    assert_eq!(receipt.reason, Reason::Ok, "{receipt:?}");
    let days: Value = serde_json::from_str(&receipt.value.unwrap()).unwrap();
    assert_eq!(days.as_array().map(Vec::len), Some(2), "{days}");
    assert!(house.call("plain.archive.get", r#"{"city":"Berlin","day":1}"#).await.is_ok());
}

#[tokio::test]
async fn descriptions_come_from_the_wit() {
    let house = house().tool("echo").tool("orders").build().await;
    let (_, function) = house.room.catalogue().function(&"orders.update-status".parse().unwrap()).unwrap();
    assert!(function.signature.docs().is_some_and(|d| d.contains("Changes where an order stands")));
}

/// Values that JSON has one spelling for, by the function that echoes them.
fn values() -> impl Strategy<Value = (&'static str, Value)> {
    let text = "[^\u{0}]{0,20}";
    prop_oneof![
        any::<bool>().prop_map(|v| ("echo-bool", json!(v))),
        any::<i8>().prop_map(|v| ("echo-s8", json!(v))),
        any::<i16>().prop_map(|v| ("echo-s16", json!(v))),
        any::<i32>().prop_map(|v| ("echo-s32", json!(v))),
        any::<u8>().prop_map(|v| ("echo-u8", json!(v))),
        any::<u16>().prop_map(|v| ("echo-u16", json!(v))),
        any::<u32>().prop_map(|v| ("echo-u32", json!(v))),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(|v| ("echo-s64", json!(v))),
        (9_007_199_254_740_992_u64..).prop_map(|v| ("echo-u64", json!(v.to_string()))),
        any::<f64>().prop_filter("finite", |v| v.is_finite()).prop_map(|v| ("echo-f64", json!(v))),
        Just(("echo-f64", json!("NaN"))),
        Just(("echo-f32", json!("-Infinity"))),
        any::<char>().prop_map(|v| ("echo-char", json!(v.to_string()))),
        text.prop_map(|v| ("echo-string", json!(v))),
        proptest::collection::vec(text, 0..5).prop_map(|v| ("echo-strings", json!(v))),
        proptest::option::of(text).prop_map(|v| ("echo-option", json!(v))),
        Just(("echo-option-option", json!(null))),
        Just(("echo-option-option", json!({"some": null}))),
        any::<u32>().prop_map(|v| ("echo-option-option", json!({"some": v}))),
        any::<f64>()
            .prop_filter("finite", |v| v.is_finite())
            .prop_map(|v| ("echo-variant", json!({"tag":"circle","val":v}))),
        Just(("echo-variant", json!({"tag":"none"}))),
        (any::<u8>(), text, any::<bool>()).prop_map(|(a, b, c)| ("echo-tuple", json!([a, b, c]))),
        proptest::sample::subsequence(vec!["read", "write", "execute"], 0..=3)
            .prop_map(|v| ("echo-flags", json!(v))),
        proptest::sample::select(vec!["low", "normal", "high"]).prop_map(|v| ("echo-enum", json!(v))),
    ]
}

#[test]
fn values_of_every_kind_come_back_as_they_were() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let house = runtime.block_on(async { house().tool("echo").build().await });
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(300));
    runner
        .run(&values(), |(function, value)| {
            let arguments = json!({ "value": value }).to_string();
            let receipt = runtime.block_on(house.call(&format!("echo.{function}"), &arguments));
            prop_assert_eq!(receipt.reason, Reason::Ok, "{} {}: {:?}", function, arguments, receipt.message);
            let back: Value = serde_json::from_str(&receipt.value.unwrap()).unwrap();
            prop_assert_eq!(back, value, "{}", function);
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn an_error_of_the_function_is_a_tool_error_with_its_value() {
    let house = house().tool("echo").build().await;
    let receipt = house.call("echo.echo-result", r#"{"value":{"err":"because"}}"#).await;
    assert_eq!((receipt.reason, receipt.value.as_deref()), (Reason::ToolError, Some("\"because\"")));
    let receipt = house.call("echo.echo-result", r#"{"value":{"ok":7}}"#).await;
    assert_eq!((receipt.reason, receipt.value.as_deref()), (Reason::Ok, Some("7")));
    let receipt = house
        .call("echo.fail", r#"{"problem":{"tag":"located","val":[3,{"latitude":1.0,"longitude":2.0}]}}"#)
        .await;
    assert_eq!(receipt.reason, Reason::ToolError);
    assert_eq!(house.call("echo.nothing", "{}").await.value.as_deref(), Some("null"));
}
