//! The REST API of an MLflow tracking server, as far as runs need it.

use serde_json::{Value, json};

use super::super::ExportError;
use super::http::{Request, escaped, exchange};

/// The scheme of artefacts that the server takes by its own API.
const PROXIED: &str = "mlflow-artifacts:";

/// A server.
pub(super) struct Server {
    address: String,
    /// Its host, perhaps with a port.
    host: String,
    /// What is before all paths.
    prefix: String,
}

/// A run on it.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub id: String,
    /// Where its artefacts are.
    artifacts: String,
}

impl Server {
    /// The one at an address; none if that can't be one.
    pub fn new(address: &str) -> Option<Self> {
        let address = address.trim_end_matches('/');
        let place = address.strip_prefix("http://")?;
        let (host, prefix) = place.split_at(place.find('/').unwrap_or(place.len()));
        let plain = |c: char| c.is_ascii_graphic();
        (!host.is_empty() && place.chars().all(plain)).then(|| Self {
            address: address.to_owned(),
            host: host.to_owned(),
            prefix: prefix.to_owned(),
        })
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// The experiment of that name, which is made if there is none.
    pub fn experiment(&self, name: &str) -> Result<String, ExportError> {
        let call = format!("mlflow/experiments/get-by-name?experiment_name={}", escaped(name));
        let (status, answer) = self.ask("GET", &call, "application/json", b"")?;
        let answer = match status {
            404 => {
                return self.text(
                    &self.post("experiments/create", &json!({ "name": name }))?,
                    "/experiment_id",
                );
            }
            _ => self.accepted(status, &answer)?,
        };
        self.text(&answer, "/experiment/experiment_id")
    }

    /// Some of the runs of an experiment for which a filter holds, if there are any.
    pub fn search(&self, experiment: &str, filter: &str) -> Result<Vec<String>, ExportError> {
        let asked = json!({ "experiment_ids": [experiment], "filter": filter, "max_results": 1000 });
        let answer = self.post("runs/search", &asked)?;
        let runs = answer["runs"].as_array().cloned().unwrap_or_default();
        runs.iter().map(|run| self.text(run, "/info/run_id")).collect()
    }

    pub fn create_run(&self, run: Value) -> Result<Run, ExportError> {
        let answer = self.post("runs/create", &run)?;
        Ok(Run {
            id: self.text(&answer, "/run/info/run_id")?,
            artifacts: self.text(&answer, "/run/info/artifact_uri")?,
        })
    }

    /// Adds `metrics`, `params` or `tags` to a run.
    pub fn log(&self, run: &Run, kind: &str, values: &[Value]) -> Result<(), ExportError> {
        self.post("runs/log-batch", &json!({ "run_id": run.id, kind: values }))
            .map(drop)
    }

    /// Sets where a run stands; with `ended`, it has ended then.
    pub fn update(&self, run: &Run, status: &str, ended: Option<u64>) -> Result<(), ExportError> {
        let update = json!({ "run_id": run.id, "status": status, "end_time": ended });
        self.post("runs/update", &update).map(drop)
    }

    pub fn delete(&self, run: &str) -> Result<(), ExportError> {
        self.post("runs/delete", &json!({ "run_id": run })).map(drop)
    }

    /// Adds a file to a run, if the server takes files; others are kept where only its clients come.
    pub fn put_artifact(&self, run: &Run, name: &str, bytes: Vec<u8>) -> Result<(), ExportError> {
        let Some(place) = run.artifacts.strip_prefix(PROXIED) else {
            return Ok(());
        };
        // There may be a host before the path.
        let path = match place.strip_prefix("//") {
            Some(rest) => rest.split_once('/').map_or("", |(_, path)| path),
            None => place.trim_start_matches('/'),
        };
        let call = format!("mlflow-artifacts/artifacts/{path}/{name}");
        let (status, answer) = self.ask("PUT", &call, "application/octet-stream", &bytes)?;
        self.accepted(status, &answer).map(drop)
    }

    fn post(&self, call: &str, body: &Value) -> Result<Value, ExportError> {
        let body = body.to_string();
        let (status, answer) = self.ask("POST", &format!("mlflow/{call}"), "application/json", body.as_bytes())?;
        self.accepted(status, &answer)
    }

    fn ask(&self, method: &str, call: &str, content: &str, body: &[u8]) -> Result<(u16, Vec<u8>), ExportError> {
        let path = &format!("{}/api/2.0/{call}", self.prefix);
        let request = Request {
            method,
            path,
            content,
            body,
        };
        exchange(&self.host, &request).map_err(|error| self.refused(error.to_string()))
    }

    fn accepted(&self, status: u16, answer: &[u8]) -> Result<Value, ExportError> {
        let value: Value = serde_json::from_slice(answer).unwrap_or_default();
        match status {
            200..300 => Ok(value),
            _ => Err(self.refused(match value["message"].as_str() {
                Some(message) => message.to_owned(),
                None => format!("it answers with HTTP status {status}, as no MLflow tracking server does"),
            })),
        }
    }

    fn text(&self, answer: &Value, pointer: &str) -> Result<String, ExportError> {
        let text = answer.pointer(pointer).and_then(Value::as_str);
        text.map(str::to_owned)
            .ok_or_else(|| self.refused("its answer is not that of an MLflow tracking server".into()))
    }

    fn refused(&self, reason: String) -> ExportError {
        ExportError::Server {
            address: self.address.clone(),
            reason,
        }
    }
}
