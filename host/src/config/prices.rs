//! What calls cost: `prices.toml`.
//!
//! Takes: the file's text. Gives: [`Prices`], [`Price`]. May name: id.
//!
//! ```toml
//! [default]
//! call = 100            # micro-units of the operator's currency for each call
//! fuel = 2              # for each million units of fuel
//! egress = 50           # for each MiB sent to the network
//! stored = 20           # for each MiB written to the tenant's files, keyvalue and memory
//! [tools.orders]
//! call = 2_500          # what is left out is as in [default]
//! ```

use super::document::Document;
use super::error::{ConfigError, FileKind};
use super::limits;
use crate::id::ToolName;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The highest price of anything, in micro-units: a million units of the currency.
pub const MAX_PRICE: u64 = 1_000_000_000_000;

/// The most that one call costs, in micro-units, whatever the prices are: a billion units of the currency. Sums of it stay
/// within what the ledger can hold.
pub const MAX_COST: u64 = super::limits::MAX_FUEL;

/// What calls of one tool cost, in micro-units of the operator's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Price {
    /// For each call.
    pub call: u64,
    /// For each million units of fuel.
    pub fuel: u64,
    /// For each MiB sent to the network.
    pub egress: u64,
    /// For each MiB written to the tenant's files, keyvalue and memory.
    pub stored: u64,
}

impl Price {
    /// What a call costs that used so much, rounded up to whole micro-units; at most [`MAX_COST`].
    #[must_use]
    pub fn of_call(&self, fuel: u64, egress: u64, stored: u64) -> u64 {
        let part = |n: u64, price: u64, unit: u128| (u128::from(n) * u128::from(price)).div_ceil(unit);
        let sum = u128::from(self.call)
            + part(fuel, self.fuel, 1_000_000)
            + part(egress, self.egress, 1 << 20)
            + part(stored, self.stored, 1 << 20);
        u64::try_from(sum).unwrap_or(u64::MAX).min(MAX_COST)
    }
}

/// The prices of all tools. Without the file everything is free.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prices {
    default: Price,
    tools: BTreeMap<ToolName, Price>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct PricesFile {
    default: PriceTable,
    tools: BTreeMap<ToolName, PriceTable>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(deny_unknown_fields, default)]
struct PriceTable {
    #[serde(deserialize_with = "limits::optional::<0, MAX_PRICE, _>")]
    call: Option<u64>,
    #[serde(deserialize_with = "limits::optional::<0, MAX_PRICE, _>")]
    fuel: Option<u64>,
    #[serde(deserialize_with = "limits::optional::<0, MAX_PRICE, _>")]
    egress: Option<u64>,
    #[serde(deserialize_with = "limits::optional::<0, MAX_PRICE, _>")]
    stored: Option<u64>,
}

impl PriceTable {
    fn over(self, default: Price) -> Price {
        Price {
            call: self.call.unwrap_or(default.call),
            fuel: self.fuel.unwrap_or(default.fuel),
            egress: self.egress.unwrap_or(default.egress),
            stored: self.stored.unwrap_or(default.stored),
        }
    }
}

impl Prices {
    /// Reads `prices.toml`. `file` is what messages call it.
    ///
    /// # Errors
    /// [`ConfigError`] with the line, for text that is no TOML, unknown keys, bad names and prices out of range.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let PricesFile { default, tools } = Document::new(FileKind::Prices, file, text)?.read()?;
        let default = default.over(Price::default());
        Ok(Self {
            default,
            tools: tools.into_iter().map(|(tool, price)| (tool, price.over(default))).collect(),
        })
    }

    /// What calls of a tool cost.
    #[must_use]
    pub fn of(&self, tool: &ToolName) -> Price {
        self.tools.get(tool).copied().unwrap_or(self.default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_has_its_own_price_where_it_names_one_and_costs_are_rounded_up() {
        let prices =
            Prices::parse("prices.toml", "[default]\ncall = 100\nfuel = 2\n[tools.orders]\ncall = 9")
                .unwrap();
        let price = |tool: &str| prices.of(&ToolName::new(tool).unwrap());
        assert_eq!(price("orders"), Price { call: 9, fuel: 2, egress: 0, stored: 0 });
        assert_eq!(price("files"), Price { call: 100, fuel: 2, egress: 0, stored: 0 });
        assert_eq!(price("files").of_call(0, 5, 5), 100);
        assert_eq!(price("files").of_call(1, 5, 5), 101);
        assert_eq!(price("files").of_call(500_001, 5, 5), 102);
        let dear = Price { call: MAX_PRICE, fuel: MAX_PRICE, egress: MAX_PRICE, stored: MAX_PRICE };
        assert_eq!(dear.of_call(u64::MAX, u64::MAX, u64::MAX), MAX_COST);
    }

    #[test]
    fn wrong_files_say_where() {
        for text in
            ["[default]\ncalls = 1", "[default]\ncall = -1", "[tools.\"No Name\"]\ncall = 1", "default = 5"]
        {
            assert!(Prices::parse("prices.toml", text).is_err(), "{text}");
        }
    }
}
