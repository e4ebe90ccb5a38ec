//! The book: every call's entries, durable before the answer.
