//! `/events`: the tiles that changed, as server-sent events, for as long as the page is open.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, StatusCode, header};
use futures_util::StreamExt as _;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::timeout;

use super::answer::{answer, text};
use super::board::Board;
use super::board_page::summary;
use super::followers::Follower;
use super::gzip;
use super::site::Site;
use super::tile::{Tile, item};
use crate::service::snapshot::Snapshot;

/// Something is sent this often, so that a connection that is gone is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What a page has already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Since {
    epoch: String,
    revision: u64,
    /// Only this room.
    room: Option<String>,
}

impl Since {
    /// What a page has that shows this board.
    #[cfg(test)]
    pub fn board(board: &Board) -> Self {
        Self {
            epoch: board.epoch.clone(),
            revision: board.revision,
            room: None,
        }
    }

    pub fn of_query(query: &str) -> Self {
        let mut since = Self::default();
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "since" => {
                    if let Some((epoch, revision)) = value.rsplit_once('.') {
                        since.epoch = epoch.to_owned();
                        since.revision = revision.parse().unwrap_or(0);
                    }
                }
                "room" => since.room = Some(value.into_owned()),
                _ => {}
            }
        }
        since
    }

    fn wants(&self, tile: &Tile) -> bool {
        tile.revision > self.revision
            && self
                .room
                .as_ref()
                .is_none_or(|room| tile.room.as_str() == room)
    }
}

struct Stream {
    site: Arc<Site>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    since: Since,
    is_gzip: bool,
    is_over: bool,
    _follower: Follower,
}

pub fn follow(site: Arc<Site>, since: Since, is_gzip: bool) -> Response<Body> {
    let Some(follower) = site.followers.enter() else {
        return text(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many pages are open; reload this one by hand\n",
        );
    };
    let stream = Stream {
        snapshots: site.snapshots(),
        site,
        since,
        is_gzip,
        is_over: false,
        _follower: follower,
    };
    let events = futures_util::stream::unfold(stream, async |mut stream| {
        let event = stream.next().await?;
        Some((Ok::<_, Infallible>(event), stream))
    });
    const MEDIA: &str = "text/event-stream";
    let mut response = match is_gzip {
        true => {
            let head = futures_util::stream::iter([Ok(gzip::head())]);
            let body = Body::from_stream(head.chain(events));
            gzip::response(answer(StatusCode::OK, MEDIA, body))
        }
        false => answer(StatusCode::OK, MEDIA, Body::from_stream(events)),
    };
    // nginx holds events back otherwise.
    response
        .headers_mut()
        .insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Stream {
    /// The next thing to send; `None` where the page has to begin anew.
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        loop {
            self.snapshots.mark_unchanged();
            let board = self.site.board().await?;
            if board.epoch != self.since.epoch {
                self.is_over = true;
                return Some(self.encoded("event: reload\ndata: {}\n\n"));
            }
            if board.revision > self.since.revision {
                let event = news(&board, &self.since, self.is_gzip);
                self.since.revision = board.revision;
                if let Some(event) = event {
                    return Some(event);
                }
            }
            match timeout(KEEP_ALIVE, self.snapshots.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) => return Some(self.encoded(": still here\n\n")),
            }
        }
    }

    fn encoded(&self, text: &'static str) -> Bytes {
        match self.is_gzip {
            true => gzip::piece(text.as_bytes()),
            false => Bytes::from_static(text.as_bytes()),
        }
    }
}

/// The event that brings a page up to date; `None` where nothing changed that it shows. Pages
/// that have the board before this one, which is nearly all, share it.
pub fn news(board: &Board, since: &Since, is_gzip: bool) -> Option<Bytes> {
    let is_usual = since.room.is_none() && since.revision + 1 == board.revision;
    let encode = || {
        let plain = match is_usual {
            true => board
                .news
                .plain
                .get_or_init(|| changes(board, since))
                .clone(),
            false => changes(board, since),
        };
        match is_gzip {
            true => plain.map(|plain| gzip::piece(&plain)),
            false => plain,
        }
    };
    match is_usual && is_gzip {
        true => board.news.gzip.get_or_init(encode).clone(),
        false => encode(),
    }
}

fn changes(board: &Board, since: &Since) -> Option<Bytes> {
    let tiles: Vec<_> = board
        .tiles
        .iter()
        .filter(|tile| since.wants(tile))
        .map(|tile| json!({ "room": tile.room, "html": item(tile, true).into_string() }))
        .collect();
    if tiles.is_empty() {
        return None;
    }
    let data = json!({
        "since": format!("{}.{}", board.epoch, board.revision),
        "summary": summary(board),
        "tiles": tiles,
    });
    // JSON has no line breaks of its own.
    Some(format!("event: tiles\ndata: {data}\n\n").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_what_it_has() {
        let since = Since::of_query("since=1790000000-2.17&room=a%20b");
        assert_eq!(since.epoch, "1790000000-2");
        assert_eq!(since.revision, 17);
        assert_eq!(since.room.as_deref(), Some("a b"));
        assert_eq!(Since::of_query("since=&x"), Since::default());
    }
}
