//! Answers with content of every kind that the Model Context Protocol knows.

wit_bindgen::generate!({ path: "src/mcp.wit" });
strongroom_guests::embed!("strongroom:wit", include_str!("mcp.wit"));
strongroom_guests::embed!(
    "strongroom:manifest",
    r#"
name = "mcp"
version = "0.1.0"
description = "Answers with content of every kind"
[functions]
simple-text.effect = "read"
image.effect = "read"
audio.effect = "read"
document.effect = "read"
place.effect = "read"
several.effect = "read"
fail.effect = "read"
work.effect = "read"
guide = { effect = "read", resource = { uri = "test://static-text", mime_type = "text/plain" } }
picture = { effect = "read", resource = { uri = "test://static-binary", mime_type = "image/png" } }
entry = { effect = "read", resource = { uri = "test://template/{id}/data", mime_type = "application/json" } }
plain = { effect = "read", prompt = true }
pair = { effect = "read", prompt = true }
toned = { effect = "read", prompt = true }
about = { effect = "read", prompt = true }
look = { effect = "read", prompt = true }
log-along.effect = "read"
log-once.effect = "read"
greet-slowly.effect = "read"
need-model.effect = "read"
confirm-again.effect = "read"
watched = { effect = "read", resource = { uri = "test://watched-resource", mime_type = "text/plain" } }
ask-contact.effect = "read"
ask-defaults.effect = "read"
ask-choices.effect = "read"
ask-model.effect = "read"
greet.effect = "read"
capital.effect = "read"
folders.effect = "read"
confirm = { effect = "read", cache = "60s" }
ask-several.effect = "read"
ask-twice.effect = "read"
ask-able.effect = "read"
ask-prompt = { effect = "read", prompt = true }
count-and-ask.effect = "write"
set-and-ask.effect = "write"
count.effect = "read"
large.effect = "read"
[needs.ask]
kinds = ["elicit", "sample", "roots"]
[needs.keyvalue.counts]
mode = "rw"
"#
);

#[cfg(target_arch = "wasm32")]
mod mcp {
    use super::exports::strongroom_test::mcp::mcp::*;
    use std::thread::sleep;
    use std::time::Duration;
    use strongroom_sdk::ask::{self, Answer, Prompt, Question, Reply};
    use strongroom_sdk::call::progress;
    use strongroom_sdk::{kv, log};

    struct Tool;
    super::export!(Tool with_types_in super);

    /// A PNG of one red pixel.
    const PIXEL: &[u8] = &[
        0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00,
        0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x00, 0x00, 0x00, 0x90, 0x77, 0x53, 0xde, 0x00,
        0x00, 0x00, 0x0c, 0x49, 0x44, 0x41, 0x54, 0x08, 0xd7, 0x63, 0xf8, 0xcf, 0xc0, 0x00, 0x00, 0x03, 0x01,
        0x01, 0x00, 0x18, 0xdd, 0x8d, 0xb0, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60,
        0x82,
    ];
    /// A WAV of two silent samples.
    const SILENCE: &[u8] = b"RIFF\x28\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x04\0\0\0\0\0\0\0";

    fn pixel() -> Block {
        Block::Image(Media { data: PIXEL.into(), mime_type: "image/png".into() })
    }

    fn document(uri: &str, mime: &str, text: &str) -> Block {
        Block::Embedded(Embedded {
            uri: uri.into(),
            mime_type: Some(mime.into()),
            body: Body::Text(text.into()),
        })
    }

    /// Asks a person; gives what they filled in.
    fn form(key: &str, message: &str, schema: &str) -> Result<String, String> {
        match ask::elicit(key, message, schema).map_err(|e| e.to_string())? {
            Reply::Accept(content) => Ok(content),
            Reply::Decline => Err("declined".into()),
            Reply::Cancel => Err("cancelled".into()),
        }
    }

    /// A schema with these fields, all of them required.
    fn fields(fields: &[(&str, &str)]) -> String {
        let each: Vec<_> =
            fields.iter().map(|(name, kind)| format!(r#""{name}":{{"type":"{kind}"}}"#)).collect();
        let names: Vec<_> = fields.iter().map(|(name, _)| format!(r#""{name}""#)).collect();
        format!(r#"{{"type":"object","properties":{{{}}},"required":[{}]}}"#, each.join(","), names.join(","))
    }

    impl Guest for Tool {
        fn log_along() -> String {
            for message in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
                log::debug("nobody needs to know");
                log::info(message);
                sleep(Duration::from_millis(50));
            }
            "logged".into()
        }

        fn log_once() -> String {
            log::info("This is a message for whoever asked for it.");
            "logged".into()
        }

        fn greet_slowly() -> Result<String, String> {
            progress(0, Some(1), "about to ask");
            form("name", "What is your name?", &fields(&[("name", "string")]))
        }

        fn need_model() -> Result<String, String> {
            let said = ask::sample("words", Prompt::user("Say something", 20)).map_err(|e| e.to_string())?;
            Ok(said.text)
        }

        fn confirm_again() -> Result<String, String> {
            form("confirm", "Are you sure?", &fields(&[("ok", "boolean")]))
        }

        fn watched() -> String {
            "This is the content of the watched resource.".into()
        }

        fn ask_contact(message: String) -> Result<String, String> {
            let schema = fields(&[("username", "string"), ("email", "string")]);
            form("contact", &message, &schema).map(|content| format!("User response: accept, {content}"))
        }

        fn ask_defaults() -> Result<String, String> {
            let schema = r#"{"type":"object","properties":{
                "name":{"type":"string","default":"John Doe"},
                "age":{"type":"integer","default":30},
                "score":{"type":"number","default":95.5},
                "status":{"type":"string","enum":["active","inactive","pending"],"default":"active"},
                "verified":{"type":"boolean","default":true}}}"#;
            form("defaults", "Check these", schema).map(|content| format!("Elicitation completed: {content}"))
        }

        fn ask_choices() -> Result<String, String> {
            let schema = r#"{"type":"object","properties":{
                "untitledSingle":{"type":"string","enum":["option1","option2","option3"]},
                "titledSingle":{"type":"string","oneOf":[{"const":"value1","title":"First Option"},
                    {"const":"value2","title":"Second Option"},{"const":"value3","title":"Third Option"}]},
                "legacyEnum":{"type":"string","enum":["opt1","opt2","opt3"],
                    "enumNames":["Option One","Option Two","Option Three"]},
                "untitledMulti":{"type":"array","items":{"type":"string","enum":["option1","option2","option3"]}},
                "titledMulti":{"type":"array","items":{"anyOf":[{"const":"value1","title":"First Choice"},
                    {"const":"value2","title":"Second Choice"},{"const":"value3","title":"Third Choice"}]}}}}"#;
            form("choices", "Choose", schema).map(|content| format!("Elicitation completed: {content}"))
        }

        fn ask_model(prompt: String) -> Result<String, String> {
            let said = ask::sample("words", Prompt::user(prompt, 100)).map_err(|e| e.to_string())?;
            Ok(format!("LLM response: {}", said.text))
        }

        fn greet() -> Result<String, String> {
            let content = form("user_name", "What is your name?", &fields(&[("name", "string")]))?;
            Ok(format!("Hello, {content}!"))
        }

        fn capital() -> Result<String, String> {
            let prompt = Prompt::user("What is the capital of France?", 100);
            Ok(ask::sample("capital_question", prompt).map_err(|e| e.to_string())?.text)
        }

        fn folders() -> Result<String, String> {
            let roots = ask::roots("client_roots").map_err(|e| e.to_string())?;
            Ok(roots.into_iter().map(|root| root.uri).collect::<Vec<_>>().join(", "))
        }

        fn confirm() -> Result<String, String> {
            let content = form("confirm", "Please confirm", &fields(&[("ok", "boolean")]))?;
            Ok(format!("state-ok {content}"))
        }

        fn ask_several() -> Result<String, String> {
            let name = fields(&[("name", "string")]);
            let questions = [
                ("user_name", Question::Elicit("What is your name?".into(), name)),
                ("greeting", Question::Sample(Prompt::user("Generate a greeting", 50))),
                ("client_roots", Question::Roots),
            ];
            match ask::all(&questions).map_err(|e| e.to_string())?.as_slice() {
                [Answer::Elicit(Reply::Accept(name)), Answer::Sample(said), Answer::Roots(roots)] => {
                    Ok(format!("{name} {} {}", said.text, roots.len()))
                }
                other => Err(format!("{other:?}")),
            }
        }

        fn ask_twice() -> Result<String, String> {
            let name = form("step1", "Step 1: What is your name?", &fields(&[("name", "string")]))?;
            let color =
                form("step2", "Step 2: What is your favorite color?", &fields(&[("color", "string")]))?;
            Ok(format!("{name} {color}"))
        }

        fn ask_able() -> Result<String, String> {
            let able = ask::able();
            let mut questions = Vec::new();
            if able.elicit {
                questions.push(("name", Question::Elicit("Who?".into(), fields(&[("name", "string")]))));
            }
            if able.sample {
                questions.push(("words", Question::Sample(Prompt::user("Say something", 20))));
            }
            ask::all(&questions).map(|answers| format!("{answers:?}")).map_err(|e| e.to_string())
        }

        fn ask_prompt() -> Result<String, String> {
            let schema = fields(&[("context", "string")]);
            let content = form("user_context", "What context should the prompt use?", &schema)?;
            Ok(format!("Answer with this in mind: {content}"))
        }

        fn set_and_ask() -> Result<String, String> {
            let counts = kv::open("counts").map_err(|e| e.to_string())?;
            counts.set("set", b"1").map_err(|e| e.to_string())?;
            form("sure", "Sure?", &fields(&[("ok", "boolean")])).map(|_| "kept".into())
        }

        fn count() -> Result<String, String> {
            let counts = kv::open("counts").map_err(|e| e.to_string())?;
            let set = counts.get("set").map_err(|e| e.to_string())?;
            Ok(set.map_or_else(|| "0".into(), |value| String::from_utf8_lossy(&value).into_owned()))
        }

        fn count_and_ask() -> Result<String, String> {
            let counts = kv::open("counts").map_err(|e| e.to_string())?;
            let count = counts.increment("n", 1).map_err(|e| e.to_string())?;
            match form("sure", "Sure?", &fields(&[("ok", "boolean")])) {
                Ok(content) => Ok(format!("{count} {content}")),
                Err(why) => Ok(format!("{count} {why}")),
            }
        }

        fn simple_text() -> String {
            "This is a simple text response for testing.".into()
        }

        fn image() -> Vec<Block> {
            vec![pixel()]
        }

        fn audio() -> Vec<Block> {
            vec![Block::Audio(Media { data: SILENCE.into(), mime_type: "audio/wav".into() })]
        }

        fn document() -> Vec<Block> {
            vec![document("test://embedded-resource", "text/plain", "This is an embedded resource content.")]
        }

        fn place() -> Vec<Block> {
            vec![Block::Link(Link {
                uri: "https://docs.example/guide".into(),
                name: "guide".into(),
                title: None,
                description: Some("How it is done.".into()),
                mime_type: Some("text/html".into()),
                size: Some(1 << 60),
            })]
        }

        fn large(bytes: u32) -> Vec<Block> {
            let length = usize::try_from(bytes).unwrap_or_default();
            let picture = Block::Image(Media { data: vec![7; length], mime_type: "image/png".into() });
            let words = document("test://large", "text/markdown", &"w".repeat(length));
            let mut all = vec![Block::Text("Two large things:".into()), picture, words];
            all.extend(Self::place());
            all
        }

        fn several() -> Result<Vec<Block>, String> {
            let mixed = document(
                "test://mixed-content-resource",
                "application/json",
                r#"{"test":"data","value":123}"#,
            );
            Ok(vec![Block::Text("Multiple content types test:".into()), pixel(), mixed])
        }

        fn fail() -> Result<String, String> {
            Err("This tool intentionally returns an error for testing".into())
        }

        fn guide() -> String {
            "This is the content of the static text resource.".into()
        }

        fn picture() -> Vec<u8> {
            PIXEL.into()
        }

        fn entry(id: String) -> String {
            format!(r#"{{"id":"{id}","templateTest":true,"data":"Data for ID: {id}"}}"#)
        }

        fn plain() -> String {
            "This is a simple prompt for testing.".into()
        }

        fn pair(arg1: String, arg2: Option<String>) -> String {
            format!("Prompt with arguments: arg1='{arg1}', arg2='{}'", arg2.unwrap_or_default())
        }

        fn toned(tone: Tone) -> String {
            format!("Answer in this tone: {tone:?}")
        }

        fn about(resource_uri: String) -> Vec<Block> {
            let text = "Embedded resource content for testing.";
            let ask = Block::Text("Please process the embedded resource above.".into());
            vec![document(&resource_uri, "text/plain", text), ask]
        }

        fn look() -> Vec<Block> {
            vec![pixel(), Block::Text("Please analyze the image above.".into())]
        }

        fn work() -> String {
            for done in [0, 50, 100] {
                progress(done, Some(100), "");
                sleep(Duration::from_millis(80));
            }
            "worked".into()
        }
    }
}
