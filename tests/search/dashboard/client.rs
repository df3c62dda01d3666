//! A client of a dashboard that sends whatever it is told to, byte for byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use hpo_test_support::Place;
use serde_json::Value;

/// A dashboard that runs, until this is dropped.
pub struct Served {
    child: Child,
    /// The address that it has printed.
    pub url: String,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

impl Served {
    /// Starts `hpo dashboard` on any port.
    pub fn start(place: &Place, arguments: &[&str]) -> Self {
        let mut command = place.hpo(&[&["dashboard", "--port", "0"], arguments].concat());
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .stdin(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line.trim().rsplit_once(' ').expect("it says where it is").1.to_owned();
        Self { child, url }
    }

    pub fn port(&self) -> u16 {
        port(&self.url)
    }

    /// The token that the address has.
    pub fn token(&self) -> &str {
        let token = self.url.split_once("?token=").unwrap().1;
        token.split('#').next().unwrap()
    }

    /// The cookie that a browser has once it has opened the address.
    pub fn cookie(&self) -> String {
        format!("Cookie: hpo-{}={}", self.port(), self.token())
    }

    /// Asks for a path as a browser does.
    pub fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[])
    }

    /// The same with further headers.
    pub fn get_with(&self, path: &str, headers: &[&str]) -> Answer {
        self.send("GET", path, headers, "")
    }

    pub fn send(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let host = format!("Host: localhost:{}", self.port());
        let length = format!("Content-Length: {}", body.len());
        let headers = [&[&*host, "Connection: close", &length], headers].concat().join("\r\n");
        let request = format!("{method} {path} HTTP/1.1\r\n{headers}\r\n\r\n{body}");
        self.raw(request.as_bytes())
    }

    /// Sends bytes, and reads until the server closes the connection.
    pub fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        // What is refused early is not read to its end.
        let _ = stream.write_all(request);
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        let text = String::from_utf8_lossy(&text).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Answer {
            status: status.unwrap_or_else(|| panic!("no answer to {:?}", String::from_utf8_lossy(request))),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    pub fn connect(&self) -> TcpStream {
        connect(self.port()).unwrap()
    }

    /// Follows server-sent events.
    pub fn events(&self, path: &str) -> Events {
        let mut stream = self.connect();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", self.port()).unwrap();
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(stream.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.to_lowercase().contains("text/event-stream"), "{head}");
        Events {
            stream,
            text: String::new(),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The port of an address that was printed.
pub fn port(url: &str) -> u16 {
    let host = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    host.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// A connection to a port of this machine. What waits for more than a minute fails.
pub fn connect(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    Ok(stream)
}

/// Events as they come.
pub struct Events {
    stream: BufReader<TcpStream>,
    text: String,
}

impl Events {
    /// The next event: its name and its data. Comments are passed over.
    #[track_caller]
    pub fn next(&mut self) -> (String, Value) {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let mut lines = event.lines();
                    lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned()))
                };
                let found = field("event").zip(field("data"));
                self.text = rest.to_owned();
                if let Some((name, data)) = found {
                    return (name, serde_json::from_str(&data).unwrap());
                }
            }
            self.read_chunk();
        }
    }

    /// The first event of which this is so.
    #[track_caller]
    pub fn until(&mut self, is: impl Fn(&str, &Value) -> bool) -> Value {
        loop {
            let (name, data) = self.next();
            if is(&name, &data) {
                return data;
            }
        }
    }

    fn read_chunk(&mut self) {
        let mut size = String::new();
        self.stream.read_line(&mut size).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).expect("a chunk begins with its size");
        assert!(size > 0, "the stream has ended");
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).unwrap();
        self.text += std::str::from_utf8(&chunk[..size]).unwrap();
    }
}
