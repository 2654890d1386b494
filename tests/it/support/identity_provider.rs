//! An identity provider that is not ours: oidc-provider of npm, and a browser that signs in there.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::Gateway;
use super::console::{Request, hidden};
use super::node::NodeServer;
use super::sender::Answer;

const SCRIPT: &str = include_str!("identity_provider.js");

/// Where browsers of the tests reach the console, whatever its port is.
pub(crate) const PUBLIC_URL: &str = "http://console.localhost";

pub(crate) struct IdentityProvider {
    server: NodeServer,
    client: Value,
    /// One for each user, who stays signed in there.
    browsers: Mutex<BTreeMap<String, IdentityBrowser>>,
}

impl IdentityProvider {
    /// It is started, and knows neither its client nor its users.
    pub(crate) fn start() -> Self {
        let server = NodeServer::start(SCRIPT, &[]);
        let client = json!({ "algorithm": "RS256", "method": "client_secret_basic" });
        Self { server, client, browsers: Mutex::default() }
    }

    /// How it signs ID tokens, and how it takes the secret.
    pub(crate) fn with(mut self, algorithm: &str, method: &str) -> Self {
        self.client = json!({ "algorithm": algorithm, "method": method });
        self
    }

    /// Settings of a gateway whose users sign in here: one group gives one role, the other two.
    pub(crate) fn settings(&self) -> String {
        format!(
            "[console]\nlisten = \"127.0.0.1:0\"\npublic_url = \"{PUBLIC_URL}\"\n\
             [console.oidc]\nissuer = \"http://{}\"\nclient_id = \"otpost\"\nclient_secret = \"a secret: with / and +\"\n\
             [[console.oidc.group]]\nname = \"Staff/viewers\"\nroles = [\"viewer\"]\n\
             [[console.oidc.group]]\nname = \"admins\"\nroles = [\"admin\", \"security\"]\n",
            self.server.address
        )
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Its users from now on, each with groups.
    pub(crate) async fn knows(&self, gateway: &Gateway, users: &[(&str, &[&str])]) {
        let users: BTreeMap<_, _> = users.iter().map(|(login, groups)| (*login, json!({ "groups": groups }))).collect();
        let mut asked = self.client.clone();
        asked["redirect"] = json!(format!("{PUBLIC_URL}/sso/callback"));
        asked["logout"] = json!(format!("http://{}/sso/logout", gateway.console_address()));
        asked["users"] = json!(users);
        Request::put("/test", &asked.to_string()).send(self.server.address).await.expect_status(200);
    }

    /// Answers the questions of a browser that was sent to `url`, until it is sent back to the console. Returns the path there.
    pub(crate) async fn sign_in(&self, url: &str, login: &str) -> String {
        let mut browsers = self.browsers.lock().await;
        let new = || IdentityBrowser { address: self.server.address, cookies: BTreeMap::new() };
        let browser = browsers.entry(login.to_owned()).or_insert_with(new);
        let mut answer = browser.send(Request::get(path_of(url))).await;
        for _ in 0..10 {
            if let Some(location) = answer.header("location").map(str::to_owned) {
                if let Some(path) = location.strip_prefix(PUBLIC_URL) {
                    return path.to_owned();
                }
                answer = browser.send(Request::get(path_of(&location))).await;
                continue;
            }
            let page = answer.expect_status(200).body;
            let action = page.split_once("action=\"").unwrap().1.split('"').next().unwrap();
            let fields = if page.contains("value=\"login\"") {
                vec![("prompt", "login"), ("login", login), ("password", "any")]
            } else {
                vec![("prompt", "consent")]
            };
            answer = browser.send(Request::post(path_of(action), &fields)).await;
        }
        panic!("the identity provider asks without end: {answer:?}");
    }

    /// How often its keys were asked for.
    pub(crate) async fn keys_asked_for(&self) -> u32 {
        Request::get("/test").send(self.server.address).await.expect_status(200).body.parse().unwrap()
    }

    /// Signs the user out there; clients are informed before it answers.
    pub(crate) async fn sign_out(&self, login: &str) {
        let mut browsers = self.browsers.lock().await;
        let browser = browsers.get_mut(login).unwrap();
        let page = browser.send(Request::get("/session/end")).await.expect_status(200);
        let fields = [("xsrf", &*hidden(&page.body, "xsrf")), ("logout", "yes")];
        browser.send(Request::post("/session/end/confirm", &fields)).await.expect_status(303);
    }
}

/// Keeps the cookies of the identity provider.
struct IdentityBrowser {
    address: SocketAddr,
    cookies: BTreeMap<String, String>,
}

impl IdentityBrowser {
    async fn send(&mut self, request: Request) -> Answer {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = request.header("Cookie", &cookies.join("; ")).send(self.address).await;
        for (name, line) in &answer.headers {
            if let Some((name, value)) = line.split_once('=').filter(|_| name.eq_ignore_ascii_case("set-cookie")) {
                self.cookies.insert(name.to_owned(), value.split(';').next().unwrap().to_owned());
            }
        }
        answer
    }
}

/// Path and query of an address.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    &rest[rest.find('/').unwrap()..]
}
