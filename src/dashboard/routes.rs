//! What is asked for, and the answers.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, LOCATION, REFERRER_POLICY,
    SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::json;
use tokio::task::spawn_blocking;

use super::actions;
use super::answers::{App, answer, list, no_study, read, refusal, went_wrong};
use super::assets::ASSETS;
use super::details::{details, why};
use super::events;
use super::guard::{Guard, Refusal};
use super::hub::{Hub, List};
use super::published::Published;
use super::rows::json;
use super::watched::{Shown, Watched};
use crate::disk::sha256;
use crate::ids::TrialId;
use crate::store::StoreError;
use crate::view::store_help;

/// What a page may do: nothing that is not from here.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Headers of all answers.
const HEADERS: [(HeaderName, &str); 5] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// All that can be asked for.
pub(super) fn router(app: App) -> Router {
    let app = Arc::new(app);
    let mut router = Router::new()
        .route("/api/studies", get(studies))
        .route("/api/events", get(events_of_list))
        .route("/api/studies/{name}", get(study))
        .route("/api/studies/{name}/events", get(events_of_study))
        .route("/api/studies/{name}/trials/{id}", get(trial))
        .route("/api/studies/{name}/trials/{id}/explanation", get(explanation))
        .route("/api/studies/{name}/trials/{id}/end", post(actions::end))
        .route("/api/studies/{name}/stop", post(actions::stop))
        .route("/api/studies/{name}/pause", post(actions::pause))
        .route("/api/studies/{name}/resume", post(actions::resume))
        .route("/api/studies/{name}/limits", post(actions::limits))
        .route("/api/studies/{name}/enqueue", post(actions::enqueue))
        .fallback(async || refusal(StatusCode::NOT_FOUND, "there is nothing of this name", None))
        .method_not_allowed_fallback(async || {
            refusal(
                StatusCode::METHOD_NOT_ALLOWED,
                "this can't be asked for in this way",
                None,
            )
        });
    for asset in ASSETS {
        let tag = format!("\"{}\"", &sha256(asset.bytes)[..32]);
        let file = move |headers: HeaderMap| async move { tagged(&headers, &tag, asset.kind, || asset.bytes.into()) };
        router = router.route(asset.path, get(file));
    }
    router.layer(from_fn_with_state(app.clone(), guarded)).with_state(app)
}

/// Lets through what may be answered.
async fn guarded(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (method, headers) = (request.method(), request.headers());
    let given = (request.uri().path() == "/" && method == Method::GET)
        .then(|| parameter(request.uri().query(), "token"))
        .flatten();
    let mut response = match (app.guard.check(method, headers), given) {
        (Ok(()) | Err(Refusal::Token), Some(given)) if app.guard.token.is(&given) => admitted(&app.guard),
        (Ok(()), _) => next.run(request).await,
        (Err(refused), _) => refusal(refused.status(), refused.text(), Some(refused.fix())),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Gives a browser the token, and an address without it.
fn admitted(guard: &Guard) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.insert(LOCATION, HeaderValue::from_static("/"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.extend(HeaderValue::from_str(&guard.cookie()).map(|cookie| (SET_COOKIE, cookie)));
    response
}

/// The value of a parameter of a query, if it has no characters that are written otherwise there.
fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = query?.split('&');
    pairs.find_map(|pair| Some(pair.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
}

/// Whether a client has what it asks for already, by its tag.
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|known| known.to_str().ok());
    known
        .flat_map(|known| known.split(','))
        .any(|known| known.trim().trim_start_matches("W/") == tag)
}

/// An answer that a client may keep, and has to ask for each time whether it still holds.
fn tagged(headers: &HeaderMap, tag: &str, kind: &'static str, body: impl FnOnce() -> Body) -> Response {
    let mut response = match has(headers, tag) {
        true => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        }
        false => Response::new(body()),
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.extend(HeaderValue::from_str(tag).map(|tag| (ETAG, tag)));
    response
}

/// The list of all studies; `can_change` says whether whoever asks may change something.
fn all(list: &List, hub: &Hub, can_change: bool) -> String {
    let about = json!({
        "directory": hub.root(),
        "can_change": can_change,
        "version": env!("CARGO_PKG_VERSION"),
        "error": list.trouble.as_ref().map(|trouble| trouble.json()),
    });
    let entries: Vec<&str> = list.entries.iter().map(|entry| &*entry.json).collect();
    let about = json(&about);
    format!("{},\"studies\":[{}]}}", about.trim_end_matches('}'), entries.join(","))
}

async fn studies(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let list = list(&app).await.borrow().clone();
    answer(StatusCode::OK, all(&list, &app.hub, app.guard.is_trusted(&headers)))
}

async fn events_of_list(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let can_change = app.guard.is_trusted(&headers);
    let list = list(&app).await;
    events::of_list(list, move |list| all(list, &app.hub, can_change))
}

/// A text that is sent to several clients and kept once.
struct Shared(Arc<str>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

async fn study(State(app): State<Arc<App>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    match read(&app, &name).await {
        Some((_, Shown::Study(published))) => {
            let Published { revision, .. } = *published;
            tagged(&headers, &format!("\"{revision}\""), "application/json", || {
                Bytes::from_owner(Shared(published.snapshot())).into()
            })
        }
        Some((_, Shown::Unread | Shown::Gone)) | None => no_study(),
    }
}

async fn events_of_study(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some((study, _)) = read(&app, &name).await else {
        return no_study();
    };
    // A browser that has lost the connection says what it had last.
    let last = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    let after = last.or_else(|| parameter(query.as_deref(), "after")?.parse().ok());
    events::of_study(study, after)
}

async fn trial(State(app): State<Arc<App>>, Path((name, id)): Path<(String, String)>) -> Response {
    about_trial(&app, &name, &id, |study, id| {
        Ok(study.ask(|reader, live| details(reader, live, id)).flatten())
    })
    .await
}

async fn explanation(State(app): State<Arc<App>>, Path((name, id)): Path<(String, String)>) -> Response {
    about_trial(&app, &name, &id, |study, id| why(&study.directory, id)).await
}

/// What there is to say of a trial, found out without keeping others waiting.
async fn about_trial(
    app: &App,
    name: &str,
    id: &str,
    what: impl FnOnce(&Watched, TrialId) -> Result<Option<String>, StoreError> + Send + 'static,
) -> Response {
    let Some((study, _)) = read(app, name).await else {
        return no_study();
    };
    let said = match id.parse() {
        Ok(id) => spawn_blocking(move || what(&study, TrialId(id))).await,
        Err(_) => Ok(Ok(None)),
    };
    match said {
        Ok(Ok(Some(text))) => answer(StatusCode::OK, text),
        Ok(Ok(None)) => refusal(StatusCode::NOT_FOUND, "the study has no such trial", None),
        Ok(Err(error)) => refusal(StatusCode::CONFLICT, &error.to_string(), store_help(&error).as_deref()),
        Err(_) => went_wrong(),
    }
}
