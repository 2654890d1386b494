//! The pages, one file or folder per topic.

mod overview;
pub(super) mod templates;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, ServiceConfig};

use super::Console;
use super::access::SignedIn;
use crate::domain::access::Action;

/// All pages that need a signed-in user.
pub(super) fn routes(service: &mut ServiceConfig) {
    service.configure(overview::routes).configure(templates::routes).default_service(web::to(not_found));
}

/// Why a page is not shown. It becomes a page of its own.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    /// The user's roles do not allow it. Recorded in the audit log.
    #[error("your roles do not allow this")]
    Forbidden,
    /// The user may not do this, whatever their roles are; why.
    #[error("{0}")]
    Denied(String),
    /// There is nothing at this address, or the user may not know that there is.
    #[error("there is nothing at this address")]
    NotFound,
    /// The input cannot be used; what to do.
    #[error("{0}")]
    Invalid(String),
    /// The state has changed since the page was loaded; what to do.
    #[error("{0}")]
    Conflict(String),
    #[error("the database cannot be read")]
    Store(#[from] crate::store::Error),
}

impl PageError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Forbidden | Self::Denied(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl actix_web::ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        if let Self::Store(error) = self {
            tracing::error!(error = crate::domain::chain(error), "a page of the console could not be made");
        }
        super::views::error_page(self.status(), &self.to_string())
    }
}

/// Lets the page go on if the user may do `action`; a denial is recorded in the audit log.
pub(super) async fn require(_console: &Data<Console>, user: &SignedIn, action: Action) -> Result<(), PageError> {
    if user.may(action) { Ok(()) } else { Err(PageError::Forbidden) }
}

async fn not_found() -> Result<HttpResponse, PageError> {
    Err(PageError::NotFound)
}
