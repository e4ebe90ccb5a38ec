//! The probes; most go by the wrappers or by std, as a tool's author would.

use super::exports::strongroom_test::prober::prober::{Answer, Facts, Guest};
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use strongroom_sdk::http::{self, Method};
use strongroom_sdk::{cache, call, config, kv, log, memory};
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use wasip2::sockets::tcp::TcpSocket;
use wasip2::sockets::tcp_create_socket::create_tcp_socket;

/// What the wrappers do not offer.
mod raw {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "strongroom:host/imports",
        type_section_suffix: "prober",
        generate_all,
    });
}

use raw::wasi::config::store as settings;
use raw::wasi::keyvalue::{batch, store};

struct Tool;
super::export!(Tool with_types_in super);

fn text<T, E: Debug>(result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| format!("{error:?}"))
}

impl Guest for Tool {
    fn read_file(path: String) -> Result<Vec<u8>, String> {
        text(fs::read(path))
    }

    fn write_file(path: String, contents: String) -> Result<(), String> {
        text(fs::write(path, contents))
    }

    fn append_file(path: String, contents: String) -> Result<(), String> {
        let file = OpenOptions::new().append(true).create(true).open(path);
        text(file.and_then(|mut file| file.write_all(contents.as_bytes())))
    }

    fn truncate_file(path: String) -> Result<(), String> {
        text(OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(0)))
    }

    fn list_dir(path: String) -> Result<Vec<String>, String> {
        let names = fs::read_dir(path).and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned())).collect()
        });
        text(names)
    }

    fn make_dir(path: String) -> Result<(), String> {
        text(fs::create_dir(path))
    }

    fn remove_file(path: String) -> Result<(), String> {
        text(fs::remove_file(path))
    }

    fn rename_file(from: String, to: String) -> Result<(), String> {
        text(fs::rename(from, to))
    }

    fn hard_link(from: String, to: String) -> Result<(), String> {
        text(fs::hard_link(from, to))
    }

    fn sym_link(target: String, path: String) -> Result<(), String> {
        let (parent, name) = path.rsplit_once('/').ok_or("no parent")?;
        let roots = wasip2::filesystem::preopens::get_directories();
        let place = roots.iter().find_map(|(root, at)| {
            let below = parent.strip_prefix(at.as_str())?.trim_start_matches('/');
            Some((root, if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") }))
        });
        let (root, name) = place.ok_or("no such directory")?;
        text(root.symlink_at(&target, &name))
    }

    fn open_many(path: String, times: u32) -> u32 {
        let held: Vec<File> = (0..times).map_while(|_| File::open(&path).ok()).collect();
        held.len() as u32
    }

    fn http_get(url: String) -> Result<Answer, String> {
        answer(http::get(url))
    }

    fn http(
        method: String,
        url: String,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    ) -> Result<Answer, String> {
        let methods = [
            Method::Get,
            Method::Head,
            Method::Post,
            Method::Put,
            Method::Patch,
            Method::Delete,
            Method::Options,
        ];
        let method = methods.into_iter().find(|known| known.as_str() == method).ok_or("no such method")?;
        let request = headers
            .into_iter()
            .fold(http::request(method, url), |request, (name, value)| request.header(name, value));
        answer(request.body(body))
    }

    fn http_and_dump(
        method: String,
        url: String,
        headers: Vec<(String, String)>,
        path: String,
    ) -> Result<Answer, String> {
        let answer = Self::http(method, url, headers, Vec::new());
        text(dump(&path))?;
        answer
    }

    fn many_headers(count: u32) -> u32 {
        let fields = wasip2::http::types::Fields::new();
        (0..count).take_while(|n| fields.append(&format!("x-{n}"), b"x").is_ok()).count() as u32
    }

    fn kv_get(bucket: String, key: String) -> Result<Option<Vec<u8>>, String> {
        text(kv::open(&bucket).and_then(|bucket| bucket.get(&key)))
    }

    fn kv_set(bucket: String, key: String, value: Vec<u8>) -> Result<(), String> {
        text(kv::open(&bucket).and_then(|bucket| bucket.set(&key, &value)))
    }

    fn kv_delete(bucket: String, key: String) -> Result<(), String> {
        text(kv::open(&bucket).and_then(|bucket| bucket.delete(&key)))
    }

    fn kv_exists(bucket: String, key: String) -> Result<bool, String> {
        text(kv::open(&bucket).and_then(|bucket| bucket.exists(&key)))
    }

    fn kv_list(bucket: String) -> Result<Vec<String>, String> {
        text(kv::open(&bucket).and_then(|bucket| bucket.list()))
    }

    fn kv_increment(bucket: String, key: String, delta: u64) -> Result<u64, String> {
        text(kv::open(&bucket).and_then(|bucket| bucket.increment(&key, delta)))
    }

    fn kv_get_many(bucket: String, keys: Vec<String>) -> Result<Vec<Option<Vec<u8>>>, String> {
        let found = text(store::open(&bucket).and_then(|bucket| batch::get_many(&bucket, &keys)))?;
        Ok(found.into_iter().map(|pair| pair.map(|(_, value)| value)).collect())
    }

    fn kv_set_many(bucket: String, pairs: Vec<(String, Vec<u8>)>) -> Result<(), String> {
        text(store::open(&bucket).and_then(|bucket| batch::set_many(&bucket, &pairs)))
    }

    fn kv_delete_many(bucket: String, keys: Vec<String>) -> Result<(), String> {
        text(store::open(&bucket).and_then(|bucket| batch::delete_many(&bucket, &keys)))
    }

    fn kv_set_and_trap(bucket: String, key: String, value: Vec<u8>) -> Result<(), String> {
        Self::kv_set(bucket, key, value)?;
        core::arch::wasm32::unreachable()
    }

    fn mem_remember(id: Option<String>, contents: String, tags: Vec<String>) -> Result<String, String> {
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        text(memory::remember(id.as_deref(), &contents, &tags))
    }

    fn mem_retrieve(query: String, top_k: u32) -> Result<Vec<(String, String)>, String> {
        let found = text(memory::retrieve(&query, top_k))?;
        let star = |pending| if pending { "*" } else { "" };
        Ok(found.into_iter().map(|f| (format!("{}{}", star(f.pending), f.id), f.text)).collect())
    }

    fn mem_forget(id: String) -> Result<bool, String> {
        text(memory::forget(&id))
    }

    fn mem_remember_and_retrieve(
        id: String,
        contents: String,
        query: String,
    ) -> Result<Vec<(String, String)>, String> {
        Self::mem_remember(Some(id), contents, Vec::new())?;
        Self::mem_retrieve(query, 100)
    }

    fn mem_remember_and_trap(id: String, contents: String, bucket: String) -> Result<(), String> {
        Self::mem_remember(Some(id), contents, Vec::new())?;
        Self::kv_set(bucket, "half".to_owned(), b"x".to_vec())?;
        core::arch::wasm32::unreachable()
    }

    fn cache_get(key: String) -> Result<Option<Vec<u8>>, String> {
        text(cache::get(&key))
    }

    fn cache_set(key: String, value: Vec<u8>, ttl_seconds: u32) -> Result<(), String> {
        text(cache::set(&key, &value, ttl_seconds))
    }

    fn cache_delete(key: String) -> Result<(), String> {
        text(cache::delete(&key))
    }

    fn cache_through(key: String, value: Vec<u8>) -> Result<bool, String> {
        let there = text(cache::get(&key))?.is_some();
        if !there {
            text(cache::set(&key, &value, 60))?;
        }
        Ok(there)
    }

    fn cache_flood(count: u32, bytes: u32) -> Result<(), String> {
        let value = vec![7; bytes as usize];
        (0..count).try_for_each(|n| text(cache::set(&n.to_string(), &value, 60)))
    }

    fn cache_set_and_trap(key: String, value: Vec<u8>) -> Result<(), String> {
        Self::cache_set(key, value, 60)?;
        core::arch::wasm32::unreachable()
    }

    fn config_get(key: String) -> Result<Option<String>, String> {
        text(config::get(&key))
    }

    fn config_all() -> Result<Vec<(String, String)>, String> {
        text(settings::get_all())
    }

    fn env() -> Vec<(String, String)> {
        std::env::vars().collect()
    }

    fn args() -> Vec<String> {
        std::env::args().collect()
    }

    fn print(contents: String, times: u32) {
        for _ in 0..times {
            println!("{contents}");
        }
    }

    fn empty_writes(times: u32) {
        let stream = wasip2::cli::stdout::get_stdout();
        for _ in 0..times {
            let _ = stream.write(&[]);
        }
    }

    fn read_stdin() -> Result<String, String> {
        let mut contents = String::new();
        text(std::io::stdin().read_to_string(&mut contents))?;
        Ok(contents)
    }

    fn connect(address: String) -> Result<(), String> {
        let (socket, address) = socket(&address)?;
        text(socket.start_connect(&instance_network(), address))?;
        socket.subscribe().block();
        text(socket.finish_connect()).map(drop)
    }

    fn listen(address: String) -> Result<(), String> {
        let (socket, address) = socket(&address)?;
        text(socket.start_bind(&instance_network(), address))?;
        text(socket.finish_bind())?;
        text(socket.start_listen())?;
        text(socket.finish_listen())
    }

    fn resolve(host: String) -> Result<Vec<String>, String> {
        let found = text(resolve_addresses(&instance_network(), &host))?;
        found.subscribe().block();
        let mut addresses = Vec::new();
        while let Some(address) = text(found.resolve_next_address())? {
            addresses.push(format!("{address:?}"));
        }
        Ok(addresses)
    }

    fn random(bytes: u64) -> Vec<u8> {
        wasip2::random::random::get_random_bytes(bytes)
    }

    fn insecure_random(bytes: u64) -> Vec<u8> {
        wasip2::random::insecure::get_insecure_random_bytes(bytes)
    }

    fn now() -> u64 {
        wasip2::clocks::wall_clock::now().seconds
    }

    fn monotonic() -> u64 {
        wasip2::clocks::monotonic_clock::now()
    }

    fn poll_many(count: u32) -> u32 {
        let held: Vec<_> =
            (0..count).map(|_| wasip2::clocks::monotonic_clock::subscribe_duration(0)).collect();
        let refs: Vec<_> = held.iter().collect();
        if refs.is_empty() { 0 } else { wasip2::io::poll::poll(&refs).len() as u32 }
    }

    fn context() -> Facts {
        Facts {
            tenant: call::tenant(),
            actor: call::actor(),
            id: call::id(),
            idempotency_key: call::idempotency_key(),
            fuel_left: call::fuel_left(),
            deadline: call::time_left().as_millis() as u64,
            budgets: call::budgets().iter().map(budget).collect(),
        }
    }

    fn progress(done: u64, total: Option<u64>, message: String) {
        call::progress(done, total, &message);
    }

    fn log(message: String, times: u32) {
        for _ in 0..times {
            log::info(&message);
        }
    }
}

fn budget(budget: &call::Budget) -> String {
    let call::Budget { of, per, actor, tool, limit, left, hard, ends_in } = budget;
    let marks = [
        (*actor, " of the actor"),
        (*tool, " with the tool"),
        (!*hard, " as a warning"),
        (ends_in.is_some(), ", ends"),
    ];
    let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
    format!("{of} per {per}: {left} of {limit}{marks}")
}

/// A socket, and where it should lead: `1.2.3.4:80`. WASI's own interface, since not every C library of WASI has sockets.
fn socket(address: &str) -> Result<(TcpSocket, IpSocketAddress), String> {
    let (host, port) = address.split_once(':').ok_or("address:port")?;
    let host: Ipv4Addr = text(host.parse())?;
    let [a, b, c, d] = host.octets();
    let address = Ipv4SocketAddress { port: text(port.parse())?, address: (a, b, c, d) };
    Ok((text(create_tcp_socket(IpAddressFamily::Ipv4))?, IpSocketAddress::Ipv4(address)))
}

/// Writes the whole linear memory to a file, but for the first bytes, at which no Rust pointer may point.
fn dump(path: &str) -> std::io::Result<()> {
    const PAGE: usize = 65_536;
    let mut file = File::create(path)?;
    for page in 0..core::arch::wasm32::memory_size::<0>() {
        let start = (page * PAGE).max(16);
        let place = core::ptr::with_exposed_provenance::<u8>(start);
        // SAFETY: the pages below the memory's size are there, and the host only reads them.
        file.write_all(unsafe { core::slice::from_raw_parts(place, (page + 1) * PAGE - start) })?;
    }
    Ok(())
}

fn answer(request: http::Request) -> Result<Answer, String> {
    let answer = text(request.send())?;
    Ok(Answer { status: answer.status, headers: answer.headers, body: answer.body })
}
