//! What touches only the call: itself, its log, clocks, randomness, the command line; and sockets, which nobody has.

use super::Trail;
use super::raw::strongroom::host::call as facts;
use super::raw::wasi::logging::logging;
use wasip2::cli::{environment, stderr, stdin, stdout, terminal_stderr, terminal_stdin, terminal_stdout};
use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::random::{insecure, insecure_seed};
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::IpAddressFamily;
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use wasip2::sockets::udp_create_socket::create_udp_socket;

pub fn call() {
    facts::tenant();
    facts::actor();
    facts::id();
    facts::idempotency_key();
    facts::fuel_left();
    facts::deadline();
    facts::budgets();
    facts::progress(1, Some(2), "half");
}

pub fn log() {
    logging::log(logging::Level::Info, "every", "hello");
}

pub fn clocks() {
    wall_clock::now();
    wall_clock::resolution();
    let now = monotonic_clock::now();
    monotonic_clock::resolution();
    let (instant, duration) =
        (monotonic_clock::subscribe_instant(now), monotonic_clock::subscribe_duration(1));
    duration.block();
    instant.ready();
    wasip2::io::poll::poll(&[&instant, &duration]);
}

pub fn random() {
    wasip2::random::random::get_random_bytes(8);
    wasip2::random::random::get_random_u64();
    insecure::get_insecure_random_bytes(8);
    insecure::get_insecure_random_u64();
    insecure_seed::insecure_seed();
}

pub fn cli() {
    environment::get_environment();
    environment::get_arguments();
    environment::initial_cwd();
    drop((stdin::get_stdin(), stdout::get_stdout(), stderr::get_stderr()));
    terminal_stdin::get_terminal_stdin();
    terminal_stdout::get_terminal_stdout();
    terminal_stderr::get_terminal_stderr();
}

pub fn sockets(trail: &mut Trail) {
    let network = instance_network();
    trail.note("resolve", resolve_addresses(&network, "localhost"));
    trail.note("tcp", create_tcp_socket(IpAddressFamily::Ipv4));
    trail.note("udp", create_udp_socket(IpAddressFamily::Ipv4));
}
