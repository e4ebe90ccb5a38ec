//! The tenant's own policies, in Cedar: whether they permit a call, and which of them decided that.
//!
//! Takes: the text of a policy file, then [`Question`]s. Gives: [`Policies`], [`Opinion`]. May name: config, id.
//!
//! Pure: an opinion depends on the file and the question alone. Default is deny, a `forbid` wins over every `permit`,
//! and a policy that cannot be evaluated denies the call whatever the others say.

mod ask;
mod depth;
mod read;
#[cfg(test)]
mod tests;
mod words;

use super::policy::Question;
use crate::config::ConfigErrors;
use crate::id::Digest;
use cedar_policy::{AuthorizationError, Authorizer, Decision, EntityUid, PolicySet};
pub(crate) use read::place_of_entity;
use std::fmt;
use std::sync::Arc;
use words::Words;

/// The schema that policies are validated against, as `strongroom policy schema` prints it.
pub const SCHEMA: &str = include_str!("strongroom.cedarschema");
/// Most policies that one file may hold: every call asks each of them.
pub const MAX_POLICIES: usize = 200;
/// Longest id of a policy, in bytes.
pub const MAX_ID: usize = 64;

/// How many ids a message names before it only counts.
const NAMED: usize = 5;

/// The policies of one tenant, parsed and validated. Clones share them.
#[derive(Clone)]
pub struct Policies(Arc<Parsed>);

struct Parsed {
    file: String,
    digest: Digest,
    set: PolicySet,
    /// In the order of the file.
    ids: Vec<String>,
    /// Every entity that a policy names.
    entities: Vec<EntityUid>,
    budgets: bool,
    authorizer: Authorizer,
    asked: ask::Asked,
    words: &'static Words,
}

/// What the policies say to one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// Whether the call is permitted.
    pub permits: bool,
    /// The ids of the policies that decided, in the order of the file: those that permit, or that forbid, or that could
    /// not be evaluated. Empty when no policy permits.
    pub policies: Vec<String>,
    /// Why, in one line.
    pub because: String,
}

impl Policies {
    /// Reads and validates a policy file. `file` is what messages call it.
    ///
    /// # Errors
    /// Every fault with its line: text that is no Cedar; types, attributes and actions that the schema does not have;
    /// policies that can never apply; templates; ids that stand there twice or are longer than [`MAX_ID`]; more than
    /// [`MAX_POLICIES`] policies or 256 KiB.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigErrors> {
        read::read(file, text).map(|parsed| Self(Arc::new(parsed)))
    }

    /// What messages call the file: `policies/<tenant>.cedar`.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.0.file
    }

    /// SHA-256 of the file.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// The ids of the policies, in the order of the file: their `@id`, or `policy` and their place counted from 0.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.ids.iter().map(String::as_str)
    }

    /// The roles that the policies name.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.named(&self.0.words.role)
    }

    /// The tenants that the policies name.
    pub fn tenants(&self) -> impl Iterator<Item = &str> {
        self.named(&self.0.words.tenant)
    }

    fn named<'a>(&'a self, of: &'a cedar_policy::EntityTypeName) -> impl Iterator<Item = &'a str> {
        let entities = self.0.entities.iter().filter(move |uid| uid.type_name() == of);
        entities.map(|uid| uid.id().unescaped())
    }

    /// Whether any policy looks at what is left of budgets, so that a question has to tell it.
    #[must_use]
    pub fn ask_for_budgets(&self) -> bool {
        self.0.budgets
    }

    /// What they say.
    #[must_use]
    pub fn judge(&self, question: &Question<'_>) -> Opinion {
        let Parsed { file, set, authorizer, words, asked, .. } = &*self.0;
        let known = asked.known(words, question);
        let asked = known.and_then(|known| Ok((ask::request(words, &known, question.moment)?, known)));
        let (request, known) = match asked {
            Ok(asked) => asked,
            Err(error) => {
                let because = format!("{file} could not be asked: {error}");
                return Opinion { permits: false, policies: Vec::new(), because };
            }
        };
        let response = authorizer.is_authorized(&request, set, &known.entities);
        let errors: Vec<_> = response
            .diagnostics()
            .errors()
            .map(|AuthorizationError::PolicyEvaluationError(error)| error)
            .collect();
        let function = question.function;
        if !errors.is_empty() {
            // Another policy may permit the call; nobody knows what this one would have said.
            let failed = self.in_order(|id| errors.iter().any(|e| AsRef::<str>::as_ref(e.policy_id()) == id));
            let why = errors.first().map(|error| error.inner().to_string()).unwrap_or_default();
            let because = format!("{file}: {} could not be evaluated: {}", Named(&failed), one_line(&why));
            return Opinion { permits: false, policies: failed, because };
        }
        let reasons: Vec<&str> = response.diagnostics().reason().map(AsRef::as_ref).collect();
        let policies = self.in_order(|id| reasons.contains(&id));
        let permits = response.decision() == Decision::Allow;
        let because = match (permits, policies.as_slice()) {
            (true, _) => format!("{file}: {}", Named(&policies)),
            (false, []) => format!("{file}: no policy permits {function}"),
            (false, [_]) => format!("{file}: {} forbids {function}", Named(&policies)),
            (false, _) => format!("{file}: {} forbid {function}", Named(&policies)),
        };
        Opinion { permits, policies, because }
    }

    fn in_order(&self, chosen: impl Fn(&str) -> bool) -> Vec<String> {
        self.0.ids.iter().filter(|id| chosen(id)).cloned().collect()
    }
}

/// Equal files are equal policies.
impl PartialEq for Policies {
    fn eq(&self, other: &Self) -> bool {
        (self.file(), self.digest()) == (other.file(), other.digest())
    }
}

impl Eq for Policies {}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies")
            .field("file", &self.0.file)
            .field("ids", &self.0.ids)
            .finish_non_exhaustive()
    }
}

/// `the policy "a"`, `the policies "a", "b" and 4 more`.
struct Named<'a>(&'a [String]);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.len() == 1 { "the policy " } else { "the policies " })?;
        for (place, id) in self.0.iter().take(NAMED).enumerate() {
            write!(f, "{}\"{id}\"", if place == 0 { "" } else { ", " })?;
        }
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// An error's text as part of a line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}
