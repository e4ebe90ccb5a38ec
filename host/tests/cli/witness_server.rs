//! A witness on this machine, as C2SP's tlog-witness describes it, that does not take anybody's word.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use strongroom::audit::{Known, Signed, WitnessKey};
use strongroom::powers::SystemEntropy;
use tlog_tiles::{Hash, check_tree};

/// A witness that knows one log.
pub(crate) struct WitnessServer {
    pub(crate) url: String,
    /// Its verifier key.
    pub(crate) verifier: String,
    state: Arc<Mutex<State>>,
}

struct State {
    known: Known,
    key: WitnessKey,
    held: Option<Signed>,
    requests: usize,
    /// What it answers instead of doing its work.
    instead: Option<&'static str>,
}

/// Status, content type and body.
type Answer = (u16, &'static str, String);

impl WitnessServer {
    pub(crate) fn of(book_pub: &str) -> Self {
        let key = WitnessKey::new("witness.example/w1", &SystemEntropy).unwrap().unwrap();
        let verifier = key.witness().to_string();
        let known = Known::parse(book_pub).unwrap();
        let state = Arc::new(Mutex::new(State { known, key, held: None, requests: 0, instead: None }));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/some/prefix/", listener.local_addr().unwrap());
        let serving = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // Whoever goes away while being answered is no reason to stop.
                let _ = serve(stream.unwrap(), &mut serving.lock().unwrap());
            }
        });
        Self { url, verifier, state }
    }

    /// How many requests there were since it was last asked.
    pub(crate) fn requests(&self) -> usize {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }

    /// How many entries the head has that it holds.
    pub(crate) fn size(&self) -> u64 {
        self.state.lock().unwrap().held.as_ref().map_or(0, |held| held.size)
    }

    /// Answers with this whole response from now on; with its own again after `None`.
    pub(crate) fn instead(&self, answer: Option<&'static str>) {
        self.state.lock().unwrap().instead = answer;
    }

    /// Knows another log from now on, and holds nothing of it.
    pub(crate) fn knows(&self, book_pub: &str) {
        let mut state = self.state.lock().unwrap();
        (state.known, state.held) = (Known::parse(book_pub).unwrap(), None);
    }
}

fn serve(mut stream: TcpStream, state: &mut State) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk)?;
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8(bytes.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let header = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(':'));
            lines
                .into_iter()
                .find(|(n, _)| n.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim().to_owned())
        };
        if body.len() == header("content-length").unwrap().parse::<usize>().unwrap() {
            break (head.to_owned(), body.to_owned());
        }
    };
    state.requests += 1;
    if let Some(answer) = state.instead {
        return stream.write_all(answer.as_bytes());
    }
    let path = head.lines().next().unwrap();
    let (status, kind, body) = match path {
        "POST /some/prefix/add-checkpoint HTTP/1.1" => add_checkpoint(&body, state),
        _ => (404, "text/plain", format!("no such thing: {path}")),
    };
    let head =
        format!("HTTP/1.1 {status} -\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes())
}

fn add_checkpoint(body: &str, state: &mut State) -> Answer {
    let refuse = |status, what: &str| (status, "text/plain", format!("{what}\n"));
    let Some((asked, checkpoint)) = body.split_once("\n\n") else { return refuse(400, "no empty line") };
    let mut lines = asked.lines();
    let old = lines.next().and_then(|line| line.strip_prefix("old "));
    let Some(old) = old.and_then(|old| old.parse::<u64>().ok().filter(|n| n.to_string() == old)) else {
        return refuse(400, "no old size");
    };
    let Ok(proof) = lines.map(Hash::parse_hash).collect::<Result<Vec<_>, _>>() else {
        return refuse(400, "no hashes");
    };
    if !checkpoint.starts_with(&format!("{}\n", state.known.origin())) {
        return refuse(404, "no log that I know");
    }
    let Ok(head) = state.known.verify(checkpoint.as_bytes()) else {
        return refuse(403, "no key that I know");
    };
    let held = state.held.as_ref().map_or(0, |held| held.size);
    if proof.len() > 63 || old > head.size || (old == 0 && !proof.is_empty()) {
        return refuse(400, "that makes no sense");
    }
    if old != held {
        return (409, "text/x.tlog.size", format!("{held}\n"));
    }
    if let Some(held) = &state.held {
        if held.size == head.size && held.root != head.root {
            return refuse(409, "another tree of the same size");
        }
        if check_tree(&proof, head.size, head.root, held.size, held.root).is_err() {
            return refuse(422, "it does not continue what I have seen");
        }
    }
    let line = state.key.cosign(&head, 1_700_000_000).unwrap();
    state.held = Some(head);
    (200, "text/plain", format!("\u{2014} somebody.else/w7 AAAAAAAAAAA=\n{line}"))
}
