//! A credential to a Caller.
