//! Why the page cannot be served.

use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;

use crate::fault::Fault;

#[derive(Debug, thiserror::Error)]
pub enum WebError {
    #[error("cannot listen on {listen} for the page (`[web] listen`)")]
    Listen {
        listen: SocketAddr,
        source: io::Error,
    },
}

impl Fault for WebError {
    fn hint(&self) -> Cow<'static, str> {
        let Self::Listen { listen, source } = self;
        let port = listen.port();
        match source.kind() {
            io::ErrorKind::AddrInUse => format!(
                "another program uses port {port}; `ss -ltnp` shows which; stop it, or write another port \
                 into `[web] listen`"
            )
            .into(),
            io::ErrorKind::AddrNotAvailable => format!(
                "{} is not an address of this computer; write one that is, or \"0.0.0.0:{port}\" for all of them",
                listen.ip()
            )
            .into(),
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need a privilege; write a port such as 8080 into `[web] listen`".into()
            }
            _ => "correct `[web] listen`, or remove it so that nothing is served".into(),
        }
    }

    fn is_passing(&self) -> bool {
        let Self::Listen { source, .. } = self;
        source.kind() == io::ErrorKind::AddrInUse
    }
}
