//! What the promises share: a host in a temporary folder, and the guests that were built for the tests.
