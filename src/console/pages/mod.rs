//! The pages, one file or folder per topic.

mod audit;
mod deliveries;
mod exports;
mod overview;
mod providers;
mod recipients;
mod reports;
mod routing;
pub(super) mod templates;
mod upkeep;

pub(super) use deliveries::dossier_of;
pub(super) use exports::download;
pub(super) use recipients::{FileImport, import_file};

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Data, FormConfig, PathConfig, QueryConfig, ServiceConfig};

use super::Console;
use super::access::SignedIn;
use crate::domain::access::Action;
use crate::domain::chain;

/// The longest form without a file, in bytes.
const FORM_MAX: usize = 512 * 1024;

/// All pages that need a signed-in user.
pub(super) fn routes(service: &mut ServiceConfig) {
    let wrong = |what: &str, error: &dyn std::error::Error| PageError::Invalid(format!("{what}: {}", chain(error)));
    service
        .app_data(
            QueryConfig::default().error_handler(move |error, _| wrong("the address cannot be read", &error).into()),
        )
        .app_data(
            FormConfig::default()
                .limit(FORM_MAX)
                .error_handler(move |error, _| wrong("the form cannot be read", &error).into()),
        )
        .app_data(PathConfig::default().error_handler(|_, _| PageError::NotFound.into()))
        .configure(overview::routes)
        .configure(upkeep::routes)
        .configure(deliveries::routes)
        .configure(recipients::routes)
        .configure(templates::routes)
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
    #[error("the user cannot be read or changed")]
    User(#[from] crate::flow::users::Error),
    #[error("the counts of reports cannot be read")]
    Counts(#[from] crate::flow::reporting::Error),
    #[error("the dossier cannot be made")]
    Dossier(#[from] crate::flow::dossiers::Error),
    #[error("the export cannot be begun")]
    Export(#[source] crate::flow::exports::Error),
}

impl PageError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Forbidden | Self::Denied(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Store(_) | Self::User(_) | Self::Counts(_) | Self::Dossier(_) | Self::Export(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }
}

impl actix_web::ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        if self.status().is_server_error() {
            tracing::error!(error = chain(self), "a page of the console could not be made");
        }
        super::views::error_page(self.status(), &self.to_string())
    }
}

/// Lets the page go on if the user may do `action`; a denial is recorded in the audit log.
pub(super) async fn require(console: &Data<Console>, user: &SignedIn, action: Action) -> Result<(), PageError> {
    if user.may(action) {
        return Ok(());
    }
    if let Err(error) = console.users.record_denial(&user.user, action.name()).await {
        tracing::error!(error = chain(&error), user = user.user, "a denial could not be recorded");
    }
    Err(PageError::Forbidden)
}

/// The page for what failed through no fault of the user's.
pub(super) fn unavailable(error: &dyn std::error::Error) -> HttpResponse {
    tracing::error!(error = chain(error), "a page of the console could not be made");
    super::views::error_page(StatusCode::INTERNAL_SERVER_ERROR, "this failed; the log of the gateway says why")
}

async fn not_found() -> Result<HttpResponse, PageError> {
    Err(PageError::NotFound)
}

/// The answer to a form that was carried out: a page, which a reload of the browser does not carry out again.
pub(super) fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, path))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

/// The head of a file to download, which is never kept by the browser.
fn attachment(name: &str, content_type: &'static str) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, content_type))
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CACHE_CONTROL, "no-store"));
    response
}
