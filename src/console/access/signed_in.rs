//! The user of a request, as pages see it.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::domain::access::{Action, Role};
use crate::domain::audit_event::Actor;

/// A signed-in user. As a parameter of a handler it sends everybody else to the sign-in page.
#[derive(Debug, Clone)]
pub(in crate::console) struct SignedIn {
    /// The user's name, as in the audit log.
    pub user: String,
    pub roles: Vec<Role>,
    /// The token that every form of this session carries in the field `csrf`.
    pub csrf: String,
}

impl SignedIn {
    /// Whether one of the user's roles is enough.
    pub(in crate::console) fn may(&self, action: Action) -> bool {
        self.roles.iter().any(|role| role.may(action))
    }

    /// The user in the audit log.
    pub(in crate::console) fn actor(&self) -> Actor {
        Actor::Operator(self.user.clone())
    }
}

// SKELETON: everybody is signed in, with the roles of a header or with every role. The access slice replaces this.
impl FromRequest for SignedIn {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        use strum::IntoEnumIterator;
        let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let roles = text("x-roles").map(|names| names.split(',').filter_map(|name| name.parse().ok()).collect());
        let roles = roles.unwrap_or_else(|| Role::iter().collect());
        let user = text("x-user").unwrap_or("skeleton").to_owned();
        ready(Ok(Self { user, roles, csrf: "skeleton".to_owned() }))
    }
}
