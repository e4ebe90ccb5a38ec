//! Choices that a seed decides.

/// The same seed makes the same choices.
#[derive(Clone)]
pub struct Chance(u64);

impl Chance {
    /// Begins.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed that the operator gave in `STRONGROOM_SEED`, or a new one.
    pub fn seed() -> u64 {
        let given = std::env::var("STRONGROOM_SEED").ok().map(|text| text.parse().expect("a number"));
        given.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            u64::try_from(now.as_millis()).unwrap() % 1_000_000_007
        })
    }

    /// A number below another one (splitmix64).
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end.max(1)
    }

    /// Whether something with this chance in a hundred happens.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}
