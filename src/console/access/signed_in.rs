//! The user of a request, as pages see it.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use crate::console::pages::PageError;
use crate::domain::access::{Action, Role};
use crate::domain::audit_event::Actor;
use crate::flow::users::UserSession;
use crate::store::users::TokenHash;

/// A signed-in user. Requests without one do not reach a handler with this parameter.
#[derive(Debug, Clone)]
pub(in crate::console) struct SignedIn {
    /// The user's name, as in the audit log.
    pub user: String,
    pub roles: Vec<Role>,
    /// The token that every form of this session carries in the field `csrf`.
    pub csrf: String,
    session: TokenHash,
}

impl SignedIn {
    /// Whether one of the user's roles is enough.
    pub(in crate::console) fn may(&self, action: Action) -> bool {
        self.roles.iter().any(|role| role.may(action))
    }

    /// The user in the audit log.
    pub(in crate::console) fn actor(&self) -> Actor {
        Actor::User(self.user.clone())
    }

    pub(super) fn session(&self) -> UserSession {
        let Self { user, roles, csrf, session } = self.clone();
        UserSession { user, roles, csrf, hash: session }
    }
}

impl From<UserSession> for SignedIn {
    fn from(UserSession { user, roles, csrf, hash }: UserSession) -> Self {
        Self { user, roles, csrf, session: hash }
    }
}

impl FromRequest for SignedIn {
    type Error = PageError;
    type Future = Ready<Result<Self, Self::Error>>;

    // The guard has put it there.
    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(request.extensions().get::<Self>().cloned().ok_or(PageError::NotFound))
    }
}
