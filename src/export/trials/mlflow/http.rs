//! One request and its answer over HTTP without encryption.
//!
//! It is HTTP/1.0 (RFC 1945), in which the answer ends with the connection: there is nothing else to agree on.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long the server may take to accept a connection, and to send or take the next part of what is exchanged.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is sent.
pub(super) struct Request<'a> {
    /// GET, POST or PUT.
    pub method: &'a str,
    /// The path, with the query.
    pub path: &'a str,
    /// The type of the body.
    pub content: &'a str,
    pub body: &'a [u8],
}

/// The status and the body of the answer of a host, such as `localhost:5000`; the port is 80 if there is none.
///
/// # Errors
/// If it can't be reached, or does not answer in HTTP.
pub(super) fn exchange(host: &str, request: &Request<'_>) -> io::Result<(u16, Vec<u8>)> {
    let mut stream = connect(host)?;
    let Request {
        method,
        path,
        content,
        body,
    } = request;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\nContent-Type: {content}\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "it does not answer in HTTP"))
}

fn connect(host: &str) -> io::Result<TcpStream> {
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let place = if has_port {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let mut last = io::Error::new(ErrorKind::NotFound, "there is no such host");
    for address in place.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    const END: &[u8] = b"\r\n\r\n";
    let end = answer.windows(END.len()).position(|bytes| bytes == END)?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.strip_prefix("HTTP/")?.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer[end + END.len()..].to_vec()))
}

/// A text as a part of a query: all but letters, digits and `-._~` as escapes (RFC 3986).
pub(super) fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_apart_and_queries_escaped() {
        assert_eq!(
            parse(b"HTTP/1.1 404 Not Found\r\nServer: x\r\n\r\n{\"a\":\r\n\r\n1}"),
            Some((404, b"{\"a\":\r\n\r\n1}".to_vec()))
        );
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\n\r\n"), Some((200, Vec::new())));
        for wrong in ["", "HTTP/1.1 200 OK\r\n", "SSH-2.0\r\n\r\n", "HTTP/1.1\r\n\r\n"] {
            assert_eq!(parse(wrong.as_bytes()), None);
        }
        assert_eq!(escaped("größe a/b&c"), "gr%C3%B6%C3%9Fe%20a%2Fb%26c");
    }
}
