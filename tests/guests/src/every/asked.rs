//! What the caller is asked. That it cannot be asked over the way it came by is no failure here: the call was made.

use super::Trail;
use super::raw::strongroom::host::ask;

pub fn ask(trail: &mut Trail) {
    ask::able();
    let form = ask::Form {
        message: "Who?".into(),
        schema: r#"{"type":"object","properties":{"name":{"type":"string"}}}"#.into(),
    };
    let message = ask::Message { role: ask::Role::User, text: "Say something".into() };
    let prompt = ask::Prompt { messages: vec![message], system: None, max_tokens: 9 };
    note(trail, "elicit", ask::elicit("name", &form));
    note(trail, "sample", ask::sample("words", &prompt));
    note(trail, "roots", ask::roots("where"));
    note(trail, "all", ask::all(&[("name".into(), ask::Question::Elicit(form))]));
}

fn note<T>(trail: &mut Trail, what: &str, result: Result<T, ask::Error>) {
    if !matches!(result, Err(ask::Error::Unsupported(_))) {
        trail.note(what, result);
    }
}
