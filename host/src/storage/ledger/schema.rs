//! The ledger's tables.
//!
//! Takes: nothing. Gives: the migrations that make them, and the error of a row that they do not allow. May name: nothing.

use crate::storage::StorageError;
use crate::storage::sqlite::Schema;

/// The ledger's file in the state folder.
pub(super) const FILE: &str = "ledger.db";

/// A row holds what no version of the ledger has written.
pub(super) fn damaged(detail: impl ToString) -> StorageError {
    StorageError::Damaged { file: FILE.into(), detail: detail.to_string() }
}

/// Released migrations are never changed; a new version of the schema is one more entry.
pub(super) const SCHEMA: Schema = Schema {
    application_id: 0x5372_4c67,
    migrations: &[
        V1,
        V2,
        V3,
        V4,
        BUDGETS_OF_MORE,
        CLAIMS_END,
        ANSWERS_IN_FILES,
        WEBHOOK,
        ADMIN_KEYS,
        RESULTS,
    ],
    cache_kib: 4096,
};

const V1: &str = "
-- Processes that have the ledger open, or died with it open. Ids are never used twice.
CREATE TABLE owners (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    opened_ms INTEGER NOT NULL
) STRICT;

-- One row per tenant and kind of budget: its latest window, and what was spent in it by processes that have ended.
CREATE TABLE budgets (
    tenant TEXT NOT NULL,
    of TEXT NOT NULL,
    per TEXT NOT NULL,
    window_start INTEGER NOT NULL,
    spent INTEGER NOT NULL CHECK (spent >= 0),
    PRIMARY KEY (tenant, of, per)
) STRICT, WITHOUT ROWID;

-- What each process may spend in that window without asking again.
CREATE TABLE leases (
    tenant TEXT NOT NULL,
    of TEXT NOT NULL,
    per TEXT NOT NULL,
    owner INTEGER NOT NULL,
    granted INTEGER NOT NULL CHECK (granted >= 0),
    PRIMARY KEY (tenant, of, per, owner)
) STRICT, WITHOUT ROWID;
CREATE INDEX leases_of_owner ON leases (owner);

-- Kill switches that are on.
CREATE TABLE kills (
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    by TEXT NOT NULL,
    why TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (scope, name)
) STRICT, WITHOUT ROWID;

-- Writes that were begun under an idempotency key, and their answers.
CREATE TABLE claims (
    tenant TEXT NOT NULL,
    function TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    call_id BLOB NOT NULL,
    owner INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('started', 'done', 'unknown')),
    at_ms INTEGER NOT NULL,
    reason TEXT,
    fuel INTEGER,
    body BLOB,
    PRIMARY KEY (tenant, function, key)
) STRICT;
CREATE INDEX claims_done ON claims (at_ms) WHERE state = 'done';
CREATE INDEX claims_started ON claims (owner) WHERE state = 'started';

-- API keys. The secret is not here: `mac` is what the host's own key makes of it.
CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    actor TEXT NOT NULL,
    role TEXT,
    scopes TEXT NOT NULL,
    mac BLOB NOT NULL CHECK (length(mac) = 32),
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    revoked_ms INTEGER
) STRICT;

-- Counts the changes to tables that every process keeps in memory.
CREATE TABLE generations (what TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO generations VALUES ('kills', 0), ('keys', 0);
";

const V2: &str = "
-- Tenants that are being deleted. The row goes last, so that a deletion that broke off can be seen and ended.
CREATE TABLE deletions (tenant TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO generations VALUES ('deletions', 0);

-- Up to which change of that table each process has closed the files of such tenants.
ALTER TABLE owners ADD COLUMN let_go INTEGER NOT NULL DEFAULT 0;
";

const V3: &str = "
-- Whether key and fingerprint are keyed digests; before, the key stood there as the client had sent it. A claim that is
-- done and has no body is one whose answer was lost.
ALTER TABLE claims ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX claims_unsealed ON claims (sealed) WHERE sealed = 0;
";

/// The tables as they were when keys stood in them as clients had sent them.
#[cfg(test)]
pub(super) const BEFORE: Schema =
    Schema { application_id: SCHEMA.application_id, migrations: &[V1, V2], cache_kib: 4096 };

const V4: &str = "
-- What a kill switch does: stop everything, or freeze writes.
ALTER TABLE kills ADD COLUMN mode TEXT NOT NULL DEFAULT 'stop' CHECK (mode IN ('stop', 'freeze'));

-- Which change of the kill switches each process obeys, and how many calls it stopped for it.
ALTER TABLE owners ADD COLUMN obeys INTEGER NOT NULL DEFAULT 0;
ALTER TABLE owners ADD COLUMN stopped INTEGER NOT NULL DEFAULT 0;
";

pub(super) const BUDGETS_OF_MORE: &str = "
-- Counts are also kept of one actor, one tool or one run: `who` is empty for all calls of the tenant. `told` is the
-- highest part of the limit, in percent, that an alert was about, and `told_limit` that limit.
CREATE TABLE budgets_v3 (
    tenant TEXT NOT NULL,
    of TEXT NOT NULL,
    per TEXT NOT NULL,
    who TEXT NOT NULL,
    window_start INTEGER NOT NULL,
    spent INTEGER NOT NULL CHECK (spent >= 0),
    told INTEGER NOT NULL DEFAULT 0,
    told_limit INTEGER NOT NULL DEFAULT 0,
    touched_ms INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, of, per, who)
) STRICT, WITHOUT ROWID;
INSERT INTO budgets_v3 (tenant, of, per, who, window_start, spent)
    SELECT tenant, of, per, '', window_start, spent FROM budgets;
DROP TABLE budgets;
ALTER TABLE budgets_v3 RENAME TO budgets;
CREATE INDEX budgets_of_runs ON budgets (touched_ms) WHERE per = 'run';

CREATE TABLE leases_v3 (
    tenant TEXT NOT NULL,
    of TEXT NOT NULL,
    per TEXT NOT NULL,
    who TEXT NOT NULL,
    owner INTEGER NOT NULL,
    granted INTEGER NOT NULL CHECK (granted >= 0),
    PRIMARY KEY (tenant, of, per, who, owner)
) STRICT, WITHOUT ROWID;
INSERT INTO leases_v3 (tenant, of, per, who, owner, granted)
    SELECT tenant, of, per, '', owner, granted FROM leases;
DROP TABLE leases;
ALTER TABLE leases_v3 RENAME TO leases;
CREATE INDEX leases_of_owner ON leases (owner);

-- Limits that are higher for a while: `more` comes on top of what the tenant's file says.
CREATE TABLE raises (
    tenant TEXT NOT NULL,
    of TEXT NOT NULL,
    per TEXT NOT NULL,
    who TEXT NOT NULL,
    more INTEGER NOT NULL CHECK (more > 0),
    until_ms INTEGER NOT NULL,
    by TEXT NOT NULL,
    why TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, of, per, who)
) STRICT, WITHOUT ROWID;

-- Alerts of the last days, for all processes to tell. Ids are never used twice.
CREATE TABLE alerts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    of TEXT NOT NULL,
    per TEXT NOT NULL,
    who TEXT NOT NULL,
    percent INTEGER NOT NULL,
    most INTEGER NOT NULL,
    spent INTEGER NOT NULL,
    window_start INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX alerts_of_tenant ON alerts (tenant, id);
INSERT INTO generations VALUES ('raises', 0), ('alerts', 0);
";

const CLAIMS_END: &str = "
-- Of a started write, until when it counts as running; of one that is done, until when its answer is given again. A write
-- that was started before this was known is one of a process that has ended. `kept_ms` is how long an answer is given again.
ALTER TABLE claims ADD COLUMN until_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE claims ADD COLUMN kept_ms INTEGER NOT NULL DEFAULT 86400000;
UPDATE claims SET until_ms = at_ms + 86400000 WHERE state = 'done';
DROP INDEX claims_done;
CREATE INDEX claims_done ON claims (until_ms) WHERE state = 'done';
CREATE INDEX claims_not_done ON claims (call_id) WHERE state <> 'done';
";

pub(super) const ANSWERS_IN_FILES: &str = "
-- An answer that is too long for its row is in a file of its own, by this name in the tenant's folder; it counts only with
-- this SHA-256 and this length. A claim that is done and has neither a body nor a file is one whose answer was lost.
ALTER TABLE claims ADD COLUMN file TEXT;
ALTER TABLE claims ADD COLUMN file_digest BLOB;
ALTER TABLE claims ADD COLUMN file_bytes INTEGER;
CREATE INDEX claims_in_files ON claims (tenant, file) WHERE file IS NOT NULL;
";

const WEBHOOK: &str = "
-- The last alert that the webhook has taken, and how many went since without it. No row: there was never a webhook.
CREATE TABLE webhook (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    delivered INTEGER NOT NULL CHECK (delivered >= 0),
    lost INTEGER NOT NULL CHECK (lost >= 0)
) STRICT;
";

const ADMIN_KEYS: &str = "
-- Keys of those who administrate the host, apart from tenants' keys. The secret is not here, as with those. A tenant is named
-- where the key is for one tenant alone. Changes count as changes of keys.
CREATE TABLE admin_keys (
    id TEXT PRIMARY KEY,
    actor TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('operator', 'auditor', 'tenant-admin')),
    tenant TEXT CHECK ((role = 'tenant-admin') = (tenant IS NOT NULL)),
    mac BLOB NOT NULL CHECK (length(mac) = 32),
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    revoked_ms INTEGER
) STRICT;
";

const RESULTS: &str = "
-- Results that were given as links, for their tenant and actor alone, until they are fetched or their time is over. `counts` is
-- what one counts of what its tenant may keep. One that is too long for its row is in a file, as with claims.
CREATE TABLE results (
    id BLOB PRIMARY KEY CHECK (length(id) = 16),
    tenant TEXT NOT NULL,
    actor TEXT NOT NULL,
    function TEXT NOT NULL,
    call_id BLOB NOT NULL,
    form TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    bytes INTEGER NOT NULL CHECK (bytes >= 0),
    counts INTEGER NOT NULL CHECK (counts > 0),
    body BLOB,
    file TEXT,
    file_digest BLOB,
    CHECK ((body IS NULL) = (file IS NOT NULL))
) STRICT;
CREATE INDEX results_of_tenant ON results (tenant, at_ms, counts);
CREATE INDEX results_end ON results (until_ms);
";
