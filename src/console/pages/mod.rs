//! The pages, one file or folder per topic.

mod audit;
mod exports;
mod overview;
mod providers;
mod reports;
mod routing;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Data, ServiceConfig};

use super::Console;
use super::access::SignedIn;
use crate::domain::access::Action;

/// All pages that need a signed-in user.
pub(super) fn routes(service: &mut ServiceConfig) {
    service
        .configure(overview::routes)
        .configure(providers::routes)
        .configure(routing::routes)
        .configure(reports::routes)
        .configure(exports::routes)
        .configure(audit::routes)
        .default_service(web::to(not_found));
}

/// Why a page is not shown. It becomes a page of its own.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    /// The user's roles do not allow it. Recorded in the audit log.
    #[error("your roles do not allow this")]
    Forbidden,
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
    #[error("the counts of reports cannot be read")]
    Counts(#[from] crate::flow::reporting::Error),
    #[error("the export cannot be begun")]
    Export(#[source] crate::flow::exports::Error),
}

impl PageError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Store(_) | Self::Counts(_) | Self::Export(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl actix_web::ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        if self.status().is_server_error() {
            tracing::error!(error = crate::domain::chain(self), "a page of the console could not be made");
        }
        super::views::error_page(self.status(), &self.to_string())
    }
}

/// Lets the page go on if the user may do `action`; a denial is recorded in the audit log.
pub(super) async fn require(_console: &Data<Console>, user: &SignedIn, action: Action) -> Result<(), PageError> {
    if user.may(action) { Ok(()) } else { Err(PageError::Forbidden) }
}

/// Sends the browser to a page after a change, so that loading it again repeats nothing.
pub(super) fn see_other(address: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, address)).finish()
}

async fn not_found() -> Result<HttpResponse, PageError> {
    Err(PageError::NotFound)
}
