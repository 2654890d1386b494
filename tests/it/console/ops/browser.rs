//! A browser of one signed-in user: it sends what a browser sends, follows no redirect by itself, and runs no script.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use otpost::domain::access::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Gateway, Setup, console};

/// A gateway with a console.
pub(crate) fn with_console(setup: Setup) -> Setup {
    setup.more("[console]\nlisten = \"127.0.0.1:0\"\n")
}

/// A user with these roles.
pub(crate) async fn signed_in(gateway: &Gateway, roles: &[&str]) -> Browser {
    Browser { address: gateway.console_address(), user: console::signed_in(gateway, &named(roles)).await }
}

/// A named user with these roles.
pub(crate) async fn user(gateway: &Gateway, name: &str, roles: &[&str]) -> Browser {
    Browser { address: gateway.console_address(), user: console::Browser::of(gateway, name, &named(roles)).await }
}

fn named(roles: &[&str]) -> Vec<Role> {
    roles.iter().map(|role| role.parse().unwrap()).collect()
}

pub(crate) struct Browser {
    address: std::net::SocketAddr,
    user: console::Browser,
}

#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Page {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The text that a reader sees, roughly: without tags, with single spaces.
    pub(crate) fn words(&self) -> String {
        let (mut words, mut is_tag) = (String::new(), false);
        for c in self.text().chars() {
            match c {
                '<' => is_tag = true,
                '>' => {
                    is_tag = false;
                    words.push(' ');
                }
                c if !is_tag => words.push(c),
                _ => {}
            }
        }
        for (entity, c) in [("&#x60;", "`"), ("&#x3D;", "="), ("&quot;", "\""), ("&#x27;", "'"), ("&amp;", "&")] {
            words = words.replace(entity, c);
        }
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    pub(crate) fn shows(&self, text: &str) -> &Self {
        assert!(self.words().contains(text), "{text} is not on the page: {} {}", self.status, self.words());
        self
    }

    /// Where the browser is sent to.
    #[track_caller]
    pub(crate) fn location(&self) -> String {
        assert_eq!(self.status, 303, "{}", self.words());
        self.header("location").to_owned()
    }
}

impl Browser {
    pub(crate) async fn get(&self, path: &str) -> Page {
        self.exchange("GET", path, None).await
    }

    /// Loads a page that must be there, and that no text from outside has changed.
    pub(crate) async fn page(&self, path: &str) -> Page {
        let page = self.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.words());
        assert!(page.body.len() <= 100 * 1024, "{path} has {} bytes", page.body.len());
        assert_eq!(page.text().matches("<h1>").count(), 1, "{path}");
        assert!(!page.text().contains("<script>") && !page.text().contains("onerror="), "{path}");
        page
    }

    /// Sends the form of a page, with its token.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("csrf", &self.user.csrf).extend_pairs(fields);
        self.exchange("POST", path, Some(form.finish())).await
    }

    async fn exchange(&self, method: &str, path: &str, form: Option<String>) -> Page {
        let (address, cookie) = (self.address, &self.user.cookie);
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n\
             Cookie: {cookie}\r\n"
        );
        let body = form.unwrap_or_default();
        if method == "POST" {
            let length = body.len();
            write!(head, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n").unwrap();
        }
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        read(&answer)
    }
}

fn read(answer: &[u8]) -> Page {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = response.parse(answer).unwrap() else { panic!("a cut answer") };
    let header =
        |it: &httparse::Header<'_>| (it.name.to_ascii_lowercase(), String::from_utf8_lossy(it.value).into_owned());
    let status = response.code.unwrap();
    let headers: BTreeMap<_, _> = response.headers.iter().map(header).collect();
    let is_chunked = headers.get("transfer-encoding").is_some_and(|it| it == "chunked");
    let body = if is_chunked { unchunked(&answer[length..]) } else { answer[length..].to_vec() };
    Page { status, headers, body }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|it| it == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 2 + size + 2..];
    }
}
