//! Which need a denied request belongs to, and what of it can be granted.
//!
//! Takes: a request, the manifest, the tenant's grants. Gives: an [`Ask`], or why not. May name: authorize, config, id,
//! tools.

use super::judge::{Ask, Request};
use super::suspect;
use super::wish::{Want, Wish};
use crate::authorize::method::Method;
use crate::authorize::origin::{Origin, OriginPattern, Scheme};
use crate::authorize::path::{PathPattern, RequestPath};
use crate::authorize::rights::{HttpRight, Rights};
use crate::config::{Effect, HttpGrant, HttpNeed, Tenant};
use crate::id::NeedName;
use crate::tools::Described;

const READS: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

/// The method of a request: the one that the book has, or the only one that the manifest asks for and that fits.
pub(super) fn method_of(tool: &Described, want: &Want) -> Option<Method> {
    let Want::Http { method, write, .. } = want else { return None };
    if let Some(method) = method {
        return Method::new(method).ok();
    }
    let needs = tool.manifest.needs.http.values().flat_map(|need| &need.methods);
    let mut fit = needs.filter(|method| READS.contains(&method.as_str()) != *write);
    let first = fit.next()?;
    fit.all(|other| other == first).then(|| first.clone())
}

/// The right by which a request was let through that then led inside.
pub(super) fn dialled<'a>(rights: &'a Rights, want: &Want) -> Option<&'a HttpRight> {
    let Want::Inside { scheme, authority, path } = want else { return None };
    let origin = Origin::from_parts(Scheme::parse(scheme)?, authority).ok()?;
    let path = RequestPath::parse(path).ok()?;
    rights.http.iter().find(|right| {
        right.origins.iter().any(|pattern| pattern.matches(&origin))
            && right.paths.iter().any(|pattern| pattern.matches(&path))
    })
}

pub(super) fn judge(tenant: &Tenant, tool: &Described, rights: &Rights, wish: &Wish) -> Result<Ask, String> {
    match &wish.want {
        Want::Inside { scheme, authority, .. } => {
            let origin = Scheme::parse(scheme).and_then(|scheme| Origin::from_parts(scheme, authority).ok());
            if let Some(why) = origin.as_ref().and_then(suspect::never) {
                return Err(why.to_owned());
            }
            let right = dialled(rights, &wish.want).ok_or("no grant leads there any more")?;
            Ok(Ask::Private(right.need.clone()))
        }
        Want::Http { scheme, authority, path, .. } => {
            let method = method_of(tool, &wish.want).ok_or("the book does not say which method it was")?;
            if tool.effect(&wish.function) == Some(Effect::Read) && !READS.contains(&method.as_str()) {
                return Err(format!("{} is declared to read, so it may not send {method}", wish.function));
            }
            request(tenant, tool, (scheme, authority, path), method)
        }
        _ => Err("it is no request".to_owned()),
    }
}

fn request(
    tenant: &Tenant,
    tool: &Described,
    (scheme, authority, path): (&str, &str, &str),
    method: Method,
) -> Result<Ask, String> {
    let (name, needs) = (&tool.name, &tool.manifest.needs.http);
    let asked = RequestPath::parse(path).map_err(|unclear| unclear.to_string())?;
    let named = needs.keys().find(|need| need.as_str().eq_ignore_ascii_case(authority));
    let mut fitting: Vec<(&NeedName, &PathPattern)> = needs
        .iter()
        .filter(|(need, _)| named.is_none_or(|named| named == *need))
        .filter_map(|(need, wanted)| Some((need, covering(wanted, &method, &asked)?)))
        .collect();
    if fitting.is_empty() {
        let of = named.map(|need| format!(" of need {need}")).unwrap_or_default();
        return Err(format!("the manifest of {name} does not ask for {method} {path}{of}"));
    }
    let grant = |need: &NeedName| tenant.grants.get(name).and_then(|grant| grant.http.get(need));
    let origin = match named {
        None => Scheme::parse(scheme)
            .and_then(|scheme| Origin::from_parts(scheme, authority).ok())
            .ok_or("it is neither a need of the tool nor a plain host and port")?,
        Some(need) => match grant(need).map(|grant| grant.origins.as_slice()) {
            Some([OriginPattern::Exact(origin)]) => origin.clone(),
            Some(_) => {
                return Err(format!(
                    "need {need} has several origins: the tool must call one by its own name"
                ));
            }
            // The book has the need's name in the place of the host, and nobody knows where it is to lead.
            None => {
                let pattern = fitting.first().map(|(_, pattern)| (*pattern).clone());
                let pattern = pattern.ok_or("no need fits")?;
                let path = PathPattern::exact(&asked);
                let need = need.clone();
                return Ok(Ask::Http(Request { need, private: true, origin: None, method, path, pattern }));
            }
        },
    };
    if let Some(why) = suspect::never(&origin) {
        return Err(why.to_owned());
    }
    let leads = |grant: &HttpGrant| grant.origins.iter().any(|pattern| pattern.matches(&origin));
    // Whatever leads there already, then what is bound to nothing; the narrowest need of those.
    fitting.sort_by_key(|(need, pattern)| {
        (grant(need).is_none_or(|g| !leads(g)), grant(need).is_some(), pattern.is_everything())
    });
    let Some((need, pattern)) = fitting.first().copied() else { return Err("no need fits".to_owned()) };
    let bound = grant(need);
    match bound {
        Some(bound) if !leads(bound) => another_origin(need, bound, origin, &method, &asked),
        _ => Ok(Ask::Http(Request {
            need: need.clone(),
            private: bound.is_none() && suspect::private(&origin),
            origin: Some(origin),
            method,
            path: PathPattern::exact(&asked),
            pattern: pattern.clone(),
        })),
    }
}

fn covering<'a>(need: &'a HttpNeed, method: &Method, path: &RequestPath<'_>) -> Option<&'a PathPattern> {
    if !need.methods.contains(method) {
        return None;
    }
    need.paths.iter().find(|pattern| pattern.matches(path))
}

/// A need that leads elsewhere can lead to one more origin only where nothing else changes by it.
fn another_origin(
    need: &NeedName,
    bound: &HttpGrant,
    origin: Origin,
    method: &Method,
    path: &RequestPath<'_>,
) -> Result<Ask, String> {
    let bound_to = bound.origins.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let elsewhere = |why: &str| Err(format!("need {need} is bound to {bound_to}, and {why}"));
    let covers = bound.methods.as_ref().is_none_or(|methods| methods.contains(method))
        && bound.paths.as_ref().is_none_or(|paths| paths.iter().any(|pattern| pattern.matches(path)));
    if bound.credential.is_some() {
        return elsewhere("its credential must not go to another origin");
    }
    match bound.origins.as_slice() {
        [OriginPattern::Exact(_)] => {
            return elsewhere("with a second origin it could not be called by its name any more");
        }
        [_] => return elsewhere("whether it leads to another origin too is yours to decide"),
        _ => {}
    }
    if !covers {
        return elsewhere("it would have to allow more there too");
    }
    if bound.allow_private || suspect::private(&origin) {
        return elsewhere("one of them leads inside");
    }
    Ok(Ask::Origin(need.clone(), origin))
}
