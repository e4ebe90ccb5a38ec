//! `wasi:config`, gated: the keys that the tool needs, with the values that the tenant set.
//!
//! Takes: the call's rights. Gives: the gated view. May name: authorize, imports::gate.

use super::bindings::wasi::config::store::{self, Error};
use super::gate::{Audited, FromStop, Stop};
use super::table;
use super::yields::Yields;
use crate::authorize::rights::Rights;
use wasmtime::Result;

impl store::Host for Audited<'_, &Rights> {
    fn get(&mut self, key: String) -> Result<Result<Option<String>, Error>> {
        let target = Some(key.chars().take(256).collect::<String>().into());
        let value = match self.inner.config(&key) {
            Ok(value) => Some(value.to_owned()),
            Err(refusal) => {
                return match self.gate.deny(&table::CONFIG_GET, target, &refusal.to_string()) {
                    Stop::Denied(why) => Ok(Err(Error::Upstream(format!("capability_denied: {why}")))),
                    stop => Err(wasmtime::Error::from_stop(stop)),
                };
            }
        };
        self.gate.enter(&table::CONFIG_GET, None, target, key.bytes()).map_err(wasmtime::Error::from_stop)?;
        self.gate.leave(None, &value).map_err(wasmtime::Error::from_stop)?;
        Ok(Ok(value))
    }

    fn get_all(&mut self) -> Result<Result<Vec<(String, String)>, Error>> {
        self.gate.enter(&table::CONFIG_GET_ALL, None, None, 0).map_err(wasmtime::Error::from_stop)?;
        let all: Vec<_> =
            self.inner.config.iter().map(|(key, value)| (key.to_string(), value.clone())).collect();
        self.gate.leave(None, &all).map_err(wasmtime::Error::from_stop)?;
        Ok(Ok(all))
    }
}
