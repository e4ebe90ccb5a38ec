//! A group of imports for each file.

mod asked;
mod files;
mod http;
mod local;
mod paths;
mod stored;
mod streams;

use super::exports::strongroom_test::every::every::Guest;
use std::fmt::Debug;

/// The interfaces that no crate has.
mod raw {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "strongroom:host/imports",
        type_section_suffix: "every",
        generate_all,
    });
}

struct Tool;
super::export!(Tool with_types_in super);

impl Guest for Tool {
    fn touch(group: String) -> Result<(), String> {
        let mut trail = Trail::default();
        match group.as_str() {
            "call" => local::call(),
            "log" => local::log(),
            "clocks" => local::clocks(),
            "random" => local::random(),
            "cli" => local::cli(),
            "exit" => wasip2::cli::exit::exit(Err(())),
            "exit-with-code" => wasip2::cli::exit::exit_with_code(3),
            "sockets" => local::sockets(&mut trail),
            "memory" => stored::memory(&mut trail),
            "cache" => stored::cache(&mut trail),
            "ask" => asked::ask(&mut trail),
            "config" => stored::config(&mut trail),
            "config-all" => stored::config_all(&mut trail),
            "keyvalue" => stored::keyvalue(&mut trail),
            "files" => files::read(&mut trail),
            "files-write" => files::write(&mut trail),
            "io" => streams::standard(&mut trail),
            "http-local" => http::local(&mut trail),
            "http" => http::exchange(&mut trail),
            other => drop(trail.note("group", Err::<(), _>(other))),
        }
        trail.end()
    }

    fn at(op: String, root: String, path: String, other: String) -> Result<String, String> {
        paths::at(&op, &root, &path, &other)
    }

    fn count(root: String, path: String) -> Result<u64, String> {
        paths::count(&root, &path)
    }

    fn hold_listings(root: String, path: String, times: u32) -> u32 {
        paths::hold_listings(&root, &path, times)
    }

    fn watch(root: String, path: String, times: u32) -> Vec<String> {
        paths::watch(&root, &path, times)
    }

    fn fill(root: String, path: String, pieces: u32) -> Result<(), String> {
        paths::fill(&root, &path, pieces)
    }

    fn request(
        method: String,
        scheme: Option<String>,
        authority: Option<String>,
        path: Option<String>,
        headers: Vec<(String, String)>,
    ) -> Result<u16, String> {
        http::request(&method, scheme, authority.as_deref(), path.as_deref(), &headers)
    }

    fn drain(url_path: String) -> Result<u64, String> {
        http::drain(&url_path)
    }

    fn hold(url_path: String, ms: u64) -> Result<(), String> {
        http::hold(&url_path, ms)
    }
}

/// What failed on the way.
#[derive(Default)]
struct Trail(Vec<String>);

impl Trail {
    /// Notes a failure and gives what there is of the result.
    fn note<T, E: Debug>(&mut self, what: &str, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.0.push(format!("{what}: {error:?}"));
                None
            }
        }
    }

    fn end(self) -> Result<(), String> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0.join("; ")) }
    }
}

fn text<T, E: Debug>(result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| format!("{error:?}"))
}
