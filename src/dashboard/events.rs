//! Server-sent events: what has changed, for as long as somebody wants to know.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Response;
use futures_util::stream::unfold;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::timeout;

use super::hub::{Entry, List};
use super::published::News;
use super::rows::json;
use super::watched::{Shown, Watched};

/// How often something is sent if there is nothing to send, so that both ends know that the other is there.
const ALIVE: Duration = Duration::from_secs(15);

/// An event of this name.
fn event(name: &str, id: Option<u64>, data: &str) -> String {
    let id = id.map_or(String::new(), |id| format!("id: {id}\n"));
    format!("event: {name}\n{id}data: {data}\n\n")
}

/// Waits until there is something else to show; none once there never will be.
async fn changed<T>(receiver: &mut watch::Receiver<T>) -> Option<bool> {
    match timeout(ALIVE, receiver.changed()).await {
        Ok(changed) => changed.ok().map(|()| true),
        Err(_) => Some(false),
    }
}

fn stream<S: Send + 'static, F>(state: S, next: impl FnMut(S) -> F + Send + 'static) -> Response
where
    F: Future<Output = Option<(Result<Bytes, Infallible>, S)>> + Send + 'static,
{
    let mut response = Response::new(Body::from_stream(unfold(state, next)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What becomes of a study, after a revision that the client has seen.
pub(super) fn of_study(study: Arc<Watched>, seen: Option<u64>) -> Response {
    struct Follower {
        study: Arc<Watched>,
        shown: watch::Receiver<Shown>,
        seen: Option<u64>,
        begins: bool,
        over: bool,
    }
    let shown = study.subscribe();
    let follower = Follower {
        study,
        shown,
        seen,
        begins: true,
        over: false,
    };
    stream(follower, |mut follower: Follower| async move {
        loop {
            if follower.over {
                return None;
            }
            // The first time something is sent in any case, so that the client knows that it is heard.
            let begins = std::mem::take(&mut follower.begins);
            let something = !begins && changed(&mut follower.shown).await?;
            follower.study.want();
            let shown = follower.shown.borrow_and_update().clone();
            let text = match shown {
                Shown::Gone => {
                    follower.over = true;
                    event("gone", None, &json(&json!({ "name": follower.study.directory.name() })))
                }
                Shown::Study(published) => {
                    let revision = published.revision;
                    match published.since(follower.seen.replace(revision)) {
                        News::Delta(delta) => event("delta", Some(revision), &delta),
                        News::Snapshot(snapshot) => event("snapshot", Some(revision), &snapshot),
                        News::Nothing if something => continue,
                        News::Nothing => ": \n\n".to_owned(),
                    }
                }
                Shown::Unread if something => continue,
                Shown::Unread => ": \n\n".to_owned(),
            };
            return Some((Ok(Bytes::from(text)), follower));
        }
    })
}

/// What becomes of the list of all; `whole` writes all of it.
pub(super) fn of_list(list: watch::Receiver<List>, whole: impl Fn(&List) -> String + Send + 'static) -> Response {
    struct Follower<W> {
        list: watch::Receiver<List>,
        sent: BTreeMap<String, u64>,
        whole: W,
        begins: bool,
    }
    let follower = Follower {
        list,
        sent: BTreeMap::new(),
        whole,
        begins: true,
    };
    stream(follower, |mut follower| async move {
        loop {
            let begins = std::mem::take(&mut follower.begins);
            let something = begins || changed(&mut follower.list).await?;
            let list = follower.list.borrow_and_update().clone();
            let revision = |entry: &Entry| (entry.name.clone(), entry.revision);
            let text = match begins {
                true => event("studies", None, &(follower.whole)(&list)),
                false => news(&follower.sent, &list),
            };
            follower.sent = list.entries.iter().map(revision).collect();
            match (text.is_empty(), something) {
                (false, _) => return Some((Ok(Bytes::from(text)), follower)),
                (true, false) => return Some((Ok(Bytes::from_static(b": \n\n")), follower)),
                (true, true) => {}
            }
        }
    })
}

/// The events for those who were sent entries of these revisions.
fn news(sent: &BTreeMap<String, u64>, list: &List) -> String {
    let is_new = |entry: &&Entry| sent.get(&entry.name) != Some(&entry.revision);
    let new = list
        .entries
        .iter()
        .filter(is_new)
        .map(|entry| event("study", None, &entry.json));
    let is_gone = |name: &&String| !list.entries.iter().any(|entry| entry.name == **name);
    let gone = sent.keys().filter(is_gone);
    let gone = gone.map(|name| event("gone", None, &json(&json!({ "name": name }))));
    new.chain(gone).collect()
}
