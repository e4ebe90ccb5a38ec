//! Cell to Outcome: the typed call under fuel and deadline.
