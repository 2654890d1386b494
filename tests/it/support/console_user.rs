//! An operator at the console, who follows no link by itself.

use std::net::SocketAddr;

use otpost::domain::access::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Gateway;
use super::sender::Answer;

pub(crate) struct ConsoleUser {
    console: SocketAddr,
    /// What every request carries.
    headers: String,
    csrf: String,
}

/// A user with these roles.
pub(crate) fn signed_in(gateway: &Gateway, roles: &[Role]) -> ConsoleUser {
    let names: Vec<_> = roles.iter().map(|role| role.name()).collect();
    ConsoleUser {
        console: gateway.console_address(),
        headers: format!("X-Roles: {}\r\n", names.join(",")),
        csrf: "skeleton".to_owned(),
    }
}

impl ConsoleUser {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_with(path, "").await
    }

    /// With further header lines.
    pub(crate) async fn get_with(&self, path: &str, headers: &str) -> Answer {
        self.exchange(&format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}{headers}\r\n",
            self.headers
        ))
        .await
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

    /// Sends a form of the console, with the token of the session.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = form_urlencoded::Serializer::new(String::new());
        let form = form.append_pair("csrf", &self.csrf).extend_pairs(fields).finish();
        let (headers, length) = (&self.headers, form.len());
        self.exchange(&format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Sec-Fetch-Site: same-origin\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
        ))
        .await
    }

    /// Sends a form with a file, as a browser does.
    pub(crate) async fn upload(&self, path: &str, fields: &[(&str, &str)], file: (&str, &[u8])) -> Answer {
        let part = |head: &str, content: &[u8]| {
            [format!("--mark\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes(), content, b"\r\n"].concat()
        };
        let mut body = part("name=\"csrf\"", self.csrf.as_bytes());
        fields.iter().for_each(|(name, value)| body.extend(part(&format!("name=\"{name}\""), value.as_bytes())));
        body.extend(part(&format!("name=\"file\"; filename=\"{}\"", file.0), file.1));
        body.extend(b"--mark--\r\n");
        let (headers, length) = (&self.headers, body.len());
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Sec-Fetch-Site: same-origin\r\n\
             Content-Type: multipart/form-data; boundary=mark\r\nContent-Length: {length}\r\n\r\n"
        );
        self.exchange_bytes(&[head.as_bytes(), &body].concat()).await
    }

    // The body ends with the connection.
    async fn exchange(&self, request: &str) -> Answer {
        self.exchange_bytes(request.as_bytes()).await
    }

    async fn exchange_bytes(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.console).await.unwrap();
        // A request that is too large is answered before it is read.
        let _ = stream.write_all(request).await;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let answer = Answer { status, headers, body: body.to_owned() };
        let is_chunked = answer.header("transfer-encoding").is_some_and(|it| it == "chunked");
        if is_chunked { Answer { body: joined(body), ..answer } } else { answer }
    }
}

// The chunks of a body that is sent piece by piece.
fn joined(mut chunks: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = chunks.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        whole += &rest[..length];
        chunks = rest[length..].trim_start_matches("\r\n");
    }
    whole
}
