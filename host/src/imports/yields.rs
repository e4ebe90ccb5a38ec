//! What crosses the border: how many bytes a value is worth, and which handles it holds.
//!
//! Takes: values of import calls. Gives: [`Yields`]. May name: imports::bindings.

use wasmtime::component::Resource;

/// A value that an import takes or gives.
pub(crate) trait Yields {
    /// Bytes of text and data in it; numbers and handles are covered by the base price.
    fn bytes(&self) -> u64 {
        0
    }
    /// Calls `each` with every handle in it.
    fn handles(&self, _each: &mut dyn FnMut(u32)) {}
}

impl Yields for String {
    fn bytes(&self) -> u64 {
        len(self.len())
    }
}

impl Yields for Vec<u8> {
    fn bytes(&self) -> u64 {
        len(self.len())
    }
}

impl<T: 'static> Yields for Resource<T> {
    fn handles(&self, each: &mut dyn FnMut(u32)) {
        each(self.rep());
    }
}

impl<T: Yields> Yields for Option<T> {
    fn bytes(&self) -> u64 {
        self.as_ref().map_or(0, Yields::bytes)
    }
    fn handles(&self, each: &mut dyn FnMut(u32)) {
        if let Some(value) = self {
            value.handles(each);
        }
    }
}

impl<T: Yields, E> Yields for Result<T, E> {
    fn bytes(&self) -> u64 {
        self.as_ref().map_or(0, Yields::bytes)
    }
    fn handles(&self, each: &mut dyn FnMut(u32)) {
        if let Ok(value) = self {
            value.handles(each);
        }
    }
}

impl<A: Yields, B: Yields> Yields for (A, B) {
    fn bytes(&self) -> u64 {
        self.0.bytes().saturating_add(self.1.bytes())
    }
    fn handles(&self, each: &mut dyn FnMut(u32)) {
        self.0.handles(each);
        self.1.handles(each);
    }
}

macro_rules! lists {
    ($($ty:ty),*) => { $( impl Yields for Vec<$ty> {
        fn bytes(&self) -> u64 {
            // Every element costs its host-side bookkeeping too, so an endless list of empty items is not free.
            self.iter().fold(0, |sum, item| sum.saturating_add(item.bytes()).saturating_add(16))
        }
        fn handles(&self, each: &mut dyn FnMut(u32)) {
            for item in self {
                item.handles(each);
            }
        }
    } )* };
}
impl Yields for super::bindings::strongroom::host::call::Budget {
    fn bytes(&self) -> u64 {
        // As many as it takes in the guest's memory, its two words included.
        len(64)
    }
}

lists!(
    super::bindings::strongroom::host::call::Budget,
    String,
    Vec<u8>,
    (String, Vec<u8>),
    (String, String),
    Option<(String, Vec<u8>)>
);

impl<T: 'static> Yields for Vec<Resource<T>> {
    fn bytes(&self) -> u64 {
        len(self.len()).saturating_mul(16)
    }
}

impl Yields for Vec<u32> {
    fn bytes(&self) -> u64 {
        len(self.len()).saturating_mul(4)
    }
}

macro_rules! plain {
    ($($ty:ty),* $(,)?) => { $( impl Yields for $ty {} )* };
}
plain!((), bool, u8, u16, u32, u64);

/// A number of bytes that is known without looking at the value.
pub(crate) struct Count(pub(crate) u64);

impl Yields for Count {
    fn bytes(&self) -> u64 {
        self.0
    }
}

fn len(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

mod foreign {
    use super::Yields;
    use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
    use wasmtime_wasi::p2::bindings::filesystem::types as fs;
    use wasmtime_wasi::p2::bindings::sockets::network;
    use wasmtime_wasi_http::p2::bindings::http::types as http;

    plain!(
        Datetime,
        fs::DescriptorFlags,
        fs::DescriptorType,
        fs::DescriptorStat,
        fs::MetadataHashValue,
        fs::ErrorCode,
        network::ErrorCode,
        http::ErrorCode,
    );

    impl Yields for fs::DirectoryEntry {
        fn bytes(&self) -> u64 {
            self.name.bytes()
        }
    }

    impl Yields for http::Method {
        fn bytes(&self) -> u64 {
            match self {
                Self::Other(text) => text.bytes(),
                _ => 0,
            }
        }
    }

    impl Yields for http::Scheme {
        fn bytes(&self) -> u64 {
            match self {
                Self::Other(text) => text.bytes(),
                _ => 0,
            }
        }
    }
}
