//! Untrusted bytes to requests: HTTP.
