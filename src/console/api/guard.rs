//! What every request to the API passes: its token, and a body within limits. Cookies mean nothing here, so that no other site can
//! make a browser of a user change anything.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::{self, Bytes, Data};
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::caller::Caller;
use super::problem::{ApiProblem, ProblemCode};
use crate::console::Console;
use crate::console::access::HTTPS_ONLY;
use crate::flow::api_tokens::{TokenRefused, TokenUse};
use crate::server::{BodyError, ClientPin, read_body};

/// The largest body: a file with recipients.
pub(super) const BODY_MAX: usize = 5 * 1024 * 1024;

/// A larger body is read up to here, so that the client reads the answer.
const DISCARD_MAX: usize = 2 * BODY_MAX;

/// The scheme of a token, with the space behind it.
const SCHEME: &str = "Bearer ";

/// Answers in place of an operation, or lets the request through with the caller in its extensions.
pub(super) async fn guard<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let Some(console) = request.app_data::<Data<Console>>().cloned() else {
        let problem = ApiProblem::new(ProblemCode::Failed, "the console is not ready");
        return Ok(request.into_response(problem.answer()).map_into_right_body());
    };
    let (http, payload) = request.into_parts();
    let mut answer = match admit(&console, &http, payload).await {
        Ok(payload) => next.call(ServiceRequest::from_parts(http, payload)).await?.map_into_left_body(),
        Err(problem) => {
            let mut answer = problem.answer();
            // The rest of the body is not read.
            if matches!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT) {
                answer.head_mut().set_connection_type(actix_http::ConnectionType::Close);
            }
            ServiceResponse::new(http, answer).map_into_right_body()
        }
    };
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if console.secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    }
    Ok(answer)
}

async fn admit(console: &Console, request: &HttpRequest, payload: Payload) -> Result<Payload, ApiProblem> {
    let token = token(request)?;
    let pin = request.conn_data::<ClientPin>().and_then(|pin| pin.0.as_deref());
    let address = request.peer_addr().map(|address| address.ip());
    let caller = match console.tokens.admit(TokenUse { token, address, cert_pin: pin }).await {
        Ok(caller) => caller,
        Err(TokenRefused::Failed(error)) => return Err(ApiProblem::failed(&error)),
        Err(error @ TokenRefused::Throttled(wait)) => {
            return Err(ApiProblem::new(ProblemCode::TooManyRefused, error.to_string()).retry_after(wait));
        }
        Err(
            error @ (TokenRefused::Unknown
            | TokenRefused::Expired
            | TokenRefused::Revoked
            | TokenRefused::UserDisabled
            | TokenRefused::OtherCertificate),
        ) => return Err(ApiProblem::new(ProblemCode::TokenRefused, error.to_string())),
    };
    request.extensions_mut().insert(Caller(caller));
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(payload);
    }
    let (_, mut whole) = actix_http::h1::Payload::create(true);
    whole.unread_data(whole_body(request, payload).await?);
    Ok(Payload::from(whole))
}

fn token(request: &HttpRequest) -> Result<&str, ApiProblem> {
    let missing = || {
        let detail = "the request has no token: send the header Authorization: Bearer otp_...; a token is made on the page \
                      API tokens or by otpost token add";
        ApiProblem::new(ProblemCode::TokenMissing, detail)
    };
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    let (Some(value), None) = (headers.next(), headers.next()) else { return Err(missing()) };
    let text = value.to_str().map_err(|_| missing())?;
    let scheme = text.get(..SCHEME.len()).filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME));
    scheme.map(|_| text[SCHEME.len()..].trim()).ok_or_else(missing)
}

async fn whole_body(request: &HttpRequest, mut payload: Payload) -> Result<Bytes, ApiProblem> {
    let unreadable = || ApiProblem::new(ProblemCode::InvalidBody, "the body cannot be read");
    let payload = web::Payload::from_request(request, &mut payload).await.map_err(|_| unreadable())?;
    match read_body(request, payload, BODY_MAX, DISCARD_MAX).await {
        Ok(body) => Ok(Bytes::copy_from_slice(&body)),
        Err(BodyError::TooLarge) => {
            Err(ApiProblem::new(ProblemCode::BodyTooLarge, format!("a body has at most {BODY_MAX} bytes")))
        }
        Err(BodyError::TooSlow) => Err(ApiProblem::new(ProblemCode::BodyTooSlow, "the body did not arrive in time")),
        Err(BodyError::Unreadable) => Err(unreadable()),
    }
}
