//! One module a promise, named as the promise; one binary, so that the engine is linked once.

mod http_api;
