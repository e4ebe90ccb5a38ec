//! A tool for Strongroom hosts. Its contract is `wit/world.wit`, its manifest `tool.toml`.

use exports::local::{{module}}::api::{Error, Guest, Language};
use strongroom_sdk::{call, log};

strongroom_sdk::tool!(Tool, additional_derives: [PartialEq]);

struct Tool;

impl Guest for Tool {
    fn greet(name: String, language: Option<Language>) -> Result<String, Error> {
        if name.is_empty() || name.chars().count() > 100 {
            return Err(Error::InvalidName);
        }
        log::info(format_args!("a greeting for {}", call::tenant()));
        Ok(match language.unwrap_or(Language::English) {
            Language::English => format!("Hello, {name}!"),
            Language::German => format!("Guten Tag, {name}!"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strongroom_sdk::fake::Host;

    #[test]
    fn greets_in_each_language() {
        let host = Host::new().tenant("acme");
        let greet = |language| Tool::greet("Ada".into(), language).unwrap();
        assert_eq!(greet(None), "Hello, Ada!");
        assert_eq!(greet(Some(Language::German)), "Guten Tag, Ada!");
        assert_eq!(host.logs()[0].message, "a greeting for acme");
    }

    #[test]
    fn a_name_is_needed() {
        let refused = Tool::greet(String::new(), None);
        assert_eq!(refused, Err(Error::InvalidName));
    }
}
