//! Who may ask for what: a page of this server, opened by somebody who was given its address.
//!
//! A page of another site that the same browser has open can send requests here (cross-site request forgery), and can make its own
//! name lead to this machine (DNS rebinding). The first is told by the `Origin`, the second by the `Host`, and neither knows the token.

use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;

use axum::http::header::{CONTENT_TYPE, COOKIE, HOST, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};

use crate::disk::sha256;

/// The header by which programs that are no browsers may give the token.
const TOKEN_HEADER: &str = "x-hpo-token";

/// The secret that the printed address has.
#[derive(Clone)]
pub(super) struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// A new one, of 128 random bits.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn draw() -> io::Result<Self> {
        let mut random = [0; 16];
        File::open("/dev/urandom")?.read_exact(&mut random)?;
        Ok(Self(random.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// It as it stands in the printed address, and in the cookie.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether somebody has given it. How long that takes says nothing about how much of it was right.
    pub fn is(&self, given: &str) -> bool {
        // Of digests that differ nobody learns anything of what they are of.
        let (own, given) = (sha256(self.0.as_bytes()), sha256(given.as_bytes()));
        let differing = own.bytes().zip(given.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
        std::hint::black_box(differing) == 0
    }
}

/// What is refused, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The name that the request is for is none of this machine's.
    Host,
    /// The request comes from a page of somebody else.
    Origin,
    /// The token is missing, or that of an earlier start.
    Token,
    /// The body is not announced as JSON.
    Type,
}

impl Refusal {
    pub fn status(self) -> StatusCode {
        match self {
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::Type => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            Self::Host => "the dashboard is not known by this name",
            Self::Origin => "the request comes from a page that is not the dashboard's",
            Self::Token => "the token is missing, or that of an earlier start of the dashboard",
            Self::Type => "the body must be announced as application/json",
        }
    }

    pub fn fix(self) -> &'static str {
        match self {
            Self::Host => "open the address that `hpo dashboard` has printed; from another machine, use: ssh -L",
            Self::Origin => "open the address that `hpo dashboard` has printed",
            Self::Token => {
                "open the address that `hpo dashboard` has printed; a program gives the token in the header X-HPO-Token"
            }
            Self::Type => "send the header `Content-Type: application/json`",
        }
    }
}

/// The rules of a server.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    /// The address that it listens on.
    pub address: IpAddr,
    /// The name of the machine, if it is known.
    pub machine: Option<String>,
    /// The port that it listens on, by which its cookie is named: a browser sends cookies to all ports of a machine.
    pub port: u16,
    pub token: Token,
}

impl Guard {
    /// Whether a request may be answered.
    ///
    /// # Errors
    /// If not, why.
    pub fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.filter(|host| self.is_known(host)).ok_or(Refusal::Host)?;
        let reads = method == Method::GET || method == Method::HEAD;
        match headers.get(ORIGIN) {
            Some(origin) if origin.as_bytes() == format!("http://{host}").as_bytes() => {}
            None if reads || self.has_header(headers) => {}
            // No page has sent this.
            None if !self.is_trusted(headers) => return Err(Refusal::Token),
            Some(_) | None => return Err(Refusal::Origin),
        }
        let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
        let destination = headers.get("sec-fetch-dest").map(|destination| destination.as_bytes());
        // A link on another page may lead here, but that page may not read or embed what is here.
        if matches!(site, Some(b"cross-site" | b"same-site")) && destination != Some(b"document") {
            return Err(Refusal::Origin);
        }
        if (!reads || !self.address.is_loopback()) && !self.is_trusted(headers) {
            return Err(Refusal::Token);
        }
        let is_json = |of: &str| {
            of.split(';')
                .next()
                .is_some_and(|kind| kind.trim() == "application/json")
        };
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        match reads || kind.is_some_and(is_json) {
            true => Ok(()),
            false => Err(Refusal::Type),
        }
    }

    /// Whether a request has the token.
    pub fn is_trusted(&self, headers: &HeaderMap) -> bool {
        let cookies = headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|cookies| cookies.to_str().ok());
        let mut cookies = cookies.flat_map(|cookies| cookies.split(';'));
        let name = self.cookie_name();
        let of_cookie = |cookie: &str| {
            cookie
                .trim()
                .strip_prefix(&name)?
                .strip_prefix('=')
                .map(|it| self.token.is(it))
        };
        self.has_header(headers) || cookies.any(|cookie| of_cookie(cookie).unwrap_or(false))
    }

    /// Whether a program has given the token. A page of somebody else can't send this header.
    fn has_header(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(TOKEN_HEADER).and_then(|given| given.to_str().ok());
        given.is_some_and(|given| self.token.is(given))
    }

    /// The cookie by which a browser has the token from now on. No script can read it, and no page of another site has it sent.
    pub fn cookie(&self) -> String {
        let (name, token) = (self.cookie_name(), self.token.text());
        format!("{name}={token}; HttpOnly; SameSite=Strict; Path=/")
    }

    fn cookie_name(&self) -> String {
        format!("hpo-{}", self.port)
    }

    /// Whether a name, perhaps with a port, is one of this machine's. The port may be another one, as with `ssh -L`.
    fn is_known(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            Some(_) | None => host,
        };
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let number = bare.unwrap_or(name).parse::<IpAddr>();
        let is_local = name.eq_ignore_ascii_case("localhost");
        match (self.address.is_loopback(), number) {
            (true, Ok(number)) => number.is_loopback(),
            (true, Err(_)) => is_local,
            // A number is no name that somebody could make lead elsewhere.
            (false, Ok(_)) => true,
            (false, Err(_)) => is_local || self.machine.as_deref().is_some_and(|own| is_machine(name, own)),
        }
    }
}

/// Whether a name is the machine's, with or without its domain.
fn is_machine(name: &str, own: &str) -> bool {
    let first = |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    name.eq_ignore_ascii_case(own) || (!first(own).is_empty() && first(name) == first(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(address: &str) -> Guard {
        Guard {
            address: address.parse().unwrap(),
            machine: Some("gpu-box.lab.example".into()),
            port: 8765,
            token: Token("0123456789abcdef".into()),
        }
    }

    fn checked(guard: &Guard, method: Method, headers: &[(&'static str, &str)]) -> Result<(), Refusal> {
        let headers = headers.iter().map(|(name, value)| {
            let name = axum::http::HeaderName::from_static(name);
            (name, value.parse().unwrap())
        });
        guard.check(&method, &headers.collect())
    }

    #[test]
    fn only_names_of_this_machine_are_answered() {
        let known = |address: &str, host: &str| guard(address).is_known(host);
        for host in [
            "localhost",
            "localhost:8765",
            "LOCALHOST:1",
            "127.0.0.1:9",
            "[::1]:8765",
            "127.3.2.1",
        ] {
            assert!(known("127.0.0.1", host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:8765",
            "192.168.1.2:8765",
            "gpu-box",
            "localhost:8765@evil.example",
            "[::1",
            "2130706433",
        ] {
            assert!(!known("127.0.0.1", host), "{host}");
        }
        for host in [
            "192.168.1.2:8765",
            "gpu-box:8765",
            "GPU-box.lan",
            "localhost:8765",
            "[fe80::1]:80",
        ] {
            assert!(known("0.0.0.0", host), "{host}");
        }
        for host in ["evil.example:8765", "gpu-box2", ""] {
            assert!(!known("0.0.0.0", host), "{host}");
        }
    }

    #[test]
    fn reading_on_this_machine_needs_no_token_and_all_else_does() {
        let (here, open) = (guard("127.0.0.1"), guard("0.0.0.0"));
        let host = ("host", "localhost:8765");
        let (origin, kind) = (
            ("origin", "http://localhost:8765"),
            ("content-type", "application/json"),
        );
        let cookie = ("cookie", "other=1; hpo-8765=0123456789abcdef");
        assert_eq!(checked(&here, Method::GET, &[host]), Ok(()));
        assert_eq!(checked(&open, Method::GET, &[host]), Err(Refusal::Token));
        assert_eq!(checked(&open, Method::GET, &[host, cookie]), Ok(()));
        assert_eq!(checked(&here, Method::POST, &[host, origin, kind]), Err(Refusal::Token));
        assert_eq!(checked(&here, Method::POST, &[host, origin, kind, cookie]), Ok(()));
        assert_eq!(
            checked(&here, Method::POST, &[host, origin, cookie]),
            Err(Refusal::Type)
        );
        assert_eq!(
            checked(&here, Method::POST, &[host, kind, cookie]),
            Err(Refusal::Origin)
        );
        for other in [
            "http://evil.example",
            "null",
            "https://localhost:8765",
            "http://localhost:80",
        ] {
            let origin = ("origin", other);
            assert_eq!(
                checked(&here, Method::POST, &[host, origin, kind, cookie]),
                Err(Refusal::Origin)
            );
            assert_eq!(
                checked(&here, Method::GET, &[host, origin]),
                Err(Refusal::Origin),
                "{other}"
            );
        }
        for wrong in [
            "hpo-8765=0123456789abcdee",
            "hpo-8766=0123456789abcdef",
            "hpo-8765=",
            "hpo-87650123456789abcdef",
        ] {
            assert_eq!(
                checked(&open, Method::GET, &[host, ("cookie", wrong)]),
                Err(Refusal::Token),
                "{wrong}"
            );
        }
        let embedded = [host, ("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "script")];
        assert_eq!(checked(&here, Method::GET, &embedded), Err(Refusal::Origin));
        let followed = [host, ("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "document")];
        assert_eq!(checked(&here, Method::GET, &followed), Ok(()));
        assert_eq!(checked(&here, Method::POST, &[host, kind]), Err(Refusal::Token));
        let program = [host, kind, ("x-hpo-token", "0123456789abcdef")];
        assert_eq!(checked(&here, Method::POST, &program), Ok(()));
    }
}
