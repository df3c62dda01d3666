//! What must not work, tried over a raw socket.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;

use hpo_test_support::{Place, WHOLE};

use super::client::Served;

const SECRET: &str = "what nobody is to read";

/// A place with a study `s`, and a secret beside the studies.
fn place() -> Place {
    let place = Place::new();
    place.search(&place.space("s", 1, 1, WHOLE, "")).ok();
    fs::write(place.path("secret"), SECRET).unwrap();
    place
}

#[test]
fn no_path_leads_out_of_the_studies() {
    let place = place();
    let served = Served::start(&place, &[]);
    for path in [
        "/api/studies/..",
        "/api/studies/../../secret",
        "/../secret",
        "/..%2fsecret",
        "/%2e%2e/secret",
        "/api/studies/%2e%2e",
        "/api/studies/%2E%2E%2Fsecret",
        "/api/studies/..%2f..%2fsecret",
        "/api/studies/s%2f..%2f..%2fsecret",
        "/api/studies/s%00",
        "/api/studies/%00",
        "/api/studies/s/journal.jsonl",
        "/api/studies/s%2fjournal.jsonl",
        "/api/studies/%2fetc%2fpasswd",
        "//etc/passwd",
        "/etc/passwd",
        "/api/studies/.",
        "/api/studies/s/trials/..%2f..%2fsecret",
        "/api/studies/s/trials/0%00",
        "/api/studies/%ff",
        "/api/studies/.cache",
        "/assets/..%5c..%5csecret",
        "/app.js/..%2f..%2fsecret",
        "http://localhost/etc/passwd",
    ] {
        let answer = served.get(path);
        assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
        assert!(
            !answer.body.contains(SECRET) && !answer.body.contains("root:"),
            "{path}: {answer:?}"
        );
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{path}: {answer:?}"
        );
    }
    assert_eq!(served.get("/api/studies/s").status, 200, "it goes on");
}

#[test]
fn links_are_not_followed_out_of_the_studies() {
    let place = place();
    let outside = place.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::rename(place.study("s"), outside.join("s")).unwrap();
    symlink(outside.join("s"), place.study("linked")).unwrap();
    place.search(&place.space("own", 1, 1, WHOLE, "")).ok();
    let log = place.study("own").join("logs/trial-0000.log");
    let _ = fs::remove_file(&log);
    symlink(place.path("secret"), &log).unwrap();
    let served = Served::start(&place, &[]);
    let linked = served.get("/api/studies/linked").json();
    assert_eq!(linked["trials"], serde_json::json!([]));
    assert!(
        linked["study"]["error"]["text"].as_str().unwrap().contains("a link"),
        "{linked}"
    );
    let details = served.get("/api/studies/own/trials/0").json();
    assert!(details["log"].is_null(), "{details}");
    fs::remove_file(&log).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&log).status().unwrap();
    assert!(made.success());
    assert!(
        served.get("/api/studies/own/trials/0").json()["log"].is_null(),
        "a pipe is not waited for"
    );
}

#[test]
fn pages_of_others_and_names_of_others_are_refused() {
    let place = place();
    let served = Served::start(&place, &[]);
    let port = served.port();
    let asked = |host: &str, headers: &str| {
        let request = format!("GET /api/studies HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
        served.raw(request.as_bytes()).status
    };
    assert_eq!(asked(&format!("localhost:{port}"), ""), 200);
    assert_eq!(asked("127.0.0.1:7", ""), 200, "as through a tunnel");
    for host in [
        "evil.example",
        "evil.example:80",
        "localhost.evil.example",
        "192.168.0.1",
        "",
        "[::1",
        "a b",
    ] {
        assert!(asked(host, "") >= 400, "{host}");
    }
    assert!(
        served
            .raw(b"GET /api/studies HTTP/1.1\r\nConnection: close\r\n\r\n")
            .status
            >= 400
    );
    assert!(served.raw(b"GET /api/studies HTTP/1.0\r\n\r\n").status >= 400);
    for origin in ["http://evil.example", "null", "http://localhost:1", "file://"] {
        assert_eq!(asked("localhost", &format!("Origin: {origin}\r\n")), 403, "{origin}");
    }
    let embedded = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Dest: script\r\n";
    assert_eq!(asked("localhost", embedded), 403);
    for body in ["{}", ""] {
        let answer = served.send("POST", "/api/studies/s/stop", &["Content-Type: text/plain"], body);
        assert!([401, 403].contains(&answer.status), "{answer:?}");
    }
    let preflight = served.send("OPTIONS", "/api/studies/s/stop", &["Origin: http://evil.example"], "");
    assert!(preflight.status >= 400 && preflight.header("access-control-allow-origin").is_none());
}

#[test]
fn whoever_listens_elsewhere_wants_the_token_for_everything() {
    let place = place();
    let served = Served::start(&place, &["--listen", "0.0.0.0"]);
    let token = served.token().to_owned();
    for path in [
        "/",
        "/app.js",
        "/api/studies",
        "/api/events",
        "/api/studies/s",
        "/nothing",
        "/?token=",
        "/?token=00",
    ] {
        let answer = served.get(path);
        assert_eq!(answer.status, 401, "{path}: {answer:?}");
        assert!(answer.body.contains("hpo dashboard"), "{answer:?}");
    }
    let wrong = format!("Cookie: hpo-{}={}", served.port(), token.replace(|_: char| true, "0"));
    assert_eq!(served.get_with("/api/studies", &[&wrong]).status, 401);
    let admitted = served.get(&format!("/?token={token}"));
    assert_eq!((admitted.status, admitted.header("Location")), (303, Some("/")));
    let cookie = admitted.header("Set-Cookie").unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    let all = served.get_with("/api/studies", &[&cookie]);
    assert_eq!((all.status, &all.json()["can_change"]), (200, &true.into()));
    assert!(!all.body.contains(&token) && !served.get_with("/", &[&cookie]).body.contains(&token));
    assert_eq!(
        served
            .get_with("/api/studies", &[&format!("X-HPO-Token: {token}")])
            .status,
        200
    );
}

#[test]
fn a_page_may_do_nothing_that_is_not_from_here() {
    let place = place();
    let served = Served::start(&place, &[]);
    for path in ["/", "/app.js", "/api/studies", "/api/studies/s", "/nothing"] {
        let answer = served.get(path);
        let policy = answer.header("Content-Security-Policy").unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self';",
            "style-src 'self';",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("Referrer-Policy"), Some("no-referrer"), "{path}");
    }
    assert!(
        served
            .get("/api/studies")
            .header("Content-Type")
            .unwrap()
            .starts_with("application/json")
    );
}

#[test]
fn neither_slow_nor_endless_requests_keep_others_waiting() {
    let place = place();
    let served = Served::start(&place, &[]);
    let mut slow = Vec::new();
    for number in 0..64 {
        let mut stream = served.connect();
        let begun: &[u8] = match number % 3 {
            0 => b"",
            1 => b"GET /api/stu",
            _ => b"GET /api/studies/s/events HTTP/1.1\r\nHost: localhost\r\n\r\n",
        };
        stream.write_all(begun).unwrap();
        slow.push(stream);
    }
    assert_eq!(served.get("/api/studies/s").status, 200);
    let long = format!("X: {}", "y".repeat(1 << 20));
    assert_eq!(served.get_with("/api/studies", &[&long]).status, 431);
    let many = (0..1000)
        .map(|number| format!("X-{number}: 1"))
        .collect::<Vec<_>>()
        .join("\r\n");
    assert_eq!(served.get_with("/api/studies", &[&many]).status, 431);
    assert!(served.get(&format!("/{}", "x".repeat(1 << 20))).status >= 400);
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
    ] {
        let mut stream = served.connect();
        stream.write_all(nonsense).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
    }
    assert_eq!(served.get("/api/studies/s").status, 200, "it goes on");
    drop(slow);
}
