//! What becomes of a write that carries no idempotency key.
//!
//! Takes: `[idempotency]` of a tenant's file and of the operator's. Gives: [`KeyRules`], [`Keyless`]. May name: id.

use super::limits;
use crate::id::FunctionName;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long an answer is given again under a derived key, in milliseconds, where nobody says anything.
const WINDOW_MS: u64 = 60_000;

/// What becomes of a call of a function that writes, when it carries no idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keyless {
    /// It is refused.
    #[default]
    Require,
    /// The host derives a key from tenant, actor, function and arguments, so that the same call by the same actor within
    /// a short while gets the first one's answer, and is not run.
    Derive,
    /// It runs, as often as it is sent. For functions that may run twice.
    Off,
}

/// The rules of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyRules {
    /// Of all functions: `require` or `derive`. What may run as often as it is sent is named in `functions`.
    #[serde(deserialize_with = "for_all")]
    pub keys: Option<Keyless>,
    /// How long an answer is given again under a derived key, in milliseconds from when the first was given, 1,000 to
    /// 3,600,000. Default 60,000.
    #[serde(deserialize_with = "limits::optional::<1_000, 3_600_000, _>")]
    pub derive_window_ms: Option<u64>,
    /// Of single functions, `<tool>.<function>`.
    pub functions: BTreeMap<FunctionName, Keyless>,
}

fn for_all<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Keyless>, D::Error> {
    match Keyless::deserialize(d)? {
        Keyless::Off => {
            Err(D::Error::custom("\"off\" is for single functions; name them in `[idempotency.functions]`"))
        }
        rule => Ok(Some(rule)),
    }
}

impl KeyRules {
    /// The rule for a function: the tenant's own file before the host's, a function's own line before that of all. Where
    /// neither says anything it is as the caller's side has it.
    #[must_use]
    pub fn of(&self, host: &Self, function: &FunctionName, otherwise: Keyless) -> Keyless {
        let single = self.functions.get(function).or_else(|| host.functions.get(function));
        single.copied().or(self.keys).or(host.keys).unwrap_or(otherwise)
    }

    /// How long an answer is given again under a derived key, in milliseconds.
    #[must_use]
    pub fn window_ms(&self, host: &Self) -> u64 {
        self.derive_window_ms.or(host.derive_window_ms).unwrap_or(WINDOW_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> KeyRules {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn the_nearest_rule_counts() {
        let host =
            rules("keys = 'derive'\nfunctions = { 'orders.list-all' = 'off', 'orders.pay' = 'require' }");
        let tenant = rules("derive_window_ms = 5_000\nfunctions = { 'orders.pay' = 'derive' }");
        let none = KeyRules::default();
        let of = |rules: &KeyRules, host: &KeyRules, function: &str| {
            rules.of(host, &FunctionName::new(function).unwrap(), Keyless::Require)
        };
        assert_eq!(of(&none, &none, "orders.pay"), Keyless::Require);
        assert_eq!(of(&none, &host, "orders.other"), Keyless::Derive);
        assert_eq!(of(&none, &host, "orders.pay"), Keyless::Require);
        assert_eq!(of(&tenant, &host, "orders.pay"), Keyless::Derive);
        assert_eq!(of(&tenant, &host, "orders.list-all"), Keyless::Off);
        assert_eq!(of(&rules("keys = 'require'"), &host, "orders.other"), Keyless::Require);
        assert_eq!((tenant.window_ms(&host), none.window_ms(&none)), (5_000, 60_000));
    }

    #[test]
    fn what_would_let_every_write_run_twice_is_refused() {
        for bad in [
            "keys = 'off'",
            "keys = 'sometimes'",
            "derive_window_ms = 999",
            "derive_window_ms = 3_600_001",
            "functions = { 'no function' = 'off' }",
            "window = 1",
        ] {
            assert!(toml::from_str::<KeyRules>(bad).is_err(), "{bad}");
        }
    }
}
