//! `wasi:sockets`: linked so that guests built against a standard library load, and refused, with a record.
//!
//! Takes: nothing of the network. Gives: refusals. May name: imports::gate.
//!
//! No socket and no lookup can ever be made, so the functions of the socket resources have no handle to be called
//! on; they trap as a refusal all the same.

use super::gate::{Audited, FromStop, Stop};
use super::table::{self, Import};
use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress};
use wasmtime_wasi::p2::bindings::sockets::{
    instance_network, ip_name_lookup, network, tcp, tcp_create_socket, udp, udp_create_socket,
};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, IoError, Network, SocketError, SocketResult, TcpSocket,
    UdpSocket,
};
use wasmtime_wasi::sockets::WasiSocketsCtxView;

type View<'a> = WasiSocketsCtxView<'a>;
const WHY: &str = "raw sockets are given to no tool; use wasi:http";

impl FromStop for SocketError {
    fn from_stop(stop: Stop) -> Self {
        match stop {
            Stop::Denied(_) => ErrorCode::AccessDenied.into(),
            stop => Self::trap(wasmtime::Error::new(stop)),
        }
    }
}

impl Audited<'_, View<'_>> {
    fn refuse<T, E: FromStop>(&mut self, row: &'static Import) -> Result<T, E> {
        Err(E::from_stop(self.gate.deny(row, None, WHY)))
    }
}

gated! { impl network::Host as WasiSocketsCtxView<'_> {
    sync fn network_error_code(error: Resource<IoError>) -> Result<Option<ErrorCode>> = NETWORK_ERROR_CODE;
    @ {
        fn convert_error_code(&mut self, error: SocketError) -> Result<ErrorCode> {
            network::Host::convert_error_code(&mut self.inner, error)
        }
    }
}}

gated! { impl network::HostNetwork as WasiSocketsCtxView<'_> {
    drop fn drop(this: Resource<Network>) -> Result<()> = NETWORK_DROP;
}}

gated! { impl instance_network::Host as WasiSocketsCtxView<'_> {
    sync fn instance_network() -> Result<Resource<Network>> = INSTANCE_NETWORK;
}}

/// Functions that only refuse.
macro_rules! refused {
    (impl $trait:path { $( $mode:ident fn $name:ident ( $($ty:ty),* ) -> $ret:ty = $row:ident; )* }) => {
        impl $trait for Audited<'_, View<'_>> { $( refused!{@$mode $name, ($($ty),*), $ret, $row} )* }
    };
    (@sync $name:ident, ($($ty:ty),*), $ret:ty, $row:ident) => { refused!{@args [] $name, ($($ty),*), $ret, $row} };
    (@wait $name:ident, ($($ty:ty),*), $ret:ty, $row:ident) => { refused!{@args [async] $name, ($($ty),*), $ret, $row} };
    (@args [$($a:ident)?] $name:ident, (), $ret:ty, $row:ident) => {
        $($a)? fn $name(&mut self) -> $ret { self.refuse(&table::$row) }
    };
    (@args [$($a:ident)?] $name:ident, ($x:ty), $ret:ty, $row:ident) => {
        $($a)? fn $name(&mut self, _: $x) -> $ret { self.refuse(&table::$row) }
    };
    (@args [$($a:ident)?] $name:ident, ($x:ty, $y:ty), $ret:ty, $row:ident) => {
        $($a)? fn $name(&mut self, _: $x, _: $y) -> $ret { self.refuse(&table::$row) }
    };
    (@args [$($a:ident)?] $name:ident, ($x:ty, $y:ty, $z:ty), $ret:ty, $row:ident) => {
        $($a)? fn $name(&mut self, _: $x, _: $y, _: $z) -> $ret { self.refuse(&table::$row) }
    };
}

type Lookup = Resource<ip_name_lookup::ResolveAddressStream>;
type Net = Resource<Network>;
type Tcp = Resource<TcpSocket>;
type Udp = Resource<UdpSocket>;
type Streams = (Resource<DynInputStream>, Resource<DynOutputStream>);
type Accepted = (Tcp, Resource<DynInputStream>, Resource<DynOutputStream>);
type Incoming = Resource<udp::IncomingDatagramStream>;
type Outgoing = Resource<udp::OutgoingDatagramStream>;

refused! { impl ip_name_lookup::Host {
    sync fn resolve_addresses(Net, String) -> SocketResult<Lookup> = RESOLVE_ADDRESSES;
}}

refused! { impl ip_name_lookup::HostResolveAddressStream {
    sync fn resolve_next_address(Lookup) -> SocketResult<Option<IpAddress>> = RESOLVE_STREAM;
    sync fn subscribe(Lookup) -> Result<Resource<DynPollable>> = RESOLVE_STREAM;
    sync fn drop(Lookup) -> Result<()> = RESOLVE_STREAM;
}}

refused! { impl tcp_create_socket::Host {
    sync fn create_tcp_socket(IpAddressFamily) -> SocketResult<Tcp> = CREATE_TCP;
}}

refused! { impl udp_create_socket::Host {
    wait fn create_udp_socket(IpAddressFamily) -> SocketResult<Udp> = CREATE_UDP;
}}

refused! { impl tcp::Host {} }

refused! { impl tcp::HostTcpSocket {
    wait fn start_bind(Tcp, Net, IpSocketAddress) -> SocketResult<()> = TCP_SOCKET;
    sync fn finish_bind(Tcp) -> SocketResult<()> = TCP_SOCKET;
    sync fn start_connect(Tcp, Net, IpSocketAddress) -> SocketResult<()> = TCP_SOCKET;
    sync fn finish_connect(Tcp) -> SocketResult<Streams> = TCP_SOCKET;
    wait fn start_listen(Tcp) -> SocketResult<()> = TCP_SOCKET;
    sync fn finish_listen(Tcp) -> SocketResult<()> = TCP_SOCKET;
    sync fn accept(Tcp) -> SocketResult<Accepted> = TCP_SOCKET;
    sync fn local_address(Tcp) -> SocketResult<IpSocketAddress> = TCP_SOCKET;
    sync fn remote_address(Tcp) -> SocketResult<IpSocketAddress> = TCP_SOCKET;
    sync fn is_listening(Tcp) -> Result<bool> = TCP_SOCKET;
    sync fn address_family(Tcp) -> Result<IpAddressFamily> = TCP_SOCKET;
    sync fn set_listen_backlog_size(Tcp, u64) -> SocketResult<()> = TCP_SOCKET;
    sync fn keep_alive_enabled(Tcp) -> SocketResult<bool> = TCP_SOCKET;
    sync fn set_keep_alive_enabled(Tcp, bool) -> SocketResult<()> = TCP_SOCKET;
    sync fn keep_alive_idle_time(Tcp) -> SocketResult<u64> = TCP_SOCKET;
    sync fn set_keep_alive_idle_time(Tcp, u64) -> SocketResult<()> = TCP_SOCKET;
    sync fn keep_alive_interval(Tcp) -> SocketResult<u64> = TCP_SOCKET;
    sync fn set_keep_alive_interval(Tcp, u64) -> SocketResult<()> = TCP_SOCKET;
    sync fn keep_alive_count(Tcp) -> SocketResult<u32> = TCP_SOCKET;
    sync fn set_keep_alive_count(Tcp, u32) -> SocketResult<()> = TCP_SOCKET;
    sync fn hop_limit(Tcp) -> SocketResult<u8> = TCP_SOCKET;
    sync fn set_hop_limit(Tcp, u8) -> SocketResult<()> = TCP_SOCKET;
    sync fn receive_buffer_size(Tcp) -> SocketResult<u64> = TCP_SOCKET;
    sync fn set_receive_buffer_size(Tcp, u64) -> SocketResult<()> = TCP_SOCKET;
    sync fn send_buffer_size(Tcp) -> SocketResult<u64> = TCP_SOCKET;
    sync fn set_send_buffer_size(Tcp, u64) -> SocketResult<()> = TCP_SOCKET;
    sync fn subscribe(Tcp) -> Result<Resource<DynPollable>> = TCP_SOCKET;
    sync fn shutdown(Tcp, tcp::ShutdownType) -> SocketResult<()> = TCP_SOCKET;
    sync fn drop(Tcp) -> Result<()> = TCP_SOCKET;
}}

refused! { impl udp::Host {} }

refused! { impl udp::HostUdpSocket {
    wait fn start_bind(Udp, Net, IpSocketAddress) -> SocketResult<()> = UDP_SOCKET;
    sync fn finish_bind(Udp) -> SocketResult<()> = UDP_SOCKET;
    wait fn stream(Udp, Option<IpSocketAddress>) -> SocketResult<(Incoming, Outgoing)> = UDP_SOCKET;
    sync fn local_address(Udp) -> SocketResult<IpSocketAddress> = UDP_SOCKET;
    sync fn remote_address(Udp) -> SocketResult<IpSocketAddress> = UDP_SOCKET;
    sync fn address_family(Udp) -> Result<IpAddressFamily> = UDP_SOCKET;
    sync fn unicast_hop_limit(Udp) -> SocketResult<u8> = UDP_SOCKET;
    sync fn set_unicast_hop_limit(Udp, u8) -> SocketResult<()> = UDP_SOCKET;
    sync fn receive_buffer_size(Udp) -> SocketResult<u64> = UDP_SOCKET;
    sync fn set_receive_buffer_size(Udp, u64) -> SocketResult<()> = UDP_SOCKET;
    sync fn send_buffer_size(Udp) -> SocketResult<u64> = UDP_SOCKET;
    sync fn set_send_buffer_size(Udp, u64) -> SocketResult<()> = UDP_SOCKET;
    sync fn subscribe(Udp) -> Result<Resource<DynPollable>> = UDP_SOCKET;
    sync fn drop(Udp) -> Result<()> = UDP_SOCKET;
}}

refused! { impl udp::HostIncomingDatagramStream {
    sync fn receive(Incoming, u64) -> SocketResult<Vec<udp::IncomingDatagram>> = UDP_SOCKET;
    sync fn subscribe(Incoming) -> Result<Resource<DynPollable>> = UDP_SOCKET;
    sync fn drop(Incoming) -> Result<()> = UDP_SOCKET;
}}

refused! { impl udp::HostOutgoingDatagramStream {
    sync fn check_send(Outgoing) -> SocketResult<u64> = UDP_SOCKET;
    sync fn send(Outgoing, Vec<udp::OutgoingDatagram>) -> SocketResult<u64> = UDP_SOCKET;
    sync fn subscribe(Outgoing) -> Result<Resource<DynPollable>> = UDP_SOCKET;
    wait fn drop(Outgoing) -> Result<()> = UDP_SOCKET;
}}
