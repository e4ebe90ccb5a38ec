//! Starting a life and ending it.

use super::life::{ORDER, Order};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A life that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(300);

/// When the parent kills it.
#[derive(Debug, Clone, Copy)]
pub enum When {
    /// Never: it kills itself, or ends.
    Never,
    /// So long after its start.
    Born(Duration),
    /// So long after it said that it is up.
    Up(Duration),
}

/// What was heard of a life.
pub struct Heard {
    pub lines: Vec<Value>,
    /// Whether it was killed; else it ended by itself.
    pub killed: bool,
    /// How long it took until it was up.
    pub up: Option<Duration>,
}

/// Runs a life to its end. Panics when it ends otherwise than by being killed or by closing its host.
pub fn run(order: &Order, when: When) -> Heard {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["a_killed_host_loses_nothing::a_life", "--exact", "--ignored", "--nocapture"])
        .env(ORDER, order.text())
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::piped())
        .stderr(log.reopen().unwrap())
        .spawn()
        .unwrap();
    let born = Instant::now();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let (said, hears) = channel();
    let reader = std::thread::spawn(move || {
        let (mut lines, mut line) = (Vec::new(), String::new());
        while out.read_line(&mut line).unwrap() > 0 {
            // A line without its end was being said when the process died: it promises nothing.
            if let Some(json) = line.strip_prefix('@').and_then(|l| l.strip_suffix('\n')) {
                let value: Value = serde_json::from_str(json).unwrap();
                if value.get("up").is_some() {
                    let _ = said.send(Instant::now());
                }
                lines.push(value);
            }
            line.clear();
        }
        lines
    });
    let mut up = None;
    match when {
        When::Never => {}
        When::Born(after) => std::thread::sleep(after),
        When::Up(after) => {
            up = match hears.recv_timeout(LONGEST) {
                Ok(at) => Some(at - born),
                Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => None,
            };
            std::thread::sleep(after);
        }
    }
    if matches!(when, When::Born(_) | When::Up(_)) {
        // By its own handle; a child that has ended by itself is not another process yet, because nobody waited for it.
        child.kill().unwrap();
    }
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if born.elapsed() > LONGEST => {
                child.kill().unwrap();
                panic!("a life hangs: {}", order.text());
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    let lines = reader.join().unwrap();
    let killed = status.signal() == Some(9);
    let closed = lines.iter().any(|line| line.get("closed").is_some());
    assert!(
        killed || (status.success() && closed),
        "a life ended with {status}:\n{}\n{}",
        std::fs::read_to_string(log.path()).unwrap(),
        order.text(),
    );
    Heard { lines, killed, up }
}
