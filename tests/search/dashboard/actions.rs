//! What pages may have done: pausing, going on, ending, raising limits and trying configurations.

use hpo_test_support::{Place, WHOLE};
use serde_json::{Value, json};

use super::client::{Answer, Served};

/// Asks for something as the dashboard's own page does.
fn post(served: &Served, path: &str, body: &Value) -> Answer {
    let origin = format!("Origin: http://localhost:{}", served.port());
    let headers = [&*served.cookie(), &origin, "Content-Type: application/json"];
    served.send("POST", &format!("/api/studies/{path}"), &headers, &body.to_string())
}

#[track_caller]
fn done(answer: Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["ok"], true);
    answer.json()["message"].as_str().unwrap().to_owned()
}

#[track_caller]
fn refused(answer: Answer, status: u16, parts: &[&str]) {
    assert_eq!(answer.status, status, "{answer:?}");
    for part in parts {
        assert!(answer.body.contains(part), "no {part:?} in {answer:?}");
    }
}

#[test]
fn a_search_is_paused_steered_and_ended_from_its_page() {
    let place = Place::new();
    let file = place.space("s", 4, 2, WHOLE, "");
    let mut search = place.start_with(&file, &[("HPO_TEST_EPOCH", "600")]);
    assert!(search.wait_for("on slot", 2));
    let served = Served::start(&place, &[]);
    let mut events = served.events("/api/studies/s/events");
    done(post(&served, "s/pause", &json!({})));
    let of_study = |data: &Value| data["study"]["state"].as_str().unwrap_or_default().to_owned();
    events.until(|_, data| of_study(data) == "paused");
    assert!(
        search.wait_for("stopped and saved", 2),
        "what was being trained is saved"
    );
    let status = place.run(&["status", "s"]).ok().stdout();
    assert!(status.contains("paused by the user"), "{status}");
    done(post(&served, "s/trials/3/end", &json!({})));
    refused(post(&served, "s/trials/3/end", &json!({})), 409, &["has already ended"]);
    refused(post(&served, "s/trials/9/end", &json!({})), 404, &["no such trial"]);
    done(post(&served, "s/enqueue", &json!({ "parameters": { "x": 0.25 } })));
    done(post(&served, "s/limits", &json!({ "trials": 7, "no_better": 50 })));
    let data = events.until(|_, data| data["study"]["limits"]["no_better"] == 50);
    assert_eq!(data["study"]["planned"], 7);
    done(post(&served, "s/resume", &json!({})));
    events.until(|_, data| of_study(data) == "running");
    assert!(search.wait_for("on slot", 2), "it goes on");
    assert!(done(post(&served, "s/stop", &json!({}))).contains("hpo resume"));
    assert_eq!(search.wait().0, 130);

    place.search(&file).ok();
    let trials = place.run(&["trials", "s", "--json"]).json();
    let trials = trials.as_array().unwrap();
    assert_eq!(trials.len(), 7);
    assert_eq!(trials[4]["parameters"]["x"], 0.25);
    assert_eq!(trials[3]["state"], "pruned");
    let page = served.get("/api/studies/s").json();
    assert_eq!(page["trials"][4]["origin"], "enqueued");
}

#[test]
fn what_makes_no_sense_is_refused_with_what_to_do() {
    let place = Place::new();
    let file = place.space("s", 2, 1, WHOLE, "");
    place.search(&file).ok();
    let served = Served::start(&place, &[]);
    for action in ["stop", "pause", "resume", "limits"] {
        let answer = post(&served, &format!("s/{action}"), &json!({}));
        refused(answer, 409, &["is not running", "start it by: hpo resume"]);
    }
    let enqueue = |parameters: Value| post(&served, "s/enqueue", &json!({ "parameters": parameters }));
    refused(
        enqueue(json!({ "x": 2.0 })),
        400,
        &["`x` is never 2", "\"parameter\":\"x\""],
    );
    refused(enqueue(json!({ "x": "a\nb" })), 400, &["\"parameter\":\"x\""]);
    refused(enqueue(json!({ "y": 1 })), 400, &["no parameter `y`"]);
    refused(enqueue(json!({ "x": [1] })), 400, &["\"parameter\":\"x\""]);
    refused(enqueue(json!({})), 400, &["has no values"]);
    refused(
        post(&served, "s/enqueue", &json!({ "x": 1 })),
        400,
        &["the body is not what"],
    );
    refused(
        post(&served, "s/limits", &json!({ "trials": 1 })),
        400,
        &["only become more"],
    );
    refused(post(&served, "s/limits", &json!({ "time_ms": 0 })), 400, &["at once"]);
    refused(post(&served, "t/stop", &json!({})), 404, &["no study"]);
    refused(post(&served, "s/delete", &json!({})), 404, &[]);
    refused(post(&served, "s", &json!({})), 405, &[]);
    let large = json!({ "parameters": { "x": "y".repeat(1 << 20) } });
    refused(post(&served, "s/enqueue", &large), 413, &["too large"]);
    let said = done(enqueue(json!({ "x": 0.5 })));
    assert!(said.contains("not running") && said.contains("hpo resume"), "{said}");
    assert_eq!(place.facts("s", "enqueued").len(), 1);
}

#[test]
fn nothing_is_changed_without_the_token_and_the_origin() {
    let place = Place::new();
    place.search(&place.space("s", 1, 1, WHOLE, "")).ok();
    let served = Served::start(&place, &[]);
    let (cookie, kind) = (served.cookie(), "Content-Type: application/json".to_owned());
    let origin = format!("Origin: http://localhost:{}", served.port());
    let wrong = cookie.replace(served.token(), &"0".repeat(32));
    let program = format!("X-HPO-Token: {}", served.token());
    for (headers, status) in [
        (vec![&origin, &kind], 401),
        (vec![&origin, &kind, &wrong], 401),
        (vec![&cookie, &kind], 403),
        (vec![&cookie, &origin], 415),
        (vec![&cookie, &origin, &kind], 200),
        (vec![&program, &kind], 200),
    ] {
        let headers: Vec<&str> = headers.into_iter().map(String::as_str).collect();
        let before = place.facts("s", "enqueued").len();
        let body = json!({ "parameters": { "x": 0.5 + before as f64 / 8.0 } }).to_string();
        let answer = served.send("POST", "/api/studies/s/enqueue", &headers, &body);
        assert_eq!(answer.status, status, "{headers:?}: {answer:?}");
        let changed = place.facts("s", "enqueued").len() - before;
        assert_eq!(changed, usize::from(status == 200), "{headers:?}");
    }
}
