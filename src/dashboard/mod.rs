//! The dashboard: a local page for all studies of a directory, live, for running and finished ones alike.
//!
//! The records of a study are read once for all who look at it, folded, and published as JSON with a revision (`live`, `published`);
//! that part does no I/O. `hub` and `watched` look at the directory, and `server`, `routes` and `events` answer over HTTP. `guard` says
//! who may ask.

mod actions;
mod answers;
mod assets;
mod details;
mod events;
mod guard;
mod hub;
mod live;
mod published;
mod routes;
mod rows;
mod server;
#[cfg(test)]
mod tests;
mod watched;
mod whole;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use self::answers::App;
use self::guard::{Guard, Token};
use self::hub::Hub;

/// A dashboard that can be served.
pub struct Dashboard {
    listener: tokio::net::TcpListener,
    hub: std::sync::Arc<Hub>,
    guard: Guard,
}

impl Dashboard {
    /// Begins to look at a directory of studies, which need not be there yet, and takes a port: this one, or one of the usual ones. It is
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// If the port can't be listened on.
    pub async fn open(studies: &Path, address: IpAddr, port: Option<u16>) -> io::Result<Self> {
        let listener = server::listen(address, port).await?;
        let guard = Guard {
            address,
            machine: machine(),
            port: listener.local_addr()?.port(),
            token: Token::draw()?,
        };
        Ok(Self {
            listener,
            hub: Hub::start(studies)?,
            guard,
        })
    }

    /// The directory of studies.
    pub fn studies(&self) -> &Path {
        self.hub.root()
    }

    /// Where a browser finds it, with the token, and with a study if one is named. Whoever has this address may change the studies.
    pub fn url(&self, study: Option<&str>) -> String {
        let Guard { address, port, .. } = self.guard;
        let host = match address.is_unspecified() {
            true => format!("{}:{port}", self.guard.machine.as_deref().unwrap_or("localhost")),
            false => SocketAddr::new(address, port).to_string(),
        };
        let study = study.map_or(String::new(), |study| format!("#/{}", encoded(study)));
        format!("http://{host}/?token={}{study}", self.guard.token.text())
    }

    /// Answers requests forever.
    pub async fn serve(self) {
        let Self { listener, hub, guard } = self;
        server::serve(listener, routes::router(App { hub, guard })).await;
    }
}

/// The name of this machine, if it is known.
fn machine() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    (!name.is_empty()).then_some(name)
}

/// A name as a part of an address, as `encodeURIComponent` writes it.
fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte);
    let written = name.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    written.collect()
}
