//! A program that uses the API of the console with a token.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use otpost::domain::access::Role;
use otpost::domain::audit_event::Actor;
use otpost::domain::clock::Clock;
use otpost::flow::api_tokens::{ApiTokens, TokenOrder};
use serde_json::Value;

use super::Gateway;
use super::console::Request;
use super::sender::Answer;

/// Where the API begins.
pub(crate) const PREFIX: &str = "/api/v1";

/// A program with a token.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) token: String,
    pub(crate) name: String,
    pub(crate) user: String,
    address: SocketAddr,
}

impl Program {
    /// Adds a user with these roles, and a token that has all of them.
    pub(crate) async fn of(gateway: &Gateway, roles: &[Role]) -> Self {
        static PROGRAMS: AtomicUsize = AtomicUsize::new(0);
        let name = format!("program-{}", PROGRAMS.fetch_add(1, Ordering::Relaxed));
        gateway.users().add(&Actor::Operator("test".to_owned()), &name, roles).await.unwrap();
        Self::with(gateway, &TokenOrder { name: &name, user: &name, roles, days: 30, cert_pin: None }).await
    }

    /// Makes a token for a user that there is.
    pub(crate) async fn with(gateway: &Gateway, order: &TokenOrder<'_>) -> Self {
        let made = gateway.api_tokens().add(&Actor::Operator("test".to_owned()), order).await.unwrap();
        Self {
            token: made.text().to_owned(),
            name: order.name.to_owned(),
            user: order.user.to_owned(),
            address: gateway.console_address(),
        }
    }

    /// The same program with another token.
    pub(crate) fn saying(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(&format!("{PREFIX}{path}"))).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(json("POST", path, body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(json("PUT", path, body)).await
    }

    /// Sends any request with the token.
    pub(crate) async fn send(&self, request: Request) -> Answer {
        request.header("Authorization", &format!("Bearer {}", self.token)).send(self.address).await
    }
}

/// A request with a JSON body.
pub(crate) fn json(method: &'static str, path: &str, body: &Value) -> Request {
    let request = Request::of(method, &format!("{PREFIX}{path}"));
    request.header("Content-Type", "application/json").body(&body.to_string())
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Fails unless it is a problem of this status and code.
    #[track_caller]
    pub(crate) fn expect_problem(&self, status: u16, code: &str) -> Value {
        let problem = self.json();
        assert_eq!((self.status, problem["code"].as_str()), (status, Some(code)), "{problem}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], "about:blank");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
        problem
    }
}

impl Gateway {
    /// The tokens, as another process changes them.
    pub(crate) fn api_tokens(&self) -> ApiTokens {
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        ApiTokens::new(Arc::clone(self.store()), clock)
    }
}
