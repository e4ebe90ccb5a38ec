//! `wasi:cli`, gated: an empty environment, no arguments, output that goes to the call's log.
//!
//! Takes: the call's command-line context. Gives: the gated view. May name: imports::gate.

use super::gate::{FromStop, rep};
use super::table;
use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi::cli::WasiCliCtxView;
use wasmtime_wasi::p2::bindings::cli::{
    environment, exit, stderr, stdin, stdout, terminal_input, terminal_output, terminal_stderr,
    terminal_stdin, terminal_stdout,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

type TerminalIn = terminal_input::TerminalInput;
type TerminalOut = terminal_output::TerminalOutput;

gated! { impl environment::Host as WasiCliCtxView<'_> {
    sync fn get_environment() -> Result<Vec<(String, String)>> = ENVIRONMENT;
    sync fn get_arguments() -> Result<Vec<String>> = ARGUMENTS;
    sync fn initial_cwd() -> Result<Option<String>> = INITIAL_CWD;
}}

gated! { impl exit::Host as WasiCliCtxView<'_> {
    sync fn exit(status: Result<(), ()>) -> Result<()> = EXIT;
    sync fn exit_with_code(code: u8) -> Result<()> = EXIT_WITH_CODE;
}}

gated! { impl stdin::Host as WasiCliCtxView<'_> {
    sync fn get_stdin() -> Result<Resource<DynInputStream>> = STDIN;
}}

gated! { impl stdout::Host as WasiCliCtxView<'_> {
    @ {
        fn get_stdout(&mut self) -> Result<Resource<DynOutputStream>> {
            self.gate.enter(&table::STDOUT, None, None, 0).map_err(wasmtime::Error::from_stop)?;
            let given = stdout::Host::get_stdout(&mut self.inner)?;
            self.gate.hold_to_nowhere(rep(&given));
            Ok(given)
        }
    }
}}

gated! { impl stderr::Host as WasiCliCtxView<'_> {
    @ {
        fn get_stderr(&mut self) -> Result<Resource<DynOutputStream>> {
            self.gate.enter(&table::STDERR, None, None, 0).map_err(wasmtime::Error::from_stop)?;
            let given = stderr::Host::get_stderr(&mut self.inner)?;
            self.gate.hold_to_nowhere(rep(&given));
            Ok(given)
        }
    }
}}

gated! { impl terminal_input::Host as WasiCliCtxView<'_> {} }

gated! { impl terminal_input::HostTerminalInput as WasiCliCtxView<'_> {
    drop fn drop(this: Resource<TerminalIn>) -> Result<()> = TERMINAL_INPUT_DROP;
}}

gated! { impl terminal_output::Host as WasiCliCtxView<'_> {} }

gated! { impl terminal_output::HostTerminalOutput as WasiCliCtxView<'_> {
    drop fn drop(this: Resource<TerminalOut>) -> Result<()> = TERMINAL_OUTPUT_DROP;
}}

gated! { impl terminal_stdin::Host as WasiCliCtxView<'_> {
    sync fn get_terminal_stdin() -> Result<Option<Resource<TerminalIn>>> = TERMINAL_STDIN;
}}

gated! { impl terminal_stdout::Host as WasiCliCtxView<'_> {
    sync fn get_terminal_stdout() -> Result<Option<Resource<TerminalOut>>> = TERMINAL_STDOUT;
}}

gated! { impl terminal_stderr::Host as WasiCliCtxView<'_> {
    sync fn get_terminal_stderr() -> Result<Option<Resource<TerminalOut>>> = TERMINAL_STDERR;
}}
