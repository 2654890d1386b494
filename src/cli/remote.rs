//! `--server`: commands that ask the console of a gateway on another machine, with a token, instead of the database of this one.

use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Certificate, Client, Identity, Method, RequestBuilder, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Usage, usage};
use crate::config;
use crate::domain::chain;
use crate::file_access;

/// Where the API of a console begins.
const PREFIX: &str = "/api/v1";

/// A search of a large database takes seconds; a dossier or an import takes longer.
const TIMEOUT: Duration = Duration::from_mins(2);

/// A file may have hundreds of megabytes.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_hours(1);

/// The variable that holds a token.
const TOKEN_VARIABLE: &str = "OTPOST_TOKEN";

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options for a gateway on another machine")]
pub(super) struct ServerArgs {
    /// Ask the console at this address instead of the database, such as https://otpost.bank.example:8470
    #[arg(long, value_name = "URL", env = "OTPOST_SERVER")]
    server: Option<String>,
    /// File with a token for --server; otherwise the environment variable OTPOST_TOKEN
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// CA certificates that the certificate of --server is verified with, besides those of the system
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Client certificate, for a token that is bound to one
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// Key of the client certificate
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
}

impl ServerArgs {
    /// The gateway on another machine that is asked; `None` for the database of this one.
    pub(super) fn remote(&self) -> anyhow::Result<Option<RemoteGateway>> {
        let server = self.server.as_deref().filter(|server| !server.is_empty());
        Ok(server.map(|server| RemoteGateway::new(server, self)).transpose()?)
    }

    fn token(&self) -> Result<Zeroizing<String>, Usage> {
        let Some(file) = &self.token_file else {
            let found = config::variable(TOKEN_VARIABLE).filter(|token| !token.trim().is_empty());
            let missing =
                || Usage(format!("--server needs a token: name a file with --token-file, or set {TOKEN_VARIABLE}"));
            return Ok(Zeroizing::new(found.ok_or_else(missing)?));
        };
        let read = std::fs::read_to_string(file);
        read.map(Zeroizing::new).map_err(|error| in_file("--token-file", file, file_access::explain(file, &error)))
    }

    fn identity(&self) -> Result<Option<Identity>, Usage> {
        let (Some(certificate), Some(key)) = (&self.client_cert, &self.client_key) else { return Ok(None) };
        let read = |option, file: &Path| {
            std::fs::read(file)
                .map(Zeroizing::new)
                .map_err(|error| in_file(option, file, file_access::explain(file, &error)))
        };
        let (certificate, key) = (read("--client-cert", certificate)?, read("--client-key", key)?);
        let identity = Identity::from_pkcs8_pem(&certificate, &key);
        identity
            .map(Some)
            .map_err(|_| Usage("--client-cert, --client-key: not a certificate and its key in PEM".to_owned()))
    }
}

fn in_file(option: &str, file: &Path, what: impl std::fmt::Display) -> Usage {
    Usage(format!("{option} {}: {what}", file.display()))
}

/// The console of a gateway on another machine.
pub(super) struct RemoteGateway {
    base: Url,
    client: Client,
    authorization: HeaderValue,
}

/// Why the gateway did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum RemoteError {
    #[error("{server} cannot be reached: {why}")]
    Unreachable { server: String, why: String },
    /// There is no such thing; the command knows what.
    #[error("{server}: 404: {detail}")]
    NotFound { server: String, detail: String },
    /// A field is wrong.
    #[error("{server}: 422: {detail}")]
    Field { server: String, field: Option<String>, problem: String, detail: String },
    #[error("{server}: {status}: {detail}{advice}")]
    Refused { server: String, status: u16, detail: String, advice: &'static str },
    #[error("{server}: {status}: this is no answer of otpost's API; check the address, and the versions of both")]
    NotOurs { server: String, status: u16 },
}

impl RemoteError {
    /// An error that the operator can correct has exit code 2.
    pub(super) fn explained(self) -> anyhow::Error {
        match self {
            Self::Field { .. } => usage(self),
            other => other.into(),
        }
    }
}

impl From<RemoteError> for Usage {
    fn from(error: RemoteError) -> Self {
        Self(error.to_string())
    }
}

impl RemoteGateway {
    #[expect(clippy::disallowed_methods, reason = "a client of our own API, not of a provider")]
    fn new(server: &str, args: &ServerArgs) -> Result<Self, Usage> {
        let base = parsed(server)?;
        let token = args.token()?;
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
            .map_err(|_| Usage("the token has characters that no token has".to_owned()))?;
        authorization.set_sensitive(true);
        let mut builder = Client::builder()
            .tls_backend_native()
            .user_agent(concat!("otpost/", env!("CARGO_PKG_VERSION")))
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false);
        if let Some(file) = &args.ca {
            let certificates = file_access::read_certificates(file).map_err(|error| in_file("--ca", file, error))?;
            for certificate in certificates {
                let der = certificate.to_der().ok().and_then(|der| Certificate::from_der(&der).ok());
                builder = builder.tls_certs_merge([der.ok_or_else(|| in_file("--ca", file, "not a certificate"))?]);
            }
        }
        if let Some(identity) = args.identity()? {
            builder = builder.identity(identity);
        }
        let client = builder.build().map_err(|error| Usage(format!("--server: {}", chain(&error))))?;
        Ok(Self { base, client, authorization })
    }

    /// Reads a document.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &impl Serialize,
    ) -> Result<T, RemoteError> {
        self.document(self.request(Method::GET, path, query, None).await?)
    }

    /// Reads a text.
    pub(super) async fn get_text(&self, path: &[&str], query: &impl Serialize) -> Result<String, RemoteError> {
        let (status, body) = self.request(Method::GET, path, query, None).await?;
        String::from_utf8(body).map_err(|_| self.not_ours(status))
    }

    /// Asks for something, or has something changed.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, RemoteError> {
        self.document(self.request(Method::POST, path, &(), Some(self.written(body)?)).await?)
    }

    /// Puts something in the place of something.
    pub(super) async fn put<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, RemoteError> {
        self.document(self.request(Method::PUT, path, &(), Some(self.written(body)?)).await?)
    }

    /// Writes a file to `to` as it arrives.
    pub(super) async fn download(&self, path: &[&str], to: &mut (dyn Write + Send)) -> anyhow::Result<()> {
        let request = self.prepared(Method::GET, path, &()).timeout(DOWNLOAD_TIMEOUT);
        let mut answer = request.send().await.map_err(|error| self.unreachable(error))?;
        let status = answer.status();
        if !status.is_success() {
            let body = answer.bytes().await.map_err(|error| self.unreachable(error))?;
            return Err(self.refused(status, &body).into());
        }
        while let Some(part) = answer.chunk().await.map_err(|error| self.unreachable(error))? {
            to.write_all(&part)?;
        }
        Ok(to.flush()?)
    }

    fn written(&self, body: &impl Serialize) -> Result<Vec<u8>, RemoteError> {
        serde_json::to_vec(body).map_err(|_| self.not_ours(StatusCode::BAD_REQUEST))
    }

    async fn request(
        &self,
        method: Method,
        path: &[&str],
        query: &impl Serialize,
        body: Option<Vec<u8>>,
    ) -> Result<(StatusCode, Vec<u8>), RemoteError> {
        let mut request = self.prepared(method, path, query);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let answer = request.send().await.map_err(|error| self.unreachable(error))?;
        let (status, bytes) = (answer.status(), answer.bytes().await.map_err(|error| self.unreachable(error))?);
        if status.is_success() { Ok((status, bytes.into())) } else { Err(self.refused(status, &bytes)) }
    }

    fn prepared(&self, method: Method, path: &[&str], query: &impl Serialize) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let query = serde_json::to_value(query).unwrap_or_default();
        for (name, value) in query.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            url.query_pairs_mut().append_pair(name, &text);
        }
        self.client.request(method, url).header(AUTHORIZATION, self.authorization.clone())
    }

    fn unreachable(&self, error: reqwest::Error) -> RemoteError {
        RemoteError::Unreachable { server: self.name(), why: chain(&error.without_url()) }
    }

    fn document<T: DeserializeOwned>(&self, (status, body): (StatusCode, Vec<u8>)) -> Result<T, RemoteError> {
        serde_json::from_slice(&body).map_err(|_| self.not_ours(status))
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> RemoteError {
        let problem: Value = serde_json::from_slice(body).unwrap_or_default();
        let (Some(_), Some(detail)) = (problem["code"].as_str(), problem["detail"].as_str()) else {
            return self.not_ours(status);
        };
        let (server, detail) = (self.name(), detail.to_owned());
        let text = |name: &str| problem["errors"][0][name].as_str().map(str::to_owned);
        match status {
            StatusCode::NOT_FOUND => RemoteError::NotFound { server, detail },
            StatusCode::UNPROCESSABLE_ENTITY => {
                let problem = text("problem").unwrap_or_else(|| detail.clone());
                RemoteError::Field { server, field: text("field"), problem, detail }
            }
            status => RemoteError::Refused { server, status: status.as_u16(), detail, advice: advice(status) },
        }
    }

    fn not_ours(&self, status: StatusCode) -> RemoteError {
        RemoteError::NotOurs { server: self.name(), status: status.as_u16() }
    }

    // Without the path of the API.
    fn name(&self) -> String {
        self.base.as_str().trim_end_matches('/').trim_end_matches(PREFIX).to_owned()
    }
}

fn advice(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => {
            "; make a token on the page API tokens of the console, or on the machine of the gateway: otpost token add NAME \
             --user USER --role viewer --days 90"
        }
        StatusCode::FORBIDDEN => "; use a token with a role that allows it",
        StatusCode::TOO_MANY_REQUESTS => "; wait some minutes",
        _ => "",
    }
}

// A token in clear on a network is a token of everyone on it.
fn parsed(server: &str) -> Result<Url, Usage> {
    let expected = || Usage("--server: expected an address such as https://otpost.bank.example:8470".to_owned());
    let mut url = Url::parse(server).map_err(|_| expected())?;
    let host = url.host_str().ok_or_else(expected)?.trim_matches(['[', ']']);
    let is_loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => {}
        "http" if is_loopback => {}
        "http" => {
            return Err(Usage(
                "--server: a token is sent by https only, unless the gateway is on this machine".to_owned(),
            ));
        }
        _ => return Err(expected()),
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(expected());
    }
    url.set_path(&format!("{}{PREFIX}", url.path().trim_end_matches('/')));
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leaves_this_machine_by_https_only() {
        for good in
            ["https://otpost.bank.example:8470", "http://127.0.0.1:8470/", "http://localhost:1", "http://[::1]:1"]
        {
            assert!(parsed(good).unwrap().as_str().ends_with("/api/v1"), "{good}");
        }
        assert_eq!(parsed("https://proxy.example/otpost/").unwrap().path(), "/otpost/api/v1");
        assert!(parsed("http://otpost.bank.example").unwrap_err().to_string().contains("by https only"));
        for bad in ["", "otpost.bank.example:8470", "ftp://a", "https://u:p@a", "https://a/?x=1", "unix:/a"] {
            assert!(parsed(bad).unwrap_err().to_string().contains("expected an address"), "{bad}");
        }
    }
}
