//! `AUTH XOAUTH2`: a mailbox proves itself with an access token in place of a password, as Google and Microsoft have it.
//!
//! A relay says that a token is not accepted in a challenge, which is answered with an empty line; then comes its error reply.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::AsyncSmtpConnection;

use super::failure::SessionError;
use crate::channel::access_token::AccessTokens;
use crate::domain::secret::Credential;

/// The code of a challenge.
const CHALLENGE: u16 = 334;

/// The command, which holds the token.
struct Auth(String);

impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AUTH XOAUTH2 {}\r\n", self.0)
    }
}

/// Logs `user` in with the token that is held.
pub(super) async fn log_in(
    smtp: &mut AsyncSmtpConnection,
    user: &Credential,
    tokens: &AccessTokens,
) -> Result<(), SessionError> {
    if smtp.server_info().get_auth_mechanism(&[Mechanism::Xoauth2]).is_none() {
        return Err(SessionError::Lost("the relay does not support XOAUTH2".to_owned()));
    }
    let token =
        tokens.token().ok_or_else(|| SessionError::Lost("the access token was not accepted before".to_owned()))?;
    let text = format!("user={}\x01auth=Bearer {}\x01\x01", user.expose(), token.expose());
    let reply = smtp.command(Auth(STANDARD.encode(text))).await?;
    if reply.has_code(CHALLENGE) {
        smtp.command("\r\n").await?;
    }
    Ok(())
}
