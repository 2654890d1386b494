//! Users of the console with a browser each: it keeps its cookie, and puts the token of its session into every form.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use otpost::domain::access::Role;
use otpost::domain::audit_event::Actor;
use otpost::domain::clock::{Clock, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Gateway;
use super::sender::{self, Answer, Identity, Line, tls};

/// The password of every user here.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Settings of a gateway with a console on loopback.
pub(crate) const CONSOLE: &str = "[console]\nlisten = \"127.0.0.1:0\"\n";

/// One request, so that a test can change any part of it.
pub(crate) struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn get(path: &str) -> Self {
        Self::of("GET", path)
    }

    /// A request without headers and body.
    pub(crate) fn of(method: &'static str, path: &str) -> Self {
        Self { method, path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// A form as a browser posts it from a page of the console.
    pub(crate) fn post(path: &str, fields: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let form = Self { method: "POST", path: path.to_owned(), headers: Vec::new(), body: body.into_bytes() };
        form.header("Content-Type", "application/x-www-form-urlencoded").header("Sec-Fetch-Site", "same-origin")
    }

    pub(crate) fn put(path: &str, body: &str) -> Self {
        Self { method: "PUT", path: path.to_owned(), headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    /// Sets a header; an empty value removes it.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(held, _)| held != name);
        if !value.is_empty() {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        self.body = body.as_bytes().to_vec();
        self
    }

    /// Sends it without TLS on a connection of its own.
    pub(crate) async fn send(&self, to: SocketAddr) -> Answer {
        sender::read_answer(&self.exchange(to).await)
    }

    async fn exchange(&self, to: SocketAddr) -> Vec<u8> {
        let mut stream = TcpStream::connect(to).await.unwrap();
        // The console closes the connection during a request that is too large.
        let _ = stream.write_all(&self.bytes()).await;
        let mut inbox = Vec::new();
        let _ = stream.read_to_end(&mut inbox).await;
        inbox
    }

    /// Sends it over TLS.
    pub(crate) async fn send_tls(&self, to: SocketAddr) -> Answer {
        let mut line = Line::try_open(to, tls(None)).await.unwrap();
        line.send(&self.bytes()).await;
        line.answer().await.unwrap()
    }

    /// Sends it over TLS with a client certificate; `None` if there is no answer.
    pub(crate) async fn try_send_tls(&self, to: SocketAddr, identity: Option<&Identity>) -> Option<Answer> {
        let mut line = Line::try_open(to, tls(identity)).await.ok()?;
        line.send(&self.bytes()).await;
        line.answer().await.ok()
    }

    /// Sends a file in a form, as a browser does.
    fn upload(path: &str, fields: &[(&str, &str)], (name, file): (&str, &[u8])) -> Self {
        let part = |head: &str, content: &[u8]| {
            [format!("--mark\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes(), content, b"\r\n"].concat()
        };
        let mut body = Vec::new();
        for (name, value) in fields {
            body.extend(part(&format!("name=\"{name}\""), value.as_bytes()));
        }
        body.extend(part(&format!("name=\"file\"; filename=\"{name}\""), file));
        body.extend(b"--mark--\r\n");
        let form = Self { method: "POST", path: path.to_owned(), headers: Vec::new(), body };
        form.header("Content-Type", "multipart/form-data; boundary=mark").header("Sec-Fetch-Site", "same-origin")
    }

    fn bytes(&self) -> Vec<u8> {
        let Self { method, path, headers, body } = self;
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        for (name, value) in headers {
            write!(text, "{name}: {value}\r\n").unwrap();
        }
        write!(text, "Content-Length: {}\r\n\r\n", body.len()).unwrap();
        [text.as_bytes(), body].concat()
    }
}

/// A signed-in user.
pub(crate) struct Browser {
    pub(crate) name: String,
    pub(crate) cookie: String,
    pub(crate) csrf: String,
    /// What the user's authenticator app knows.
    pub(crate) secret: String,
    pub(crate) recovery_codes: Vec<String>,
    address: SocketAddr,
}

impl Browser {
    /// Adds a user with these roles, who sets up password and app.
    pub(crate) async fn of(gateway: &Gateway, name: &str, roles: &[Role]) -> Self {
        let users = gateway.users();
        let by = Actor::Operator("test".to_owned());
        let code = users.add(&by, name, roles).await.unwrap();
        Self::set_up(gateway, name, code.text()).await
    }

    /// Sets up password and app with a set-up code.
    pub(crate) async fn set_up(gateway: &Gateway, name: &str, code: &str) -> Self {
        let address = gateway.console_address();
        let page = Request::get(&format!("/welcome?code={code}")).send(address).await.expect_status(200);
        let secret = hidden(&page.body, "secret");
        let fields = [
            ("setup", code),
            ("password", PASSWORD),
            ("repeated", PASSWORD),
            ("secret", &secret),
            ("code", &one_time_code(&secret, gateway.now())),
        ];
        let done = Request::post("/welcome", &fields).send(address).await.expect_status(200);
        let listed = done.body.split("<li>").filter_map(|part| part.split_once("</li>")).map(|(code, _)| code);
        let recovery_codes = listed.filter(|it| it.len() == 19 && !it.contains('<')).map(str::to_owned).collect();
        Self { secret, recovery_codes, ..Self::with_cookie(gateway, name, &cookie_of(&done)).await }
    }

    /// Signs in with the password and what is typed as code.
    pub(crate) async fn sign_in(gateway: &Gateway, name: &str, code: &str) -> Self {
        let done = try_sign_in(gateway, name, PASSWORD, code).await.expect_status(303);
        Self::with_cookie(gateway, name, &cookie_of(&done)).await
    }

    /// A browser that is signed in with this cookie.
    pub(crate) async fn with_cookie(gateway: &Gateway, name: &str, cookie: &str) -> Self {
        let mut browser = Self {
            name: name.to_owned(),
            cookie: cookie.to_owned(),
            csrf: String::new(),
            secret: String::new(),
            recovery_codes: Vec::new(),
            address: gateway.console_address(),
        };
        browser.csrf = hidden(&browser.get("/account").await.expect_status(200).body, "csrf");
        browser
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path)).await
    }

    /// With further header lines.
    pub(crate) async fn get_with(&self, path: &str, headers: &str) -> Answer {
        let lines = headers.lines().filter_map(|line| line.split_once(": "));
        self.send(lines.fold(Request::get(path), |request, (name, value)| request.header(name, value))).await
    }

    /// A page that there is.
    #[track_caller]
    pub(crate) fn page(&self, path: &str) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            let answer = self.get(path).await;
            assert_eq!(answer.status, 200, "{path} from {caller}: {}", answer.body);
            answer.body
        }
    }

    /// Posts a form with the token of the session.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(Request::post(path, &self.with_token(fields))).await
    }

    /// Sends a form with a file.
    pub(crate) async fn upload(&self, path: &str, fields: &[(&str, &str)], file: (&str, &[u8])) -> Answer {
        self.send(Request::upload(path, &self.with_token(fields), file)).await
    }

    pub(crate) fn with_token<'a>(&'a self, fields: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        [("csrf", self.csrf.as_str())].into_iter().chain(fields.iter().copied()).collect()
    }

    /// Sends a request with the cookie, whose answer may be any file.
    pub(crate) async fn fetch(&self, request: Request) -> (Answer, Vec<u8>) {
        sender::read_file(&request.header("Cookie", &self.cookie).exchange(self.address).await)
    }

    /// Sends a request with the cookie.
    pub(crate) async fn send(&self, request: Request) -> Answer {
        request.header("Cookie", &self.cookie).send(self.address).await
    }
}

/// A new user with these roles.
pub(crate) async fn signed_in(gateway: &Gateway, roles: &[Role]) -> Browser {
    static USERS: AtomicUsize = AtomicUsize::new(0);
    let name = format!("user-{}", USERS.fetch_add(1, Ordering::Relaxed));
    Browser::of(gateway, &name, roles).await
}

/// Posts the form of the sign-in page.
pub(crate) async fn try_sign_in(gateway: &Gateway, name: &str, password: &str, code: &str) -> Answer {
    let fields = [("name", name), ("password", password), ("code", code)];
    Request::post("/sign-in", &fields).send(gateway.console_address()).await
}

/// `name=value` of the cookie that an answer sets.
pub(crate) fn cookie_of(answer: &Answer) -> String {
    answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

/// The value of a hidden field.
pub(crate) fn hidden(page: &str, name: &str) -> String {
    let (_, rest) =
        page.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name}: {page}"));
    rest.split('"').next().unwrap().to_owned()
}

/// What an authenticator app shows: RFC 6238, written anew.
pub(crate) fn one_time_code(secret: &str, at: Timestamp) -> String {
    let bits: String = secret
        .chars()
        .map(|letter| "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(letter).unwrap())
        .fold(String::new(), |bits, digit| bits + &format!("{digit:05b}"));
    let bytes: Vec<u8> = (0..bits.len() / 8).map(|at| u8::from_str_radix(&bits[at * 8..][..8], 2).unwrap()).collect();
    let step = u64::try_from(at.micros()).unwrap() / 30_000_000;
    let mut signer = Signer::new(MessageDigest::sha1(), &PKey::hmac(&bytes).unwrap()).unwrap();
    signer.update(&step.to_be_bytes()).unwrap();
    let mac = signer.sign_to_vec().unwrap();
    let at = usize::from(mac[19] & 15);
    let number = u32::from_be_bytes(mac[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

impl Gateway {
    /// Where users open the console.
    pub(crate) fn console_address(&self) -> SocketAddr {
        self.running().console_address().unwrap()
    }

    /// The names of the alarms that are raised.
    pub(crate) fn alarms(&self) -> Vec<&'static str> {
        let status = self.running().status(Box::new(String::new));
        (status.alarms)().into_iter().map(|it| it.alarm.name()).collect()
    }

    /// The users, as another process changes them.
    pub(crate) fn users(&self) -> otpost::flow::users::Users {
        let settings = self.files.config().console;
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        otpost::flow::users::Users::new(Arc::clone(self.store()), clock, settings.lifetime(), settings.second_factor)
    }
}
