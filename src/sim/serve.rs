//! A pod on the wire: the way of a request through faults, operations and memory, and the page for
//! people.

use std::io;
use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::routing::get;
use axum::{Extension, Router};

use super::answer::{Answer, ErrorName, Refusal, http_date};
use super::pod_fault::PodFault;
use super::request::Call;
use super::routes::{operations, remembered};
use super::server::{Cut, Site, Welcome};
use super::state::Pod;
use super::{page, token};

impl Site for Pod {
    fn welcome(&self) -> Welcome {
        let fault = self.change_quietly(|state| {
            let faults = &mut state.log.faults;
            faults.take_for_connection(PodFault::of_a_connection)
        });
        match fault {
            None => Welcome::Serve,
            Some(PodFault::NoHandshake) => Welcome::Ignore,
            Some(_) => Welcome::Close,
        }
    }

    fn tls(&self) -> io::Result<Option<Arc<rustls::ServerConfig>>> {
        Pod::tls(self).map(Some)
    }

    fn router(self: Arc<Self>) -> Router {
        // One for all pods, as thousands of them would be large.
        static ROUTER: OnceLock<Router> = OnceLock::new();
        let router = ROUTER.get_or_init(|| {
            operations()
                .layer(from_fn(receive))
                .route("/", get(page_of))
                .route("/events", get(events_of))
        });
        Router::new()
            .fallback_service(router.clone())
            .layer(Extension(self))
    }
}

async fn page_of(Extension(pod): Extension<Arc<Pod>>) -> Response<Body> {
    page::page(&pod)
}

async fn events_of(Extension(pod): Extension<Arc<Pod>>) -> Response<Body> {
    page::events(pod)
}

/// Receives a request, shows the faults that were asked for, and hands it on.
async fn receive(
    Extension(pod): Extension<Arc<Pod>>,
    Extension(cut): Extension<Cut>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    let _in_flight = pod.traffic.begin(method, path);
    let faults = pod.change_quietly(|state| {
        let faults = &mut state.log.faults;
        faults.take(method, path, PodFault::of_any_request)
    });
    let (mut delay, mut fault) = (None, None);
    for shown in faults {
        match shown {
            PodFault::Slow(by) => delay = Some(by),
            other => fault = Some(other),
        }
    }
    if fault == Some(PodFault::Refuse) {
        return cut.now().await;
    }
    let mut forwarded = Request::from_parts(parts.clone(), Body::empty());
    let Some(mut call) = Call::receive(parts, body).await else {
        return cut.now().await;
    };
    pod.read(|state| token::count(&pod, state, &call));
    if let Some(by) = delay {
        tokio::time::sleep(by).await;
    }
    call.unanswered = matches!(fault, Some(PodFault::LostAnswer | PodFault::Hang));
    let instead = match fault {
        Some(PodFault::Status(status, retry_after)) => Some(failed(status, retry_after, &call)),
        Some(PodFault::Html) => Some(Answer::login_page()),
        Some(PodFault::EmptyObject | PodFault::Hang) => Some(Answer::json(&serde_json::json!({}))),
        _ => None,
    };
    let response = match instead {
        Some(answer) => remembered(&pod, &call, |_| answer),
        None => {
            forwarded.extensions_mut().insert(Arc::new(call));
            next.run(forwarded).await
        }
    };
    let mut response = match fault {
        Some(PodFault::Hang) => std::future::pending().await,
        Some(PodFault::LostAnswer) => cut.now().await,
        Some(PodFault::CutOff) => cut.half(response).await,
        _ => response,
    };
    let now = pod.read(|state| pod.now(state));
    if let Ok(date) = HeaderValue::from_str(&http_date(now)) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

fn failed(status: u16, retry_after: Option<u64>, call: &Call) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let answer = if call.is_for_token() {
        Answer::token_error(status, "simulated")
    } else {
        Refusal::new(status, ErrorName::for_status(status), "simulated", false).to_answer()
    };
    match retry_after {
        Some(seconds) => answer.with(header::RETRY_AFTER, &seconds.to_string()),
        None => answer,
    }
}
