//! Caller to Admission: kill switch, rate, budget, idempotency.
