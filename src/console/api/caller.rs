//! Who makes a request: a token, and the user that it acts for.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::problem::{ApiProblem, ProblemCode};
use crate::console::Console;
use crate::domain::access::Action;
use crate::domain::audit_event::Actor;
use crate::domain::chain;
use crate::flow::api_tokens::ApiCaller;
use crate::flow::template_publishing::ActingUser;

/// The caller of a request. Requests without one do not reach an operation.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub(super) ApiCaller);

impl Caller {
    /// Lets the operation go on if the token may do `action`; a denial is recorded in the audit log.
    pub(super) async fn require(&self, console: &Console, action: Action) -> Result<(), ApiProblem> {
        if self.0.may(action) {
            return Ok(());
        }
        if let Err(error) = console.tokens.record_denial(&self.0, action).await {
            tracing::error!(error = chain(&error), token = self.0.token, "a denial could not be recorded");
        }
        let detail = format!("no role of the token, as far as its user has it, allows {}", action.name());
        Err(ApiProblem::new(ProblemCode::Forbidden, detail))
    }

    /// The token in the audit log.
    pub(super) fn actor(&self) -> Actor {
        self.0.actor()
    }

    /// The user as the review of templates knows users.
    pub(super) fn acting(&self) -> ActingUser<'_> {
        ActingUser { name: &self.0.user, roles: &self.0.roles, token: Some(&self.0.token) }
    }
}

impl FromRequest for Caller {
    type Error = ApiProblem;
    type Future = Ready<Result<Self, Self::Error>>;

    // The guard has put it there.
    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(request.extensions().get::<Self>().cloned().ok_or_else(ApiProblem::not_found))
    }
}
