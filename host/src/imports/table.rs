//! The imports that a tool may use: name, class, right and price of each, in one place for a security team to read.
//!
//! Takes: nothing. Gives: [`Import`] and [`TABLE`]. May name: imports::right, imports::way.
//!
//! Prices are in fuel, the unit in which guest instructions are counted too: one unit is about one simple
//! instruction. A call costs its base price and its price per byte that crosses the border, either way.

use super::right::Right;
use super::way::Way;
use serde::Serialize;

/// Which part of a call's fuel pays for imports, one in so many; the guest's own instructions have the rest.
pub const HOST_SHARE: u64 = 4;

/// What an import can do, as far as its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Touches only what the call itself holds: handles, buffers, its own description.
    Local,
    /// Reads something of the tenant's or of the outside world.
    Observe,
    /// Changes something of the tenant's or of the outside world.
    Effect,
    /// Reads the clock or waits for it.
    Time,
    /// Draws random bytes.
    Entropy,
}

impl Class {
    /// The stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Observe => "observe",
            Self::Effect => "effect",
            Self::Time => "time",
            Self::Entropy => "entropy",
        }
    }
}

/// One import function of the table.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Import {
    /// The interface, without its version: `wasi:http/outgoing-handler`.
    pub interface: &'static str,
    /// The function, as WIT names it: `[method]descriptor.read`, `handle`.
    pub function: &'static str,
    /// What it can do.
    pub class: Class,
    /// What a call must have been granted.
    pub right: Right,
    /// Of an effect, how the audit log has it before it happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
    /// Fuel per call.
    pub price: u64,
    /// Fuel per byte that goes in or comes out.
    pub per_byte: u64,
}

impl Import {
    /// `interface#function`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}#{}", self.interface, self.function)
    }
}

/// Whether a component may import this interface; versions are left to the engine, which links compatible ones.
#[must_use]
pub fn knows_interface(name: &str) -> bool {
    let bare = name.split_once('@').map_or(name, |(bare, _)| bare);
    TYPES_ONLY.contains(&bare) || TABLE.iter().any(|i| i.interface == bare)
}

/// Interfaces that hold only types: importing one calls nothing.
const TYPES_ONLY: &[&str] = &["wasi:io/error", "wasi:cli/terminal-input", "wasi:cli/terminal-output"];

macro_rules! way {
    () => {
        None::<Way>
    };
    ($way:ident) => {
        Some(Way::$way)
    };
}

macro_rules! table {
    ($( $interface:literal { $( $id:ident $function:literal $class:ident $right:ident $price:literal $per_byte:literal $($way:ident)?; )+ } )+) => {
        $( $( pub(crate) static $id: Import = Import {
            interface: $interface, function: $function, class: Class::$class, right: Right::$right,
            way: way!($($way)?), price: $price, per_byte: $per_byte,
        }; )+ )+

        // An effect without a way, and a way without an effect, do not compile.
        $( $( const _: () = assert!(matches!(Class::$class, Class::Effect) == way!($($way)?).is_some()); )+ )+

        /// Every import that exists for a guest, interface by interface.
        pub static TABLE: &[&Import] = &[ $( $( &$id, )+ )+ ];
    };
}

//  id                      function                                                     class    right          price  per byte, way of an effect
table! {
"strongroom:host/call" {
    CALL_TENANT             "tenant"                                                     Local    Free              50  1;
    CALL_ACTOR              "actor"                                                      Local    Free              50  1;
    CALL_ID                 "id"                                                         Local    Free              50  1;
    CALL_IDEMPOTENCY_KEY    "idempotency-key"                                            Local    Free              50  1;
    CALL_FUEL_LEFT          "fuel-left"                                                  Local    Free              50  0;
    CALL_DEADLINE           "deadline"                                                   Time     Free              50  0;
    CALL_PROGRESS           "progress"                                                   Local    Free            1000  2;
    CALL_BUDGETS            "budgets"                                                    Local    Free            1000  1;
}
// What is asked goes to the caller, who is given the result anyway, so functions that are declared to read may ask.
"strongroom:host/ask" {
    ASK_ABLE                "able"                                                       Local    Free              50  0;
    ASK_ELICIT              "elicit"                                                     Observe  Ask            20000  2;
    ASK_SAMPLE              "sample"                                                     Observe  Ask            20000  2;
    ASK_ROOTS               "roots"                                                      Observe  Ask            20000  2;
    ASK_ALL                 "all"                                                        Observe  Ask            20000  2;
}
// What a cache holds may be gone at any moment, and only the same tool's later calls for the same tenant can tell. So `set` and
// `delete` change nothing that counts, and functions that are declared to read may use them: that is what a cache is for.
"strongroom:host/cache" {
    CACHE_GET               "get"                                                        Observe  Cache           5000  1;
    CACHE_SET               "set"                                                        Observe  Cache          20000  2;
    CACHE_DELETE            "delete"                                                     Observe  Cache          20000  1;
}
"strongroom:host/memory" {
    MEMORY_REMEMBER         "remember"                                                   Effect   MemoryWrite    20000  4  AtCommit;
    MEMORY_RETRIEVE         "retrieve"                                                   Observe  Memory        100000  1;
    MEMORY_FORGET           "forget"                                                     Effect   MemoryWrite    20000  1  AtCommit;
}
"wasi:logging/logging" {
    LOG                     "log"                                                        Local    Free            1000  2;
}
"wasi:config/store" {
    CONFIG_GET              "get"                                                        Observe  Config           200  1;
    CONFIG_GET_ALL          "get-all"                                                    Observe  Free             200  1;
}
"wasi:keyvalue/store" {
    KV_OPEN                 "open"                                                       Observe  KeyValue        1000  1;
    KV_GET                  "[method]bucket.get"                                         Observe  KeyValue        5000  1;
    KV_SET                  "[method]bucket.set"                                         Effect   KeyValueWrite  10000  2  AtCommit;
    KV_DELETE               "[method]bucket.delete"                                      Effect   KeyValueWrite  10000  2  AtCommit;
    KV_EXISTS               "[method]bucket.exists"                                      Observe  KeyValue        5000  1;
    KV_LIST_KEYS            "[method]bucket.list-keys"                                   Observe  KeyValue       10000  1;
    KV_DROP                 "[drop]bucket"                                               Local    KeyValue          50  0;
}
"wasi:keyvalue/atomics" {
    KV_INCREMENT            "increment"                                                  Effect   KeyValueWrite 100000  1  AtOnce;
}
"wasi:keyvalue/batch" {
    KV_GET_MANY             "get-many"                                                   Observe  KeyValue       10000  1;
    KV_SET_MANY             "set-many"                                                   Effect   KeyValueWrite  20000  2  AtCommit;
    KV_DELETE_MANY          "delete-many"                                                Effect   KeyValueWrite  20000  2  AtCommit;
}
"wasi:http/outgoing-handler" {
    HTTP_READ               "handle"                                                     Observe  Http          200000  1;
    HTTP_WRITE              "handle (not GET, HEAD or OPTIONS, or with a body)"          Effect   Http          200000  1  AtOnce;
}
"wasi:http/types" {
    HTTP_ERROR_CODE         "http-error-code"                                            Local    Handle            50  0;
    FIELDS_NEW              "[constructor]fields"                                        Local    Free             200  0;
    FIELDS_FROM_LIST        "[static]fields.from-list"                                   Local    Free             200  2;
    FIELDS_GET              "[method]fields.get"                                         Local    Free             100  1;
    FIELDS_HAS              "[method]fields.has"                                         Local    Free             100  1;
    FIELDS_SET              "[method]fields.set"                                         Local    Free             200  2;
    FIELDS_DELETE           "[method]fields.delete"                                      Local    Free             100  1;
    FIELDS_APPEND           "[method]fields.append"                                      Local    Free             200  2;
    FIELDS_ENTRIES          "[method]fields.entries"                                     Local    Free             100  1;
    FIELDS_CLONE            "[method]fields.clone"                                       Local    Free             500  0;
    FIELDS_DROP             "[drop]fields"                                               Local    Free              50  0;
    IN_REQUEST_METHOD       "[method]incoming-request.method"                            Local    Nobody            50  1;
    IN_REQUEST_PATH         "[method]incoming-request.path-with-query"                   Local    Nobody            50  1;
    IN_REQUEST_SCHEME       "[method]incoming-request.scheme"                            Local    Nobody            50  1;
    IN_REQUEST_AUTHORITY    "[method]incoming-request.authority"                         Local    Nobody            50  1;
    IN_REQUEST_HEADERS      "[method]incoming-request.headers"                           Local    Nobody            50  0;
    IN_REQUEST_CONSUME      "[method]incoming-request.consume"                           Local    Nobody            50  0;
    IN_REQUEST_DROP         "[drop]incoming-request"                                     Local    Nobody            50  0;
    REQUEST_NEW             "[constructor]outgoing-request"                              Local    Free             500  0;
    REQUEST_BODY            "[method]outgoing-request.body"                              Local    Free             500  0;
    REQUEST_METHOD          "[method]outgoing-request.method"                            Local    Free              50  1;
    REQUEST_SET_METHOD      "[method]outgoing-request.set-method"                        Local    Free              50  1;
    REQUEST_PATH            "[method]outgoing-request.path-with-query"                   Local    Free              50  1;
    REQUEST_SET_PATH        "[method]outgoing-request.set-path-with-query"               Local    Free              50  2;
    REQUEST_SCHEME          "[method]outgoing-request.scheme"                            Local    Free              50  1;
    REQUEST_SET_SCHEME      "[method]outgoing-request.set-scheme"                        Local    Free              50  1;
    REQUEST_AUTHORITY       "[method]outgoing-request.authority"                         Local    Free              50  1;
    REQUEST_SET_AUTHORITY   "[method]outgoing-request.set-authority"                     Local    Free              50  2;
    REQUEST_HEADERS         "[method]outgoing-request.headers"                           Local    Free              50  0;
    REQUEST_DROP            "[drop]outgoing-request"                                     Local    Free              50  0;
    OPTIONS_NEW             "[constructor]request-options"                               Local    Free              50  0;
    OPTIONS_CONNECT         "[method]request-options.connect-timeout"                    Local    Free              50  0;
    OPTIONS_SET_CONNECT     "[method]request-options.set-connect-timeout"                Local    Free              50  0;
    OPTIONS_FIRST           "[method]request-options.first-byte-timeout"                 Local    Free              50  0;
    OPTIONS_SET_FIRST       "[method]request-options.set-first-byte-timeout"             Local    Free              50  0;
    OPTIONS_BETWEEN         "[method]request-options.between-bytes-timeout"              Local    Free              50  0;
    OPTIONS_SET_BETWEEN     "[method]request-options.set-between-bytes-timeout"          Local    Free              50  0;
    OPTIONS_DROP            "[drop]request-options"                                      Local    Free              50  0;
    OUTPARAM_SET            "[static]response-outparam.set"                              Local    Nobody            50  0;
    OUTPARAM_INFO           "[method]response-outparam.send-informational"               Local    Nobody            50  0;
    OUTPARAM_DROP           "[drop]response-outparam"                                    Local    Nobody            50  0;
    RESPONSE_STATUS         "[method]incoming-response.status"                           Local    Http              50  0;
    RESPONSE_HEADERS        "[method]incoming-response.headers"                          Observe  Http             200  0;
    RESPONSE_CONSUME        "[method]incoming-response.consume"                          Observe  Http             200  0;
    RESPONSE_DROP           "[drop]incoming-response"                                    Local    Http              50  0;
    IN_BODY_STREAM          "[method]incoming-body.stream"                               Observe  Http             200  0;
    IN_BODY_FINISH          "[static]incoming-body.finish"                               Local    Http             200  0;
    IN_BODY_DROP            "[drop]incoming-body"                                        Local    Http              50  0;
    TRAILERS_SUBSCRIBE      "[method]future-trailers.subscribe"                          Local    Http             200  0;
    TRAILERS_GET            "[method]future-trailers.get"                                Observe  Http             200  0;
    TRAILERS_DROP           "[drop]future-trailers"                                      Local    Http              50  0;
    OUT_RESPONSE_NEW        "[constructor]outgoing-response"                             Local    Free             200  0;
    OUT_RESPONSE_STATUS     "[method]outgoing-response.status-code"                      Local    Free              50  0;
    OUT_RESPONSE_SET_STATUS "[method]outgoing-response.set-status-code"                  Local    Free              50  0;
    OUT_RESPONSE_HEADERS    "[method]outgoing-response.headers"                          Local    Free              50  0;
    OUT_RESPONSE_BODY       "[method]outgoing-response.body"                             Local    Free             200  0;
    OUT_RESPONSE_DROP       "[drop]outgoing-response"                                    Local    Free              50  0;
    OUT_BODY_WRITE          "[method]outgoing-body.write"                                Local    Free             200  0;
    OUT_BODY_FINISH         "[static]outgoing-body.finish"                               Local    Free             200  0;
    OUT_BODY_DROP           "[drop]outgoing-body"                                        Local    Free              50  0;
    FUTURE_SUBSCRIBE        "[method]future-incoming-response.subscribe"                 Local    Http             200  0;
    FUTURE_GET              "[method]future-incoming-response.get"                       Observe  Http             200  0;
    FUTURE_DROP             "[drop]future-incoming-response"                             Local    Http              50  0;
}
"wasi:filesystem/preopens" {
    PREOPENS                "get-directories"                                            Observe  Free            1000  0;
}
"wasi:filesystem/types" {
    FS_ERROR_CODE           "filesystem-error-code"                                      Local    Handle            50  0;
    FS_ADVISE               "[method]descriptor.advise"                                  Observe  Dir             5000  0;
    FS_SYNC_DATA            "[method]descriptor.sync-data"                               Effect   DirWrite      100000  0  AtOnce;
    FS_GET_FLAGS            "[method]descriptor.get-flags"                               Observe  Dir             1000  0;
    FS_GET_TYPE             "[method]descriptor.get-type"                                Observe  Dir             1000  0;
    FS_SET_SIZE             "[method]descriptor.set-size"                                Effect   DirWrite       20000  0  AtOnce;
    FS_SET_TIMES            "[method]descriptor.set-times"                               Effect   DirWrite       10000  0  AtOnce;
    FS_READ                 "[method]descriptor.read"                                    Observe  Dir            10000  1;
    FS_WRITE                "[method]descriptor.write"                                   Effect   DirWrite       20000  2  AtOnce;
    FS_READ_DIRECTORY       "[method]descriptor.read-directory"                          Observe  Dir            50000  1;
    FS_SYNC                 "[method]descriptor.sync"                                    Effect   DirWrite      100000  0  AtOnce;
    FS_CREATE_DIRECTORY     "[method]descriptor.create-directory-at"                     Effect   DirWrite       50000  1  AtOnce;
    FS_STAT                 "[method]descriptor.stat"                                    Observe  Dir             5000  0;
    FS_STAT_AT              "[method]descriptor.stat-at"                                 Observe  Dir            10000  1;
    FS_SET_TIMES_AT         "[method]descriptor.set-times-at"                            Effect   DirWrite       20000  1  AtOnce;
    FS_LINK_AT              "[method]descriptor.link-at"                                 Effect   DirWrite       50000  1  AtOnce;
    FS_OPEN_AT              "[method]descriptor.open-at"                                 Observe  Dir            20000  1;
    FS_CREATE_AT            "[method]descriptor.open-at (write)"                         Effect   DirWrite       50000  1  AtOnce;
    FS_READLINK_AT          "[method]descriptor.readlink-at"                             Observe  Dir            10000  1;
    FS_REMOVE_DIRECTORY     "[method]descriptor.remove-directory-at"                     Effect   DirWrite       50000  1  AtOnce;
    FS_RENAME_AT            "[method]descriptor.rename-at"                               Effect   DirWrite       50000  1  AtOnce;
    FS_SYMLINK_AT           "[method]descriptor.symlink-at"                              Effect   DirWrite       50000  1  AtOnce;
    FS_UNLINK               "[method]descriptor.unlink-file-at"                          Effect   DirWrite       50000  1  AtOnce;
    FS_READ_STREAM          "[method]descriptor.read-via-stream"                         Observe  Dir             1000  0;
    FS_WRITE_STREAM         "[method]descriptor.write-via-stream"                        Effect   DirWrite        1000  0  Opens;
    FS_APPEND_STREAM        "[method]descriptor.append-via-stream"                       Effect   DirWrite        1000  0  Opens;
    FS_IS_SAME              "[method]descriptor.is-same-object"                          Observe  Dir             5000  0;
    FS_HASH                 "[method]descriptor.metadata-hash"                           Observe  Dir             5000  0;
    FS_HASH_AT              "[method]descriptor.metadata-hash-at"                        Observe  Dir            10000  1;
    FS_DROP                 "[drop]descriptor"                                           Local    Free             500  0;
    FS_NEXT_ENTRY           "[method]directory-entry-stream.read-directory-entry"        Observe  Dir             1000  1;
    FS_ENTRIES_DROP         "[drop]directory-entry-stream"                               Local    Dir               50  0;
}
"wasi:io/error" {
    IO_ERROR_TEXT           "[method]error.to-debug-string"                              Local    Handle           200  1;
    IO_ERROR_DROP           "[drop]error"                                                Local    Handle            50  0;
}
"wasi:io/poll" {
    POLL                    "poll"                                                       Time     Free             500  0;
    POLL_BLOCK              "[method]pollable.block"                                     Time     Free             500  0;
    POLL_READY              "[method]pollable.ready"                                     Time     Free             200  0;
    POLL_DROP               "[drop]pollable"                                             Local    Free              50  0;
}
"wasi:io/streams" {
    IN_READ                 "[method]input-stream.read"                                  Observe  Handle           500  1;
    IN_BLOCKING_READ        "[method]input-stream.blocking-read"                         Observe  Handle           500  1;
    IN_SKIP                 "[method]input-stream.skip"                                  Observe  Handle           500  0;
    IN_BLOCKING_SKIP        "[method]input-stream.blocking-skip"                         Observe  Handle           500  0;
    IN_SUBSCRIBE            "[method]input-stream.subscribe"                             Local    Handle           200  0;
    IN_DROP                 "[drop]input-stream"                                         Local    Handle            50  0;
    OUT_CHECK               "[method]output-stream.check-write"                          Local    Handle           200  0;
    OUT_WRITE               "[method]output-stream.write"                                Effect   Handle           500  2  Handle;
    OUT_BLOCKING_WRITE      "[method]output-stream.blocking-write-and-flush"             Effect   Handle          1000  2  Handle;
    OUT_FLUSH               "[method]output-stream.flush"                                Effect   Handle           500  0  Handle;
    OUT_BLOCKING_FLUSH      "[method]output-stream.blocking-flush"                       Effect   Handle           500  0  Handle;
    OUT_SUBSCRIBE           "[method]output-stream.subscribe"                            Local    Handle           200  0;
    OUT_ZEROES              "[method]output-stream.write-zeroes"                         Effect   Handle           500  2  Handle;
    OUT_BLOCKING_ZEROES     "[method]output-stream.blocking-write-zeroes-and-flush"      Effect   Handle          1000  2  Handle;
    OUT_SPLICE              "[method]output-stream.splice"                               Effect   Handle          1000  2  Handle;
    OUT_BLOCKING_SPLICE     "[method]output-stream.blocking-splice"                      Effect   Handle          1000  2  Handle;
    OUT_DROP                "[drop]output-stream"                                        Local    Handle            50  0;
}
"wasi:clocks/wall-clock" {
    WALL_NOW                "now"                                                        Time     Free             100  0;
    WALL_RESOLUTION         "resolution"                                                 Time     Free              50  0;
}
"wasi:clocks/monotonic-clock" {
    MONO_NOW                "now"                                                        Time     Free             100  0;
    MONO_RESOLUTION         "resolution"                                                 Time     Free              50  0;
    MONO_INSTANT            "subscribe-instant"                                          Time     Free             500  0;
    MONO_DURATION           "subscribe-duration"                                         Time     Free             500  0;
}
"wasi:random/random" {
    RANDOM_BYTES            "get-random-bytes"                                           Entropy  Free             200  2;
    RANDOM_U64              "get-random-u64"                                             Entropy  Free             200  0;
}
"wasi:random/insecure" {
    INSECURE_BYTES          "get-insecure-random-bytes"                                  Entropy  Free             200  2;
    INSECURE_U64            "get-insecure-random-u64"                                    Entropy  Free             200  0;
}
"wasi:random/insecure-seed" {
    INSECURE_SEED           "insecure-seed"                                              Entropy  Free             200  0;
}
"wasi:cli/environment" {
    ENVIRONMENT             "get-environment"                                            Local    Free             100  1;
    ARGUMENTS               "get-arguments"                                              Local    Free             100  1;
    INITIAL_CWD             "initial-cwd"                                                Local    Free             100  1;
}
"wasi:cli/exit" {
    EXIT                    "exit"                                                       Local    Free             100  0;
    EXIT_WITH_CODE          "exit-with-code"                                             Local    Free             100  0;
}
"wasi:cli/stdin" {
    STDIN                   "get-stdin"                                                  Local    Free             100  0;
}
"wasi:cli/stdout" {
    STDOUT                  "get-stdout"                                                 Local    Free             100  0;
}
"wasi:cli/stderr" {
    STDERR                  "get-stderr"                                                 Local    Free             100  0;
}
"wasi:cli/terminal-input" {
    TERMINAL_INPUT_DROP     "[drop]terminal-input"                                       Local    Nobody            50  0;
}
"wasi:cli/terminal-output" {
    TERMINAL_OUTPUT_DROP    "[drop]terminal-output"                                      Local    Nobody            50  0;
}
"wasi:cli/terminal-stdin" {
    TERMINAL_STDIN          "get-terminal-stdin"                                         Local    Free             100  0;
}
"wasi:cli/terminal-stdout" {
    TERMINAL_STDOUT         "get-terminal-stdout"                                        Local    Free             100  0;
}
"wasi:cli/terminal-stderr" {
    TERMINAL_STDERR         "get-terminal-stderr"                                        Local    Free             100  0;
}
"wasi:sockets/network" {
    NETWORK_ERROR_CODE      "network-error-code"                                         Local    Nobody            50  0;
    NETWORK_DROP            "[drop]network"                                              Local    Free              50  0;
}
"wasi:sockets/instance-network" {
    INSTANCE_NETWORK        "instance-network"                                           Local    Free             100  0;
}
"wasi:sockets/ip-name-lookup" {
    RESOLVE_ADDRESSES       "resolve-addresses"                                          Observe  Nobody          1000  1;
    RESOLVE_STREAM          "resolve-address-stream"                                     Observe  Nobody          1000  0;
}
"wasi:sockets/tcp-create-socket" {
    CREATE_TCP              "create-tcp-socket"                                          Effect   Nobody          1000  0  Never;
}
"wasi:sockets/udp-create-socket" {
    CREATE_UDP              "create-udp-socket"                                          Effect   Nobody          1000  0  Never;
}
"wasi:sockets/tcp" {
    TCP_SOCKET              "tcp-socket"                                                 Effect   Nobody          1000  0  Never;
}
"wasi:sockets/udp" {
    UDP_SOCKET              "udp-socket"                                                 Effect   Nobody          1000  0  Never;
}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_name_stands_once_and_costs_something() {
        let names: HashSet<_> = TABLE.iter().map(|i| i.name()).collect();
        assert_eq!(names.len(), TABLE.len());
        assert!(TABLE.iter().all(|i| i.price > 0));
    }

    #[test]
    fn versions_do_not_matter_and_strangers_are_unknown() {
        assert!(knows_interface("wasi:http/outgoing-handler@0.2.4"));
        assert!(knows_interface("strongroom:host/call@0.1.0"));
        assert!(!knows_interface("wasi:http/incoming-handler@0.2.4"));
        assert!(!knows_interface("wasi:nn/tensor@0.2.0"));
    }
}
