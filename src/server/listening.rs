//! Takes what commands ask, so that one that says nothing holds up nobody.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::service::control_socket::{Connection, ControlSocket, Request};
use crate::service::restart::Keeper;

/// Commands that ask at the same time; others wait in the queue of the system.
const AT_ONCE: usize = 64;
/// Where no connection can be accepted: out of file descriptors, most likely.
const PAUSE: Duration = Duration::from_secs(1);

/// A command's question, and where the answer goes.
pub(super) struct Question {
    pub(super) request: Request,
    pub(super) connection: Connection,
}

/// A socket that is listened at. Ends with this.
pub(super) struct Listening(JoinHandle<()>);

impl Listening {
    pub(super) fn at(socket: ControlSocket, questions: mpsc::Sender<Question>) -> Self {
        Self(tokio::spawn(listen(socket, questions)))
    }

    /// The socket is gone when this is done.
    pub(super) async fn end(mut self) {
        self.0.abort();
        let _ = (&mut self.0).await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn listen(socket: ControlSocket, questions: mpsc::Sender<Question>) {
    let mut keeper = Keeper::new("the control socket");
    while keeper.failed(accept(&socket, &questions)).await {}
}

async fn accept(socket: &ControlSocket, questions: &mpsc::Sender<Question>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let Ok(mut connection) = socket.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let questions = questions.clone();
        tokio::spawn(async move {
            if let Ok(request) = connection.request().await {
                let question = Question {
                    request,
                    connection,
                };
                let _ = questions.send(question).await;
            }
            drop(place);
        });
    }
}
