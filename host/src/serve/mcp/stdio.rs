//! The protocol over standard input and output, for one tenant: the client starts the program, and the operator who set it
//! up says for whom.
//!
//! Takes: a host, a tenant, two streams. Gives: [`stdio`]. May name: id, room, serve.

use super::asked::Sent;
use super::door::Door;
use super::entry::Entry;
use super::ids::Ids;
use super::sessions::Session;
use super::surface::{Shared, Surface};
use super::{ENVELOPE, Work, changes};
use crate::id::TenantId;
use crate::room::Strongroom;
use crate::serve::ServeError;
use rmcp::service::{RoleServer, ServerInitializeError, serve_server_with_ct};
use rmcp::transport::async_rw::AsyncRwTransport;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// Serves the Model Context Protocol on two streams until the first ends or `shutdown` is ready. Nothing but the protocol's
/// messages is written to `output`. Calls that run are cancelled when it ends; the host itself is left open.
///
/// Every call is the operator's own for this tenant, by the tenant's rules for those without a role.
///
/// # Errors
/// [`ServeError::Unheard`] when the client ends or breaks the protocol before its handshake.
pub async fn stdio(
    room: Strongroom,
    tenant: TenantId,
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    room.open_cache().await;
    let (work, ending) = Work::new();
    let most = room.settings().host.max_request_body.saturating_add(ENVELOPE);
    let transport = AsyncRwTransport::<RoleServer, _, _>::new_server(input, output)
        .with_max_line_length(usize::try_from(most).unwrap_or(usize::MAX));
    let transport = Ids::new(transport);
    let ends = work.ends.clone();
    let door = Arc::new(Door::Operator(tenant));
    let session = Arc::new(Session::default());
    let told = room.clone();
    let surface = Surface {
        shared: Arc::new(Shared { room, streams: None, waits: None, work }),
        entry: Some(Entry { door: door.clone(), sent: Sent::nothing(), lacks: Arc::default() }),
        session: Some(session.clone()),
    };
    let serving = async {
        let running = serve_server_with_ct(surface, transport, ends.clone()).await;
        match running {
            Ok(running) => {
                let mut waiting = pin!(running.waiting());
                tokio::select! {
                    _ = &mut waiting => {}
                    // It ends for a client that may not be told, or without a handshake; the client itself goes on.
                    () = changes::tell_session(&told, &door, &session) => drop(waiting.await),
                }
            }
            // A client that asks for nothing and ends has done nothing wrong.
            Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => {}
            Err(error) => return Err(ServeError::Unheard(io::Error::other(error.to_string()))),
        }
        Ok(())
    };
    let done = tokio::select! {
        done = serving => done,
        () = shutdown => Ok(()),
    };
    ending.wait().await;
    done
}
