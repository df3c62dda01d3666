//! What pages may have done with a study: what the commands do too.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use hpo_protocol::Values;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::answers::{App, answer, no_study, read, refusal, went_wrong};
use super::rows::json;
use super::watched::Watched;
use crate::ids::{MAX_TRIALS, TrialId};
use crate::session::{Done, RequestError, carry_out, stop as stop_search};
use crate::shell::about;
use crate::store::{Request, StudyDirectory};
use crate::study::{Limits, StopSpec, Study};
use crate::study_file::given;
use crate::view::{MISSING, store_help};

/// A body may have so many bytes.
const BODY: usize = 64 << 10;

/// How long a client may take to send a body.
const SENT: Duration = Duration::from_secs(10);

/// Why something is not done.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    error: String,
    fix: Option<String>,
    /// The parameter that is at fault.
    parameter: Option<String>,
}

impl Refused {
    fn new(status: StatusCode, error: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
            fix: Some(fix.into()),
            parameter: None,
        }
    }

    /// That no process has the study.
    fn not_running(directory: &StudyDirectory) -> Self {
        let error = format!("the study {} is not running", directory.name());
        Self::new(
            StatusCode::CONFLICT,
            error,
            format!("start it by: {}", about(directory.root(), ["resume"])),
        )
    }
}

impl From<RequestError> for Refused {
    fn from(error: RequestError) -> Self {
        let fix = match &error {
            RequestError::Session(crate::session::SessionError::Store(error)) => store_help(error),
            RequestError::Session(_) | RequestError::Unanswered(_) => None,
        };
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            error: error.to_string(),
            fix,
            parameter: None,
        }
    }
}

/// What was done, in words.
type Outcome = Result<String, Refused>;

/// Limits as a page sets them. What is left out stays as it is, and null takes a limit away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    trials: Option<u64>,
    #[serde(default, deserialize_with = "given_or_null")]
    time_ms: Option<Option<u64>>,
    #[serde(default, deserialize_with = "given_or_null")]
    resource: Option<Option<u64>>,
    #[serde(default, deserialize_with = "given_or_null")]
    no_better: Option<Option<u64>>,
}

fn given_or_null<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// A configuration, some or all of its values.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Configuration {
    parameters: Values,
}

/// What needs no more to be said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

pub(super) async fn stop(State(app): State<Arc<App>>, Path(name): Path<String>, body: Body) -> Response {
    act(&app, &name, body, |study, Nothing {}| {
        let directory = &study.directory;
        match stop_search(directory)? {
            true => Ok(format!(
                "stopped; resume it by: {}",
                about(directory.root(), ["resume"])
            )),
            false => Err(Refused::not_running(directory)),
        }
    })
    .await
}

pub(super) async fn pause(State(app): State<Arc<App>>, Path(name): Path<String>, body: Body) -> Response {
    act(&app, &name, body, |study, Nothing {}| {
        let done = "paused: what was being trained is saved, and nothing is begun".to_owned();
        request(&study.directory, &Request::Pause, done)
    })
    .await
}

pub(super) async fn resume(State(app): State<Arc<App>>, Path(name): Path<String>, body: Body) -> Response {
    act(&app, &name, body, |study, Nothing {}| {
        request(&study.directory, &Request::Resume, "the search goes on".to_owned())
    })
    .await
}

pub(super) async fn limits(State(app): State<Arc<App>>, Path(name): Path<String>, body: Body) -> Response {
    act(&app, &name, body, |study, wanted: Wanted| {
        let limits = known(&study, |study| raised(study, &wanted))??;
        let done = "the limits are changed; they hold until those in the study's file are changed".to_owned();
        request(&study.directory, &Request::Limits { limits }, done)
    })
    .await
}

pub(super) async fn enqueue(State(app): State<Arc<App>>, Path(name): Path<String>, body: Body) -> Response {
    act(&app, &name, body, |study, Configuration { parameters }| {
        let parameters = known(&study, |study| given(study, &parameters))?;
        let parameters = parameters.map_err(|wrong| Refused {
            status: StatusCode::BAD_REQUEST,
            error: wrong.message,
            fix: Some(wrong.help),
            parameter: wrong.parameter,
        })?;
        let done = "enqueued: it is tried with the next trials that are drawn".to_owned();
        request(&study.directory, &Request::Enqueue { parameters }, done)
    })
    .await
}

pub(super) async fn end(State(app): State<Arc<App>>, Path((name, id)): Path<(String, String)>, body: Body) -> Response {
    act(&app, &name, body, move |study, Nothing {}| {
        let missing = || Refused {
            status: StatusCode::NOT_FOUND,
            error: "the study has no such trial".to_owned(),
            fix: None,
            parameter: None,
        };
        let trial = TrialId(id.parse().map_err(|_| missing())?);
        let state = known(&study, |study| study.trial(trial).map(|trial| trial.state.clone()))?;
        let state = state.ok_or_else(missing)?;
        if state.is_final() {
            let error = format!("trial {trial} has already ended: it is {}", state.word());
            return Err(Refused::new(StatusCode::CONFLICT, error, "choose one that has not"));
        }
        request(
            &study.directory,
            &Request::StopTrial { trial },
            format!("trial {trial} is ended"),
        )
    })
    .await
}

/// Has something done with a study, as the body asks, without keeping others waiting.
async fn act<B: DeserializeOwned + Send + 'static>(
    app: &App,
    name: &str,
    body: Body,
    what: impl FnOnce(Arc<Watched>, B) -> Outcome + Send + 'static,
) -> Response {
    let bytes = match timeout(SENT, to_bytes(body, BODY)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            return refusal(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the body is too large, or is cut short",
                None,
            );
        }
        Err(_) => return refusal(StatusCode::REQUEST_TIMEOUT, "the body takes too long", None),
    };
    let asked = match serde_json::from_slice(&bytes) {
        Ok(asked) => asked,
        Err(error) => {
            let error = format!("the body is not what is asked for: {error}");
            return refusal(StatusCode::BAD_REQUEST, &error, None);
        }
    };
    let Some((study, _)) = read(app, name).await else {
        return no_study();
    };
    let done = spawn_blocking(move || what(study, asked)).await;
    match done {
        Ok(Ok(message)) => answer(StatusCode::OK, json(&json!({ "ok": true, "message": message }))),
        Ok(Err(refused)) => {
            let Refused {
                status,
                error,
                fix,
                parameter,
            } = refused;
            let mut text = json!({ "error": error, "fix": fix });
            if let Some(parameter) = parameter {
                text["parameter"] = Value::from(parameter);
            }
            answer(status, json(&text))
        }
        Err(_) => went_wrong(),
    }
}

/// Has a request carried out, whose outcome is `done`.
fn request(directory: &StudyDirectory, request: &Request, done: String) -> Outcome {
    match carry_out(directory, request)? {
        Done::ByItsProcess => Ok(done),
        Done::Here => {
            let resume = about(directory.root(), ["resume"]);
            Ok(format!("{done}. The search is not running: start it by: {resume}"))
        }
        Done::NotRunning => Err(Refused::not_running(directory)),
    }
}

/// What a study that can be read says.
fn known<T>(study: &Watched, question: impl FnOnce(&Study) -> T) -> Result<T, Refused> {
    let answered = study.ask(|reader, _| question(reader.study()));
    answered.ok_or_else(|| Refused::new(StatusCode::CONFLICT, "the study can't be read", MISSING))
}

/// The limits that a study has with what is wanted.
fn raised(study: &Study, wanted: &Wanted) -> Result<Limits, Refused> {
    let refused = |error: String, fix: &str| Err(Refused::new(StatusCode::BAD_REQUEST, error, fix));
    let now = study.spec().limits();
    let trials = wanted.trials.unwrap_or(now.trials);
    if trials < now.trials {
        let error = format!("the study has {} trials, which can only become more", now.trials);
        return refused(error, "give a higher number; to end the search now, stop it");
    }
    if trials > MAX_TRIALS {
        return refused(
            format!("no study has more than {MAX_TRIALS} trials"),
            "give a lower number",
        );
    }
    let given = [wanted.time_ms, wanted.resource, wanted.no_better];
    if given.contains(&Some(Some(0))) {
        return refused(
            "a limit of 0 would end the search at once".to_owned(),
            "to end it now, stop it",
        );
    }
    Ok(Limits {
        trials,
        stop: StopSpec {
            time_ms: wanted.time_ms.unwrap_or(now.stop.time_ms),
            resource: wanted.resource.unwrap_or(now.stop.resource),
            no_better: wanted.no_better.unwrap_or(now.stop.no_better),
        },
        ..now
    })
}
