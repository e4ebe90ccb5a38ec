//! The names of the schema, made once for all tenants.
//!
//! Takes: the shipped schema. Gives: [`Words`]. May name: nothing.

use super::SCHEMA;
use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema, Validator};
use std::str::FromStr as _;
use std::sync::LazyLock;

/// What policies and questions are made of.
pub(super) struct Words {
    pub(super) validator: Validator,
    pub(super) tenant: EntityTypeName,
    pub(super) role: EntityTypeName,
    pub(super) actor: EntityTypeName,
    pub(super) tool: EntityTypeName,
    pub(super) function: EntityTypeName,
    pub(super) call: EntityUid,
    pub(super) read: EntityUid,
    pub(super) write: EntityUid,
}

/// The words, or what is wrong with the schema that this program was built with.
pub(super) fn words() -> Result<&'static Words, &'static str> {
    static WORDS: LazyLock<Result<Words, String>> = LazyLock::new(Words::read);
    WORDS.as_ref().map_err(String::as_str)
}

impl Words {
    fn read() -> Result<Self, String> {
        let name = |text: &str| EntityTypeName::from_str(text).map_err(|e| e.to_string());
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(|e| e.to_string())?;
        let (action, effect) = (name("Strongroom::Action")?, name("Strongroom::Effect")?);
        Ok(Self {
            validator: Validator::new(schema),
            tenant: name("Strongroom::Tenant")?,
            role: name("Strongroom::Role")?,
            actor: name("Strongroom::Actor")?,
            tool: name("Strongroom::Tool")?,
            function: name("Strongroom::Function")?,
            call: uid(&action, "call"),
            read: uid(&effect, "read"),
            write: uid(&effect, "write"),
        })
    }
}

/// One entity.
pub(super) fn uid(of: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
}
