//! Errors as problem details (RFC 9457): a stable code, a sentence, and the fields that are wrong. Values are never repeated,
//! because they may be personal data.

use std::time::Duration;

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::console::pages::PageError;
use crate::domain::chain;
use crate::flow::deliveries::query::{InvalidField, QueryError};

/// The media type of problem details.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// What kind of problem it is. Programs may rely on these names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ProblemCode {
    /// The request has no token.
    TokenMissing,
    /// The token is unknown, has expired, was revoked, or does not count here.
    TokenRefused,
    /// Too many requests from this address had a token that does not count.
    TooManyRefused,
    /// No role of the token allows it, or it is not allowed to the user of the token.
    Forbidden,
    /// There is nothing at this address.
    NotFound,
    MethodNotAllowed,
    /// The body has another media type than is expected.
    UnsupportedMediaType,
    BodyTooLarge,
    BodyTooSlow,
    /// The body cannot be read.
    InvalidBody,
    /// A field or parameter is missing, unknown or wrong.
    InvalidField,
    /// The state does not allow it.
    Conflict,
    /// The gateway failed; its log says why.
    Failed,
}

impl ProblemCode {
    const fn status(self) -> StatusCode {
        match self {
            Self::TokenMissing | Self::TokenRefused => StatusCode::UNAUTHORIZED,
            Self::TooManyRefused => StatusCode::TOO_MANY_REQUESTS,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::InvalidBody => StatusCode::BAD_REQUEST,
            Self::InvalidField => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// A field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct ProblemField {
    /// The name of the field or parameter.
    pub field: String,
    pub problem: String,
}

/// Problem details.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct ApiProblem {
    /// Always `about:blank`: `code` says what it is.
    r#type: &'static str,
    /// The phrase of the status.
    title: &'static str,
    status: u16,
    code: ProblemCode,
    /// A sentence.
    detail: String,
    /// The fields that are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ProblemField>,
    #[serde(skip)]
    #[schema(ignore)]
    retry_after: Option<Duration>,
    #[serde(skip)]
    #[schema(ignore)]
    allow: Option<&'static str>,
}

impl ApiProblem {
    pub(super) fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        let status = code.status();
        Self {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            allow: None,
        }
    }

    pub(super) fn not_found() -> Self {
        Self::new(ProblemCode::NotFound, "there is nothing at this address")
    }

    /// A field or parameter that is wrong.
    pub(super) fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        let wrong = ProblemField { field: field.into(), problem: problem.into() };
        let problem = Self::new(ProblemCode::InvalidField, format!("{}: {}", wrong.field, wrong.problem));
        Self { errors: vec![wrong], ..problem }
    }

    pub(super) fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    // The log says why; a caller can do nothing about it.
    pub(super) fn failed(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = chain(error), "a request to the API failed");
        Self::new(ProblemCode::Failed, "the gateway failed; its log says why")
    }

    pub(super) fn answer(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.code.status());
        answer.content_type(PROBLEM_JSON);
        if self.code.status() == StatusCode::UNAUTHORIZED {
            answer.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"otpost\""));
        }
        if let Some(wait) = self.retry_after {
            answer.insert_header((header::RETRY_AFTER, wait.as_secs().max(1)));
        }
        if let Some(allow) = self.allow {
            answer.insert_header((header::ALLOW, allow));
        }
        answer.json(self)
    }
}

impl std::fmt::Display for ApiProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for ApiProblem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        self.answer()
    }
}

impl Responder for ApiProblem {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.answer()
    }
}

/// A resource that answers these methods, and 405 to others.
pub(super) fn resource(path: &str, routes: Vec<(Method, actix_web::Route)>) -> actix_web::Resource {
    let allow = match routes.iter().map(|(method, _)| method.as_str()).collect::<Vec<_>>()[..] {
        ["GET"] => "GET",
        ["POST"] => "POST",
        ["PUT"] => "PUT",
        _ => "GET, POST",
    };
    let refused = move || async move {
        let problem = ApiProblem::new(ProblemCode::MethodNotAllowed, format!("this address takes {allow} only"));
        ApiProblem { allow: Some(allow), ..problem }
    };
    let resource = actix_web::web::resource(path).default_service(actix_web::web::to(refused));
    routes.into_iter().fold(resource, |resource, (_, route)| resource.route(route))
}

impl From<InvalidField> for ApiProblem {
    fn from(InvalidField { name, problem }: InvalidField) -> Self {
        Self::invalid(name, problem)
    }
}

impl From<QueryError> for ApiProblem {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Field(field) => field.into(),
            QueryError::Store(error) => error.into(),
        }
    }
}

impl From<crate::store::Error> for ApiProblem {
    fn from(error: crate::store::Error) -> Self {
        Self::failed(&error)
    }
}

// What the pages decide about an action is the same here.
impl From<PageError> for ApiProblem {
    fn from(error: PageError) -> Self {
        let detail = error.to_string();
        match error {
            PageError::Forbidden | PageError::Denied(_) => Self::new(ProblemCode::Forbidden, detail),
            PageError::NotFound => Self::not_found(),
            PageError::Invalid(_) => Self::new(ProblemCode::InvalidField, detail),
            PageError::Conflict(_) => Self::new(ProblemCode::Conflict, detail),
            PageError::Store(_)
            | PageError::User(_)
            | PageError::Counts(_)
            | PageError::Dossier(_)
            | PageError::Export(_) => Self::failed(&error),
        }
    }
}
