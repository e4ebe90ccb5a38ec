//! What holds for every type and every value: nothing is lost, the schema tells the truth, nothing panics.
//!
//! Takes: arbitrary shapes, values and JSON. Gives: tests. May name: typed.

use super::arbitrary;
use super::decode::Limits;
use super::shape::Shape;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;
use wasmtime::component::Val;

const LIMITS: Limits = Limits { bytes: 1 << 20, values: 100_000 };

fn valid(schema: &Value, instance: &Value) -> bool {
    jsonschema::draft202012::new(schema).unwrap().is_valid(instance)
}

fn shape_and_value() -> impl Strategy<Value = (Shape, Val)> {
    arbitrary::shape().prop_flat_map(|shape| (Just(shape.clone()), arbitrary::value(&shape)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// `Val` compares floats by bits, but for NaN, of which there is one in JSON.
    #[test]
    fn a_value_comes_back_as_it_was((shape, value) in shape_and_value()) {
        let text = shape.encode(&value, &LIMITS).unwrap();
        let back = shape.decode(&text, &LIMITS).unwrap();
        prop_assert_eq!(&back, &value, "{}", text);
        prop_assert_eq!(shape.encode(&back, &LIMITS).unwrap(), text.clone());
        let parsed: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(shape.decode_parsed(&parsed, &LIMITS).unwrap(), value, "{}", text);
        prop_assert!(valid(&shape.schema(), &parsed), "{} is not valid by {}", text, shape.schema());
    }

    #[test]
    fn what_the_schema_refuses_is_refused(
        (shape, value) in shape_and_value(),
        place in proptest::collection::vec(any::<Index>(), 0..4),
        other in arbitrary::json(),
        how in any::<u8>(),
    ) {
        let mut json = serde_json::from_str(&shape.encode(&value, &LIMITS).unwrap()).unwrap();
        arbitrary::mutate(&mut json, &place, other, how);
        agree(&shape, &json)?;
    }

    #[test]
    fn any_json_is_read_or_refused(shape in arbitrary::shape(), json in arbitrary::json()) {
        agree(&shape, &json)?;
    }

    #[test]
    fn any_text_is_read_or_refused(shape in arbitrary::shape(), text in "[\\[\\]{}\",:0-9eE.\\-+ntrufalse ]{0,40}") {
        let limits = Limits { bytes: 1 << 10, values: 50 };
        if let Ok(value) = shape.decode(&text, &limits) {
            prop_assert!(shape.encode(&value, &LIMITS).is_ok());
        }
    }

    #[test]
    fn arguments_come_back_as_they_were(
        (signature, arguments) in arbitrary::signature().prop_flat_map(|signature| {
            let values: Vec<_> = signature.params.iter().map(|param| arbitrary::value(&param.value)).collect();
            (Just(signature), values)
        })
    ) {
        let text = signature.encode_arguments(&arguments, &LIMITS).unwrap();
        prop_assert_eq!(signature.decode_arguments(&text, &LIMITS).unwrap(), arguments.clone());
        let parsed: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(signature.decode_parsed_arguments(&parsed, &LIMITS).unwrap(), arguments);
        prop_assert!(valid(&signature.arguments_schema(), &parsed));
    }

    /// A value of another type is refused, not written as something else.
    #[test]
    fn what_is_written_is_of_its_type(shape in arbitrary::shape(), (_, value) in shape_and_value()) {
        if let Ok(text) = shape.encode(&value, &LIMITS) {
            prop_assert_eq!(shape.decode(&text, &LIMITS).unwrap(), value);
        }
    }
}

/// Text and parsed JSON decode alike; what decodes is valid, and stays the same once it was written canonically.
fn agree(shape: &Shape, json: &Value) -> Result<(), TestCaseError> {
    let parsed = shape.decode_parsed(json, &LIMITS);
    prop_assert_eq!(&shape.decode(&json.to_string(), &LIMITS), &parsed);
    let Ok(value) = parsed else { return Ok(()) };
    prop_assert!(valid(&shape.schema(), json), "{} is not valid by {}", json, shape.schema());
    let canonical = shape.encode(&value, &LIMITS).unwrap();
    prop_assert_eq!(shape.decode(&canonical, &LIMITS).unwrap(), value);
    Ok(())
}
