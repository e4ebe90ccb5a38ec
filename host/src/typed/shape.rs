//! The tree of a function's types, which schema, decoding and encoding all follow.
//!
//! Takes: nothing. Gives: [`Signature`], [`Shape`] and their parts. May name: nothing.

/// A function's parameters, result and description.
#[derive(Debug, Clone, PartialEq)]
pub struct Signature {
    pub(super) params: Named<Shape>,
    pub(super) result: Option<Shape>,
    pub(super) docs: Option<Box<str>>,
}

impl Signature {
    /// The parameters, in the order of the WIT.
    #[must_use]
    pub fn params(&self) -> &Named<Shape> {
        &self.params
    }

    /// The result's type; `None` for a function that returns nothing.
    #[must_use]
    pub fn result(&self) -> Option<&Shape> {
        self.result.as_ref()
    }

    /// What the function does, from its WIT doc comment.
    #[must_use]
    pub fn docs(&self) -> Option<&str> {
        self.docs.as_deref()
    }
}

/// One type, with what its doc comment says. At most 64 deep and 4,096 types, fields and cases in a signature.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    pub(super) kind: Kind,
    pub(super) docs: Option<Box<str>>,
}

impl Shape {
    /// What kind of type it is, with its parts.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The doc comment of the type's own declaration.
    #[must_use]
    pub fn docs(&self) -> Option<&str> {
        self.docs.as_deref()
    }

    /// Whether JSON's null is a value of this type, so that an option of it must be told apart from it.
    pub(super) fn is_option(&self) -> bool {
        matches!(self.kind, Kind::Option(_))
    }
}

impl From<Kind> for Shape {
    fn from(kind: Kind) -> Self {
        Self { kind, docs: None }
    }
}

/// The kinds of WIT types that a tool function may take and give.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `bool`
    Bool,
    /// `s8` to `u64`
    Int(Int),
    /// `f32`
    F32,
    /// `f64`
    F64,
    /// `char`: one Unicode scalar value
    Char,
    /// `string`
    String,
    /// `list<u8>`
    Bytes,
    /// `list<T>`
    List(Box<Shape>),
    /// `list<T, N>`: exactly N items
    FixedList(Box<Shape>, u32),
    /// `map<K, V>`, by its entry: a tuple of key and value
    Map(Box<Shape>),
    /// `tuple<A, B, …>`
    Tuple(Vec<Shape>),
    /// `record`
    Record(Named<Shape>),
    /// `option<T>`
    Option(Box<Shape>),
    /// `result<T, E>`, either of which may be absent
    Result(Option<Box<Shape>>, Option<Box<Shape>>),
    /// `variant`, each case with or without a payload
    Variant(Named<Option<Shape>>),
    /// `enum`
    Enum(Named<()>),
    /// `flags`
    Flags(Named<()>),
}

/// The integer types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are WIT's own")]
pub enum Int {
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
}

impl Int {
    /// The least and the greatest value.
    #[must_use]
    pub fn range(self) -> (i128, i128) {
        match self {
            Self::S8 => (i8::MIN.into(), i8::MAX.into()),
            Self::U8 => (0, u8::MAX.into()),
            Self::S16 => (i16::MIN.into(), i16::MAX.into()),
            Self::U16 => (0, u16::MAX.into()),
            Self::S32 => (i32::MIN.into(), i32::MAX.into()),
            Self::U32 => (0, u32::MAX.into()),
            Self::S64 => (i64::MIN.into(), i64::MAX.into()),
            Self::U64 => (0, u64::MAX.into()),
        }
    }

    /// Whether it holds integers that many JSON readers round, so that a string stands for a number as well.
    #[must_use]
    pub fn is_wide(self) -> bool {
        matches!(self, Self::S64 | Self::U64)
    }
}

/// A list of fields, cases or labels in the order of the WIT, with a quick way from a name to its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Named<T> {
    items: Box<[Item<T>]>,
    /// Places in `items`, sorted by name: a type of 4,000 fields must not make every object quadratic.
    by_name: Box<[u16]>,
}

/// A field, case or label.
#[derive(Debug, Clone, PartialEq)]
pub struct Item<T> {
    /// Its name as in the WIT, at most 128 bytes.
    pub name: Box<str>,
    /// Its doc comment.
    pub docs: Option<Box<str>>,
    /// Its type, if it has one.
    pub value: T,
}

impl<T> Named<T> {
    /// `None` when two items share a name, or when there are more than 65,536.
    pub(super) fn new(items: Vec<Item<T>>) -> Option<Self> {
        let mut by_name = (0..items.len()).map(u16::try_from).collect::<Result<Vec<_>, _>>().ok()?;
        let name = |place: &u16| items.get(usize::from(*place)).map_or("", |item| &item.name);
        by_name.sort_unstable_by(|a, b| name(a).cmp(name(b)));
        let distinct = by_name.windows(2).all(|pair| match pair {
            [a, b] => name(a) != name(b),
            _ => true,
        });
        distinct.then(|| Self { by_name: by_name.into(), items: items.into() })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// All of them, in the order of the WIT.
    pub fn iter(&self) -> std::slice::Iter<'_, Item<T>> {
        self.items.iter()
    }

    /// The one at a place.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<&Item<T>> {
        self.items.get(place)
    }

    /// The place of a name; `likely` is tried first, since most senders keep to the order of the WIT.
    #[must_use]
    pub fn find(&self, name: &str, likely: usize) -> Option<usize> {
        if self.items.get(likely).is_some_and(|item| *item.name == *name) {
            return Some(likely);
        }
        self.by_name
            .binary_search_by(|place| self.items.get(usize::from(*place)).map_or("", |i| &i.name).cmp(name))
            .ok()
            .and_then(|at| self.by_name.get(at))
            .map(|place| usize::from(*place))
    }
}

impl<'a, T> IntoIterator for &'a Named<T> {
    type Item = &'a Item<T>;
    type IntoIter = std::slice::Iter<'a, Item<T>>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Option<Named<()>> {
        Named::new(names.iter().map(|n| Item { name: (*n).into(), docs: None, value: () }).collect())
    }

    #[test]
    fn a_name_is_found_wherever_the_guess_points() {
        let names = named(&["zeta", "alpha", "mid"]).unwrap();
        for likely in 0..5 {
            assert_eq!(names.find("zeta", likely), Some(0));
            assert_eq!(names.find("alpha", likely), Some(1));
            assert_eq!(names.find("mid", likely), Some(2));
            assert_eq!(names.find("nope", likely), None);
        }
        assert!(named(&["a", "b", "a"]).is_none());
    }
}
