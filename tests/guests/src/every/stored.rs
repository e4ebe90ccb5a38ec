//! What the tenant keeps: memory, cache, configuration, keyvalue.

use super::Trail;
use super::raw::strongroom::host::cache;
use super::raw::strongroom::host::memory as kept;
use super::raw::wasi::config::store as settings;
use super::raw::wasi::keyvalue::{atomics, batch, store};

pub fn memory(trail: &mut Trail) {
    trail.note("remember", kept::remember(Some("m"), "tea", &[]));
    trail.note("retrieve", kept::retrieve("tea", 1));
    trail.note("forget", kept::forget("m"));
}

pub fn cache(trail: &mut Trail) {
    trail.note("set", cache::set("k", b"1", 60));
    trail.note("get", cache::get("k"));
    trail.note("delete", cache::delete("k"));
}

pub fn config(trail: &mut Trail) {
    trail.note("get", settings::get("greeting"));
}

pub fn config_all(trail: &mut Trail) {
    trail.note("get-all", settings::get_all());
}

pub fn keyvalue(trail: &mut Trail) {
    let Some(bucket) = trail.note("open", store::open("cart")) else { return };
    trail.note("set", bucket.set("k", b"1"));
    trail.note("get", bucket.get("k"));
    trail.note("exists", bucket.exists("k"));
    trail.note("list-keys", bucket.list_keys(None));
    trail.note("delete", bucket.delete("k"));
    trail.note("increment", atomics::increment(&bucket, "n", 1));
    trail.note("set-many", batch::set_many(&bucket, &[("a".to_owned(), b"1".to_vec())]));
    trail.note("get-many", batch::get_many(&bucket, &["a".to_owned()]));
    trail.note("delete-many", batch::delete_many(&bucket, &["a".to_owned()]));
}
