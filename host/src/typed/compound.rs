//! Reading arrays and objects: items, fields, cases.
//!
//! Takes: the shape of what is read, serde's access to an array or object. Gives: component values.
//! May name: typed.

use super::context::Context;
use super::name::{Name, Nothing};
use super::scalar::Found;
use super::shape::{Item, Named, Shape};
use super::strict::Strict;
use super::visit::{Reader, some};
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess};
use wasmtime::component::Val;

impl<'a> Reader<'a> {
    /// Items of one type; stops after one more than `most`, so that the caller can refuse them.
    pub(super) fn items<'de, A: SeqAccess<'de>>(self, most: usize, mut seq: A) -> Result<Vec<Val>, A::Error> {
        let mut items = Vec::new();
        while items.len() <= most
            && let Some(item) = self.cx.at(items.len(), seq.next_element_seed(self))?
        {
            items.push(item);
        }
        Ok(items)
    }

    pub(super) fn fixed_list<'de, A: SeqAccess<'de>>(
        self,
        item: &'a Shape,
        len: u32,
        seq: A,
    ) -> Result<Val, A::Error> {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let items = self.of(item).items(len, seq)?;
        if items.len() == len { Ok(Val::FixedLengthList(items)) } else { Err(self.wrong(Found::Array)) }
    }

    /// The entries of a map; the shape is that of one entry.
    pub(super) fn entries<'de, A: SeqAccess<'de>>(self, seq: A) -> Result<Val, A::Error> {
        let pair = |entry| match entry {
            Val::Tuple(pair) => <[Val; 2]>::try_from(pair).ok().map(|[key, value]| (key, value)),
            _ => None,
        };
        let entries = self.items(usize::MAX, seq)?.into_iter().map(pair).collect::<Option<_>>();
        entries.map(Val::Map).ok_or_else(|| self.wrong(Found::Array))
    }

    pub(super) fn tuple<'de, A: SeqAccess<'de>>(
        self,
        shapes: &'a [Shape],
        mut seq: A,
    ) -> Result<Vec<Val>, A::Error> {
        let mut items = Vec::with_capacity(shapes.len());
        for shape in shapes {
            match self.cx.at(items.len(), seq.next_element_seed(self.of(shape)))? {
                Some(item) => items.push(item),
                None => return Err(self.wrong(Found::Array)),
            }
        }
        match seq.next_element::<IgnoredAny>()? {
            None => Ok(items),
            Some(_) => Err(self.wrong(Found::Array)),
        }
    }

    pub(super) fn flags<'de, A: SeqAccess<'de>>(
        self,
        labels: &'a Named<()>,
        mut seq: A,
    ) -> Result<Val, A::Error> {
        let mut set = vec![false; labels.len()];
        let mut next = 0;
        while let Some(place) =
            self.cx.at(next, seq.next_element_seed(Name { known: labels, likely: next, cx: self.cx }))?
        {
            self.cx.charge(1)?;
            match set.get_mut(place) {
                Some(flag) if !*flag => *flag = true,
                _ => return Err(self.wrong(Found::Array)),
            }
            next = place + 1;
        }
        let label = |(label, _): (&Item<()>, bool)| label.name.to_string();
        Ok(Val::Flags(labels.iter().zip(set).filter(|(_, set)| *set).map(label).collect()))
    }

    pub(super) fn variant<'de, A: MapAccess<'de>>(
        self,
        cases: &'a Named<Option<Shape>>,
        mut map: A,
    ) -> Result<Val, A::Error> {
        let (mut case, mut early, mut payload) = (None, None, None);
        let mut next = 0;
        while let Some(member) =
            map.next_key_seed(Name { known: &["tag", "val"], likely: next, cx: self.cx })?
        {
            let again = if member == 0 { case.is_some() } else { early.is_some() || payload.is_some() };
            if again {
                return Err(self.cx.twice(if member == 0 { "tag" } else { "val" }));
            }
            if member == 0 {
                let place = map.next_value_seed(Name { known: cases, likely: 0, cx: self.cx });
                case = cases.get(self.cx.at("tag", place)?);
            } else if let Some(case) = case {
                let Some(shape) = &case.value else { return Err(self.no_payload(&case.name)) };
                payload = Some(self.cx.at("val", map.next_value_seed(self.of(shape)))?);
            } else {
                // Its type is not known before the tag is.
                early = Some(self.cx.at("val", map.next_value_seed(Strict { cx: self.cx, depth: 0 }))?);
            }
            next = member + 1;
        }
        let Some(case) = case else { return Err(self.cx.fail("the field `tag` is missing".into())) };
        if let Some(early) = early {
            let Some(shape) = &case.value else { return Err(self.no_payload(&case.name)) };
            let late = self.cx.at("val", self.of(shape).deserialize(early));
            payload = Some(late.map_err(A::Error::custom)?);
        }
        match (&case.value, payload) {
            (Some(_), None) => Err(self.cx.fail(format!("the case `{}` needs `val`", case.name))),
            (_, payload) => Ok(Val::Variant(case.name.to_string(), payload.map(Box::new))),
        }
    }

    fn no_payload<E: Error>(self, case: &str) -> E {
        self.cx.fail(format!("the case `{case}` has no `val`"))
    }

    pub(super) fn result<'de, A: MapAccess<'de>>(
        self,
        shapes: [&'a Option<Box<Shape>>; 2],
        mut map: A,
    ) -> Result<Val, A::Error> {
        let sides = ["ok", "err"];
        let Some(side) = map.next_key_seed(Name { known: &sides, likely: 0, cx: self.cx })? else {
            return Err(self.wrong(Found::Object));
        };
        let [ok, err] = shapes;
        let (name, shape) = if side == 0 { ("ok", ok) } else { ("err", err) };
        let payload = match shape {
            Some(shape) => Some(Box::new(self.cx.at(name, map.next_value_seed(self.of(shape)))?)),
            None => {
                self.cx.at(name, map.next_value_seed(Nothing))?;
                None
            }
        };
        match map.next_key_seed(Name { known: &sides, likely: 0, cx: self.cx })? {
            None => Ok(Val::Result(if side == 0 { Ok(payload) } else { Err(payload) })),
            Some(_) => Err(self.cx.fail("`ok` and `err` exclude each other".into())),
        }
    }

    /// An option of an option, told apart from the inner one's null.
    pub(super) fn some<'de, A: MapAccess<'de>>(self, inner: &'a Shape, mut map: A) -> Result<Val, A::Error> {
        let known = ["some"];
        if map.next_key_seed(Name { known: &known, likely: 0, cx: self.cx })?.is_none() {
            return Err(self.wrong(Found::Object));
        }
        let value = self.cx.at("some", map.next_value_seed(self.of(inner)))?;
        match map.next_key_seed(Name { known: &known, likely: 0, cx: self.cx })? {
            None => Ok(some(value)),
            Some(_) => Err(self.cx.twice("some")),
        }
    }
}

impl Context {
    /// The members of an object that is a record, or the arguments of a call.
    pub(super) fn fields<'de, A: MapAccess<'de>>(
        &self,
        fields: &Named<Shape>,
        mut map: A,
    ) -> Result<Vec<Val>, A::Error> {
        let mut slots: Vec<Option<Val>> = Vec::new();
        slots.resize_with(fields.len(), || None);
        let mut next = 0;
        while let Some(place) = map.next_key_seed(Name { known: fields, likely: next, cx: self })? {
            let (Some(field), Some(slot)) = (fields.get(place), slots.get_mut(place)) else { continue };
            if slot.is_some() {
                return Err(self.twice(&field.name));
            }
            let value = map.next_value_seed(Reader { shape: &field.value, cx: self });
            *slot = Some(self.at(&field.name, value)?);
            next = place + 1;
        }
        let filled = slots.into_iter().zip(fields).map(|(slot, field)| match slot {
            Some(value) => Ok(value),
            None if field.value.is_option() => self.charge(1).map(|()| Val::Option(None)),
            None => Err(self.fail(format!("the field `{}` is missing", field.name))),
        });
        filled.collect()
    }
}
