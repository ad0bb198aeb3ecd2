//! Which path answers what, to whom.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::routing::get;

use super::answer::{answer, failed_inside, file, harden, html, text};
use super::board_page::{self, Filter};
use super::explain::{self, Question};
use super::login::Admission;
use super::site::Site;
use super::{events, gzip, metrics, room_page};
use crate::net::clean;

/// A service that has published nothing for longer does not work.
const LATE: Duration = Duration::from_secs(60);
/// Slows down whoever tries passwords.
const AFTER_A_WRONG_PASSWORD: Duration = Duration::from_millis(500);

pub fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/", get(board))
        .route("/wall", get(wall))
        .route("/rooms/{name}", get(room))
        .route("/events", get(follow))
        .route("/api/v1/status", get(status))
        .route("/metrics", get(scrape))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route(
            "/page.css",
            get(async || file("text/css; charset=utf-8", include_str!("page.css"))),
        )
        .route(
            "/page.js",
            get(async || file("text/javascript; charset=utf-8", include_str!("page.js"))),
        )
        .route(
            "/icon.svg",
            get(async || file("image/svg+xml", include_str!("icon.svg"))),
        )
        .fallback(async || text(StatusCode::NOT_FOUND, "there is no such page; see /\n"))
        .layer(from_fn_with_state(site.clone(), guard))
        .with_state(site)
}

async fn guard(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response<Body> {
    let is_open = matches!(request.uri().path(), "/healthz" | "/readyz");
    let admission = match is_open {
        true => Admission::Granted,
        false => site.admits(&request),
    };
    let mut response = match admission {
        Admission::Granted => next.run(request).await,
        Admission::Missing => login_please(),
        Admission::Wrong => {
            tokio::time::sleep(AFTER_A_WRONG_PASSWORD).await;
            login_please()
        }
    };
    harden(response.headers_mut());
    response
}

fn login_please() -> Response<Body> {
    let mut response = text(
        StatusCode::UNAUTHORIZED,
        "sign in with the user name and password of `[web]`\n",
    );
    let challenge = HeaderValue::from_static("Basic realm=\"podcal\", charset=\"UTF-8\"");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    response
}

async fn board(State(site): State<Arc<Site>>, request: Request) -> Response<Body> {
    let filter = Filter::of_query(request.uri().query().unwrap_or_default());
    tiles(&site, filter, gzip::is_accepted(request.headers())).await
}

async fn wall(State(site): State<Arc<Site>>, request: Request) -> Response<Body> {
    let filter = Filter::of_wall(request.uri().query().unwrap_or_default());
    tiles(&site, filter, gzip::is_accepted(request.headers())).await
}

async fn tiles(site: &Site, filter: Filter, is_gzip: bool) -> Response<Body> {
    let Some(board) = site.board().await else {
        return failed_inside();
    };
    let snapshot = site.snapshot();
    let page = tokio::task::spawn_blocking(move || {
        let page = board_page::page(&board, &snapshot, &filter);
        match is_gzip {
            true => gzip::response(html(
                StatusCode::OK,
                gzip::whole(page.into_string().as_bytes()),
            )),
            false => html(StatusCode::OK, page.into_string()),
        }
    });
    page.await.unwrap_or_else(|_| failed_inside())
}

async fn room(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
    request: Request,
) -> Response<Body> {
    let snapshot = site.snapshot();
    let mut rooms = snapshot.config.rooms.iter();
    let Some(place) = rooms.position(|room| room.name.as_str() == name) else {
        let page = room_page::unknown(&name).into_string();
        return html(StatusCode::NOT_FOUND, page);
    };
    let Some(board) = site.board().await else {
        return failed_inside();
    };
    let Some(room) = snapshot.config.rooms.get(place) else {
        return failed_inside();
    };
    let query = request.uri().query().unwrap_or_default();
    let question = Question::of_query(query, &room.zone, snapshot.at.wall);
    let explanation = match question {
        Question::At(at) => {
            let _one = site.large.lock().await;
            Some(explain::explanation(&snapshot, room, at).await)
        }
        Question::Nothing | Question::Invalid(_) => None,
    };
    let explain = explain::section(room, &question, explanation.as_ref(), snapshot.at.wall);
    match room_page::page(&snapshot, place, &board, &explain).await {
        Some(page) => html(StatusCode::OK, page.into_string()),
        None => failed_inside(),
    }
}

async fn follow(State(site): State<Arc<Site>>, request: Request) -> Response<Body> {
    let since = events::Since::of_query(request.uri().query().unwrap_or_default());
    events::follow(site, since, gzip::is_accepted(request.headers()))
}

async fn status(State(site): State<Arc<Site>>) -> Response<Body> {
    let made = site.large(|snapshot| {
        let document = snapshot.status().as_json().to_string();
        clean::json(&document).into_owned()
    });
    match made.await {
        Some(document) => answer(StatusCode::OK, "application/json", document),
        None => failed_inside(),
    }
}

async fn scrape(State(site): State<Arc<Site>>) -> Response<Body> {
    match site.large(metrics::text).await {
        Some(Ok(text)) => answer(StatusCode::OK, metrics::MEDIA, text),
        Some(Err(_)) | None => failed_inside(),
    }
}

/// Without login, so without names.
async fn healthz(State(site): State<Arc<Site>>) -> Response<Body> {
    let snapshot = site.snapshot();
    let age = site.clock.now().monotonic.since(snapshot.at.monotonic);
    let says = if age > LATE {
        "not healthy: the service has stopped working\n".to_owned()
    } else if snapshot.late > 0 {
        let late = snapshot.late;
        format!("not healthy: {late} of the service's tasks are late or ended\n")
    } else {
        return text(StatusCode::OK, "healthy\n");
    };
    answer(
        StatusCode::SERVICE_UNAVAILABLE,
        "text/plain; charset=utf-8",
        says,
    )
}

async fn readyz(State(site): State<Arc<Site>>) -> Response<Body> {
    match site.snapshot().is_first_pass_done {
        true => text(StatusCode::OK, "ready\n"),
        false => text(
            StatusCode::SERVICE_UNAVAILABLE,
            "not ready: the first pass over all rooms is not done\n",
        ),
    }
}

#[cfg(test)]
mod tests;
