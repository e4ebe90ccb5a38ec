//! The short names by which callers know a component's functions.
//!
//! Takes: where the functions are among the exports. Gives: a name for each, no two alike. May name: nothing.

use super::ExportPath;
use super::error::{ReadError, quoted};
use std::collections::{HashMap, HashSet};

/// From the shortest form to the longest; a function takes the first that no other function has in that form.
const FORMS: [fn(&ExportPath) -> String; 3] = [
    |path| path.function.clone(),
    |path| match &path.interface {
        Some(interface) => format!("{}.{}", last(interface), path.function),
        None => path.function.clone(),
    },
    |path| match &path.interface {
        Some(interface) => format!("{}.{}", unversioned(interface).replace([':', '/'], "."), path.function),
        None => path.function.clone(),
    },
];

/// `orders` of `acme:shop/orders@1.0.0`.
pub(super) fn last(interface: &str) -> &str {
    let name = unversioned(interface);
    name.rsplit_once('/').map_or(name, |(_, last)| last)
}

fn unversioned(interface: &str) -> &str {
    interface.split_once('@').map_or(interface, |(name, _)| name)
}

/// A name for each function, in the same order.
pub(super) fn short(paths: &[ExportPath]) -> Result<Vec<String>, ReadError> {
    let mut names: Vec<Option<String>> = vec![None; paths.len()];
    for form in FORMS {
        let mut count: HashMap<String, usize> = HashMap::new();
        for (path, name) in paths.iter().zip(&names) {
            if name.is_none() {
                *count.entry(form(path)).or_default() += 1;
            }
        }
        for (path, name) in paths.iter().zip(&mut names) {
            let short = form(path);
            // A function of the world itself has one form only.
            if name.is_none() && (path.interface.is_none() || count.get(&short) == Some(&1)) {
                *name = Some(short);
            }
        }
    }
    let mut seen = HashSet::new();
    let named = paths.iter().zip(names).map(|(path, name)| match name {
        Some(name) if seen.insert(name.clone()) => Ok(name),
        _ => Err(ReadError::Ambiguous { name: quoted(&FORMS.map(|form| form(path))[2]) }),
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[(&str, &str)]) -> Result<Vec<String>, ReadError> {
        let path = |(interface, function): &(&str, &str)| ExportPath {
            interface: Some((*interface).to_owned()).filter(|i| !i.is_empty()),
            function: (*function).to_owned(),
        };
        short(&paths.iter().map(path).collect::<Vec<_>>())
    }

    #[test]
    fn a_name_is_as_short_as_it_can_be() {
        let orders = ("acme:shop/orders@1.0.0", "get");
        assert_eq!(names(&[orders, ("acme:shop/orders@1.0.0", "list")]).unwrap(), ["get", "list"]);
        assert_eq!(names(&[orders, ("acme:shop/users@1.0.0", "get")]).unwrap(), ["orders.get", "users.get"]);
        assert_eq!(
            names(&[orders, ("other:shop/orders", "get"), ("local", "get"), ("", "get")]).unwrap(),
            ["acme.shop.orders.get", "other.shop.orders.get", "local.get", "get"]
        );
        let twice = names(&[orders, ("acme:shop/orders@2.0.0", "get")]);
        assert_eq!(twice, Err(ReadError::Ambiguous { name: "acme.shop.orders.get".into() }));
    }
}
