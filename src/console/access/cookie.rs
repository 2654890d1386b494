//! The cookie of a session, and that of a sign-in at an identity provider.
//!
//! Over TLS its name begins with `__Host-`: browsers take such a cookie from this host over HTTPS only, so that neither another
//! host of the domain nor plain HTTP can put one in its place. Plain HTTP, which is allowed on loopback, has a plain name.

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderValue, InvalidHeaderValue};

use crate::flow::single_sign_on;
use crate::flow::users::{BrowserOrigin, SessionToken};

fn name(secure: bool) -> &'static str {
    if secure { "__Host-otpost" } else { "otpost" }
}

fn pending_name(secure: bool) -> &'static str {
    if secure { "__Host-otpost-sso" } else { "otpost-sso" }
}

fn attributes(secure: bool) -> &'static str {
    // Lax: a link in a mail to a page opens it. What changes something has a token besides.
    if secure { "Path=/; HttpOnly; SameSite=Lax; Secure" } else { "Path=/; HttpOnly; SameSite=Lax" }
}

/// `Set-Cookie` for a new session. The browser forgets it when it is closed.
pub(super) fn of(token: &SessionToken, secure: bool) -> Result<HeaderValue, InvalidHeaderValue> {
    HeaderValue::try_from(format!("{}={}; {}", name(secure), token.cookie_value(), attributes(secure)))
}

/// `Set-Cookie` after a sign-out.
pub(super) fn removed(secure: bool) -> Result<HeaderValue, InvalidHeaderValue> {
    HeaderValue::try_from(format!("{}=; Max-Age=0; {}", name(secure), attributes(secure)))
}

/// `Set-Cookie` while a user signs in at an identity provider.
pub(super) fn pending(value: &str, secure: bool) -> Result<HeaderValue, InvalidHeaderValue> {
    let (name, seconds) = (pending_name(secure), single_sign_on::LIFETIME.as_secs());
    HeaderValue::try_from(format!("{name}={value}; Max-Age={seconds}; {}", attributes(secure)))
}

/// `Set-Cookie` when that has ended.
pub(super) fn pending_removed(secure: bool) -> Result<HeaderValue, InvalidHeaderValue> {
    HeaderValue::try_from(format!("{}=; Max-Age=0; {}", pending_name(secure), attributes(secure)))
}

/// What the browser keeps while a user signs in at an identity provider.
pub(super) fn pending_in(request: &HttpRequest, secure: bool) -> Option<String> {
    value(request, pending_name(secure))
}

/// The token that the browser sent.
pub(super) fn token(request: &HttpRequest, secure: bool) -> Option<String> {
    value(request, name(secure))
}

fn value(request: &HttpRequest, name: &str) -> Option<String> {
    let cookies = request.headers().get_all(header::COOKIE).filter_map(|it| it.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value.to_owned())
}

/// Where the request comes from.
pub(super) fn origin(request: &HttpRequest, secure: bool) -> BrowserOrigin {
    let browser = request.headers().get(header::USER_AGENT).and_then(|it| it.to_str().ok());
    BrowserOrigin {
        address: request.peer_addr().map(|address| address.ip()),
        browser: browser.unwrap_or_default().to_owned(),
        token: token(request, secure),
    }
}
