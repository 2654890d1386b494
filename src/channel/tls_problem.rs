//! What went wrong in a TLS handshake, in the words of OpenSSL: `certificate has expired`, `wrong version number`.
//!
//! The libraries above OpenSSL pass its errors on as text only. A text that names no problem of TLS gives none.

use std::error::Error;

/// The reason of a certificate that was not accepted; the result of the verification says why.
const NOT_VERIFIED: &str = "certificate verify failed";

/// The problem of TLS in `error` or one of its causes.
pub(super) fn of(error: &(dyn Error + 'static)) -> Option<String> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| in_text(&error.to_string()))
}

/// The problem in a text such as `error:0A000086:SSL routines:FUNCTION:certificate verify failed:FILE:LINE: (RESULT)`.
pub(super) fn in_text(text: &str) -> Option<String> {
    let reason = text.match_indices("error:").find_map(|(at, _)| reason(&text[at..]))?;
    let verification =
        text.trim_end().strip_suffix(')').and_then(|text| text.rsplit_once('(')).map(|(_, result)| result);
    Some(verification.filter(|_| reason == NOT_VERIFIED).unwrap_or(reason).to_owned())
}

fn reason(from_error: &str) -> Option<&str> {
    let mut fields = from_error.split(':').skip(2);
    let (library, reason) = (fields.next()?, fields.nth(1)?);
    library.contains("SSL").then_some(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_result_of_the_verification_or_that_of_openssl() {
        let of = |text: &str| in_text(text);
        let expired = "error:0A000086:SSL routines:tls_post_process_server_certificate:certificate verify failed:\
                       ssl/statem/statem_clnt.c:2091: (certificate has expired)";
        assert_eq!(of(expired).as_deref(), Some("certificate has expired"));
        let plain = "error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:ssl/record.c:80:";
        assert_eq!(of(plain).as_deref(), Some("wrong version number"));
        assert_eq!(of(&format!("Connection error: {expired}")).as_deref(), Some("certificate has expired"));
        for other in [
            "unexpected EOF",
            "Connection refused (os error 111)",
            "error:0480006C:PEM routines:get_name:no start line:a.c:1:",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
