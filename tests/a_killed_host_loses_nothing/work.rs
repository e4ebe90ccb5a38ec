//! What a host is asked to do in its lives: the n-th call of a life is always the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use strongroom_tests::Chance;

/// The bucket's key that all increments count in.
pub const COUNTER: &str = "n";
/// An answer of so many bytes has a file of its own.
const LONG: usize = 70_000;
/// What the tenant `globex` may call in all.
pub const FEW: u64 = 400;

/// A call, by the life that first makes it and its number there.
pub type Name = (u32, u32);

/// What a call does, as far as it can be looked for afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Sends a request that writes to the service.
    Post,
    /// Adds one to the counter, at once.
    Increment,
    /// Sets a key of its own when it ends.
    Set,
    /// Sets a key of its own and traps.
    Trap,
    /// Fails with a reason that is too long for the ledger's rows.
    Long,
    /// Writes a file of its own.
    File,
    /// Writes nothing.
    Read,
    /// Calls as a tenant whose budget is soon used up.
    Few,
    /// Is refused before it runs.
    Refused,
}

/// What is asked.
pub struct Work {
    pub kind: Kind,
    pub function: &'static str,
    pub arguments: String,
    /// The idempotency key, and the name of the call's own traces.
    pub key: String,
}

/// The call of this name.
pub fn work((life, n): Name) -> Work {
    let mut chance = Chance::new((u64::from(life) << 32) | u64::from(n));
    let key = format!("l{life}-{n}");
    let value = STANDARD.encode(&key);
    let (kind, function, arguments) = match chance.below(17) {
        0..4 => (
            Kind::Post,
            "prober.http",
            format!(r#"{{"method":"POST","url":"http://api/n/{key}","headers":[],"body":""}}"#),
        ),
        4..7 => (
            Kind::Increment,
            "prober.kv-increment",
            format!(r#"{{"bucket":"cart","key":"{COUNTER}","delta":1}}"#),
        ),
        7..9 => {
            (Kind::Set, "prober.kv-set", format!(r#"{{"bucket":"cart","key":"{key}","value":"{value}"}}"#))
        }
        9 => (
            Kind::Trap,
            "prober.kv-set-and-trap",
            format!(r#"{{"bucket":"cart","key":"{key}","value":"{value}"}}"#),
        ),
        10 => {
            (Kind::File, "prober.write-file", format!(r#"{{"path":"/data/{key}","text":"{key} was here"}}"#))
        }
        11 => (Kind::Read, "prober.kv-get", format!(r#"{{"bucket":"cart","key":"{COUNTER}"}}"#)),
        12 => (Kind::Read, "prober.http-get", r#"{"url":"http://api/read"}"#.to_owned()),
        13 => (Kind::Few, "prober.now", "{}".to_owned()),
        14 => (Kind::Refused, "prober.kv-set", format!(r#"{{"bucket":"cart","key":"{key}"}}"#)),
        15 => {
            let reason = format!("{key} ").repeat(LONG / key.len());
            (Kind::Long, "echo.fail", format!(r#"{{"problem":{{"tag":"because","val":"{reason}"}}}}"#))
        }
        _ => (Kind::Read, "prober.read-file", r#"{"path":"/data/nothing"}"#.to_owned()),
    };
    Work { kind, function, arguments, key }
}

impl Kind {
    /// Whether its key stands for one answer, for good.
    pub fn writes(self) -> bool {
        matches!(self, Self::Post | Self::Increment | Self::Set | Self::Trap | Self::Long | Self::File)
    }
}
