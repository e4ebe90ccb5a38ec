//! The program itself, as people start it: on a home folder, for one test.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

/// Where the program is: beside the folder that this test program stands in.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a program");
    let path = test.ancestors().nth(2).expect("target/debug/deps/<test>").join("strongroom");
    assert!(path.exists(), "{}: run `cargo build --workspace --bins` first", path.display());
    path
}

/// A command of the program, with nothing of this machine's environment that could matter.
pub fn command(home: &Path) -> Command {
    let mut command = Command::new(program());
    command.env("STRONGROOM_HOME", home).env("NO_COLOR", "1").stdin(Stdio::null());
    for name in ["KEY", "LOG", "OPERATOR_KEY", "OPERATOR_KEY_FILE"] {
        command.env_remove(format!("STRONGROOM_{name}"));
    }
    command
}

/// A program that serves over HTTP on loopback. It ends with this.
pub struct Serving {
    child: Child,
    /// What it has said on standard error.
    pub said: Arc<Mutex<String>>,
    lines: Receiver<String>,
    /// `127.0.0.1:<port>`.
    pub address: String,
}

impl Serving {
    /// Starts it on a home folder and waits until it listens.
    pub fn start(home: &Path) -> Self {
        Self::with(command(home))
    }

    /// Starts it with this command, which ends before the words `serve`.
    pub fn with(mut command: Command) -> Self {
        let command = command.args(["serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (said, (tell, lines)) = (Arc::<Mutex<String>>::default(), channel());
        let (all, stderr) = (said.clone(), BufReader::new(child.stderr.take().unwrap()));
        // Somebody has to read it, or the program waits.
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut all = all.lock().unwrap();
                all.push_str(&line);
                all.push('\n');
                drop(tell.send(line));
            }
        });
        let mut serving = Self { child, said, lines, address: String::new() };
        let line = serving.until("tools on http://");
        serving.address = line.split("http://").nth(1).unwrap().trim().to_owned();
        serving
    }

    /// Waits for a line with this text; the test ends when the program does.
    pub fn until(&mut self, text: &str) -> String {
        loop {
            let line = self.lines.recv();
            let line = line.unwrap_or_else(|_| panic!("it ended: {}", self.said.lock().unwrap()));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to let running calls end and to stop.
    pub fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Asks it to stop and waits until it has, in good order.
    pub fn stop(mut self) {
        self.terminate();
        assert!(self.ended().success(), "{}", self.said.lock().unwrap());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // A failed test leaves no program behind; one that has ended cannot be ended again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
