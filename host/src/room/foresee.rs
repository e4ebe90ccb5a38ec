//! How a call would end on this host, for embedders: what `strongroom explain --as` tells, with this host's own counts.
//!
//! Takes: a question. Gives: a [`Forecast`]. May name: explain, id, powers, storage, tools.

use super::Strongroom;
use crate::explain::{Facts, Forecast, Question, Spent, forecast};
use crate::id::TenantId;
use crate::storage::StorageError;
use crate::storage::ledger::{Budget, SqliteLedger, Usage};
use crate::tools::Described;
use std::collections::BTreeMap;

impl Strongroom {
    /// Says how a call would end, and why, without making it: nothing is charged, claimed or entered in the book. See
    /// [`forecast`] for what cannot be foreseen. Reads the file of the ledger when the tenant has budgets.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn forecast(&self, question: &Question<'_>) -> Result<Forecast, StorageError> {
        let room = &self.room;
        let (settings, sources) = (room.settings(), BTreeMap::new());
        let tools: Vec<Described> =
            room.catalogue.tools().iter().map(|tool| Described::from(&**tool)).collect();
        let facts = Facts {
            settings: &settings,
            sources: &sources,
            tools: &tools,
            keys: &room.ledger.keys(None),
            local_actor: &room.local_actor(),
            kills: &room.ledger.kills(),
            home: &room.home_path,
            now_ms: room.clock.unix_ms(),
            real: &|path| path.canonicalize().ok(),
            usage: &room.ledger,
        };
        forecast(&facts, question)
    }
}

impl Spent for SqliteLedger {
    fn usage(&self, tenant: &TenantId, budgets: &[Budget], _: u64) -> Result<Vec<Usage>, StorageError> {
        self.usage_now(tenant, budgets)
    }

    /// What others hold, this host cannot spend.
    fn lent_may_be_free(&self) -> bool {
        false
    }
}
