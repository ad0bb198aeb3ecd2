//! A way to a server that can stall: bytes no longer pass, and nobody is told.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub struct Stall {
    port: u16,
    stalls: watch::Sender<bool>,
}

impl Stall {
    /// To this port of this machine.
    pub async fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stalls, stalled) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let stalled = stalled.clone();
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect(("127.0.0.1", to)).await else {
                        return;
                    };
                    let ((near_in, near_out), (far_in, far_out)) =
                        (near.into_split(), far.into_split());
                    tokio::select! {
                        () = pass(near_in, far_out, stalled.clone()) => {}
                        () = pass(far_in, near_out, stalled) => {}
                    }
                });
            }
        });
        Self { port, stalls }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn stall(&self) {
        self.stalls.send_replace(true);
    }

    pub fn go_on(&self) {
        self.stalls.send_replace(false);
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut stalled: watch::Receiver<bool>) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let Ok(count @ 1..) = from.read(&mut bytes).await else {
            return;
        };
        let _ = stalled.wait_for(|stalls| !*stalls).await;
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
