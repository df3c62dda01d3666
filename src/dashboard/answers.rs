//! What all answers have in common: what they are made from, and how they are written.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::guard::Guard;
use super::hub::{Hub, List};
use super::rows::json;
use super::watched::{Shown, Watched};

/// How long the first answer waits for studies that were not looked at yet.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// What answers are made from.
#[derive(Debug)]
pub(super) struct App {
    pub hub: Arc<Hub>,
    pub guard: Guard,
}

/// An answer in JSON.
pub(super) fn answer(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// That something can't be answered.
pub(super) fn refusal(status: StatusCode, error: &str, fix: Option<&str>) -> Response {
    answer(status, json(&json!({ "error": error, "fix": fix })))
}

pub(super) fn no_study() -> Response {
    let fix = "it may have been deleted: look at the list of all";
    refusal(StatusCode::NOT_FOUND, "there is no study of this name", Some(fix))
}

/// That what was asked for has panicked.
pub(super) fn went_wrong() -> Response {
    let error = "it went wrong, which is a mistake of hpo";
    refusal(StatusCode::INTERNAL_SERVER_ERROR, error, None)
}

/// The list, in which all studies are that can be read soon.
pub(super) async fn list(app: &App) -> watch::Receiver<List> {
    let mut list = app.hub.list();
    // Those that take longer come later.
    let _ = timeout(FIRST_LOOK, list.wait_for(|list| list.is_whole)).await;
    list
}

/// The study of a name, read.
pub(super) async fn read(app: &App, name: &str) -> Option<(Arc<Watched>, Shown)> {
    let study = match app.hub.study(name) {
        Some(study) => study,
        None => {
            // It may have just been created, and not been looked at.
            list(app).await;
            app.hub.study(name)?
        }
    };
    study.want();
    if let Shown::Unread = study.shown() {
        let reads = study.clone();
        spawn_blocking(move || reads.ask(|_, _| ())).await.ok()?;
    }
    let shown = study.shown();
    Some((study, shown))
}
