//! What every request passes: where it comes from, whose session it has, and the token of its form.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::{self, Bytes, Data};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse};

use super::{PUBLIC, SignedIn, cookie, sign_in, sign_on};
use crate::console::Console;
use crate::console::upload::UploadForm;
use crate::console::views::error_page;
use crate::domain::chain;
use crate::server::{BodyError, read_body};

/// The largest body of a form without a session. A password has a few hundred bytes.
const FORM_MAX: usize = 16 * 1024;

/// The largest body of a signed-in user: a file with recipients, or a set of templates.
pub(in crate::console) const UPLOAD_MAX: usize = 6 * 1024 * 1024;

/// A larger body is read up to here, so that the browser shows the answer.
const DISCARD_MAX: usize = 2 * UPLOAD_MAX;

/// The field of every form.
const TOKEN_FIELD: &str = "csrf";

/// Two years.
pub(in crate::console) const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// Answers in place of a route, or lets the request through with the user in its extensions.
pub(in crate::console) async fn guard<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let Some(console) = request.app_data::<Data<Console>>().cloned() else {
        let answer = error_page(StatusCode::INTERNAL_SERVER_ERROR, "the console is not ready");
        return Ok(request.into_response(answer).map_into_right_body());
    };
    let (http, payload) = request.into_parts();
    let mut answer = match admit(&console, &http, payload).await {
        Ok(payload) => next.call(ServiceRequest::from_parts(http, payload)).await?.map_into_left_body(),
        Err(answer) => ServiceResponse::new(http, answer).map_into_right_body(),
    };
    if console.secure {
        answer.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    }
    Ok(answer)
}

async fn admit(console: &Data<Console>, request: &HttpRequest, payload: Payload) -> Result<Payload, HttpResponse> {
    let is_change = !matches!(*request.method(), Method::GET | Method::HEAD);
    // An identity provider is no browser; what it says is signed.
    let is_of_browser = request.path() != sign_on::LOGOUT;
    if is_change && is_of_browser && !is_of_this_site(request.headers()) {
        return Err(error_page(StatusCode::FORBIDDEN, "this request comes from another site"));
    }
    let is_public = PUBLIC.iter().any(|path| is_below(request.path(), path));
    // A file of the layout needs no session, and so no look into the database.
    let user = if is_public { None } else { Some(signed_in(console, request).await?) };
    if !is_change {
        request.extensions_mut().extend(user.map(extension).unwrap_or_default());
        return Ok(payload);
    }
    let limit = if user.is_some() { UPLOAD_MAX } else { FORM_MAX };
    let body = whole_body(request, payload, limit).await?;
    if let Some(user) = user {
        let token = request.headers().get("X-CSRF").map(HeaderValue::as_bytes).map(<[u8]>::to_vec);
        let token = token.or_else(|| form_token(request.headers(), &body)).unwrap_or_default();
        if token.len() != user.csrf.len() || !openssl::memcmp::eq(&token, user.csrf.as_bytes()) {
            let what = "the form is out of date: load its page again, then repeat what you did";
            return Err(error_page(StatusCode::FORBIDDEN, what));
        }
        request.extensions_mut().extend(extension(user));
    }
    let (_, mut whole) = actix_http::h1::Payload::create(true);
    whole.unread_data(body);
    Ok(Payload::from(whole))
}

fn extension(user: SignedIn) -> actix_web::dev::Extensions {
    let mut extensions = actix_web::dev::Extensions::new();
    extensions.insert(user);
    extensions
}

fn is_below(path: &str, public: &str) -> bool {
    if public.ends_with('/') { path.starts_with(public) } else { path == public }
}

// Browsers say where a request comes from. What says nothing is no browser that a user is signed in with.
fn is_of_this_site(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("Sec-Fetch-Site") {
        return site == "same-origin" || site == "none";
    }
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    // Behind a proxy that ends TLS the scheme differs.
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://"));
    matches!((origin, text(header::HOST)), (Some((_, origin)), Some(host)) if origin.eq_ignore_ascii_case(host))
}

async fn signed_in(console: &Data<Console>, request: &HttpRequest) -> Result<SignedIn, HttpResponse> {
    let is_poll = request.headers().contains_key("X-Poll");
    let Some(token) = cookie::token(request, console.secure) else { return Err(sign_in::asked(console, request)) };
    match console.users.session(&token, is_poll).await {
        Ok(Some(session)) => Ok(session.into()),
        Ok(None) => Err(sign_in::asked(console, request)),
        Err(error) => {
            tracing::error!(error = chain(&error), "sessions of the console cannot be read");
            Err(error_page(StatusCode::INTERNAL_SERVER_ERROR, "sessions cannot be read"))
        }
    }
}

async fn whole_body(request: &HttpRequest, mut payload: Payload, limit: usize) -> Result<Bytes, HttpResponse> {
    let refused = |status, what: &str| {
        let mut answer = error_page(status, what);
        answer.head_mut().set_connection_type(actix_http::ConnectionType::Close);
        answer
    };
    let Ok(payload) = web::Payload::from_request(request, &mut payload).await else {
        return Err(refused(StatusCode::BAD_REQUEST, "the request cannot be read"));
    };
    match read_body(request, payload, limit, DISCARD_MAX).await {
        Ok(body) => Ok(Bytes::copy_from_slice(&body)),
        Err(BodyError::TooLarge) => Err(refused(StatusCode::PAYLOAD_TOO_LARGE, "this is too large")),
        Err(BodyError::TooSlow) => Err(refused(StatusCode::REQUEST_TIMEOUT, "the request did not arrive in time")),
        Err(BodyError::Unreadable) => Err(refused(StatusCode::BAD_REQUEST, "the request cannot be read")),
    }
}

/// The token in a form, in either of the encodings that browsers use.
fn form_token(headers: &HeaderMap, body: &Bytes) -> Option<Vec<u8>> {
    if let Some(form) = UploadForm::read(headers, body) {
        return Some(form.text(TOKEN_FIELD).as_bytes().to_vec());
    }
    let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    if !content_type.starts_with("application/x-www-form-urlencoded") {
        return None;
    }
    let mut fields = form_urlencoded::parse(body);
    fields.find(|(key, _)| key == TOKEN_FIELD).map(|(_, value)| value.into_owned().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (header::HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn only_requests_of_this_site_change_anything() {
        fn of_this_site(pairs: &[(&'static str, &'static str)]) -> bool {
            is_of_this_site(&headers(pairs))
        }

        assert!(of_this_site(&[("sec-fetch-site", "same-origin")]));
        assert!(of_this_site(&[("sec-fetch-site", "none")]));
        assert!(of_this_site(&[("origin", "https://console.example:8470"), ("host", "console.example:8470")]));
        for site in ["cross-site", "same-site", ""] {
            assert!(!of_this_site(&[("sec-fetch-site", site), ("origin", "http://a"), ("host", "a")]), "{site}");
        }
        for origin in ["https://evil.example", "null", "https://console.example:8470.evil.example"] {
            assert!(!of_this_site(&[("origin", origin), ("host", "console.example:8470")]), "{origin}");
        }
        assert!(!of_this_site(&[("host", "console.example")]));
    }

    #[test]
    fn the_token_is_found_in_both_kinds_of_forms() {
        let form = headers(&[("content-type", "application/x-www-form-urlencoded")]);
        let upload = headers(&[("content-type", "multipart/form-data; boundary=x")]);
        let parts = b"--x\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\nab-_\r\n--x--\r\n";

        let plain = headers(&[("content-type", "text/plain")]);
        let token = |headers, body: &'static [u8]| form_token(headers, &Bytes::from_static(body));
        assert_eq!(token(&form, b"a=1&csrf=ab-_&b=2").unwrap(), b"ab-_");
        assert_eq!(token(&upload, parts).unwrap(), b"ab-_");
        assert_eq!(token(&plain, b"csrf=ab-_"), None);
        assert_eq!(token(&form, b"a=1"), None);
    }
}
