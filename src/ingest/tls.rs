//! The handshake: TLS 1.2 with AEAD suites or 1.3, and nobody without a certificate of the configured authority.
//!
//! Sessions are never resumed: a resumed one would carry an old decision about a certificate into a new connection.

use std::path::Path;

use openssl::ssl::{
    SslAcceptor, SslAcceptorBuilder, SslFiletype, SslMethod, SslOptions, SslSessionCacheMode, SslVerifyMode,
};
use openssl::x509::X509;

use super::{Error, Settings};

/// Our certificates hang directly below the authority; one step between is enough.
const CHAIN_DEPTH: u32 = 2;

/// Builds the acceptor from the configured files.
pub(super) fn acceptor(settings: &Settings) -> Result<SslAcceptorBuilder, Error> {
    let mut tls = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    // Level 2 refuses keys below 112 bits: RSA under 2048, curves under 224.
    tls.set_security_level(2);
    tls.set_session_cache_mode(SslSessionCacheMode::OFF);
    tls.set_options(SslOptions::NO_TICKET | SslOptions::NO_RENEGOTIATION);
    tls.set_num_tickets(0)?;

    let file = |key: &'static str, path: &Path| {
        let path = path.to_owned();
        move |what: String| Error::File { key, path, what }
    };
    tls.set_certificate_chain_file(&settings.certificate)
        .map_err(|e| file("ingest.certificate", &settings.certificate)(told(&settings.certificate, &e)))?;
    tls.set_private_key_file(&settings.key, SslFiletype::PEM)
        .map_err(|e| file("ingest.key", &settings.key)(told(&settings.key, &e)))?;
    trust(&mut tls, &settings.client_ca)?;

    tls.set_verify_depth(CHAIN_DEPTH);
    tls.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    Ok(tls)
}

fn trust(tls: &mut SslAcceptorBuilder, path: &Path) -> Result<(), Error> {
    let wrong = |what: String| Error::File { key: "ingest.client_ca", path: path.to_owned(), what };
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let authorities = X509::stack_from_pem(&pem).map_err(|_| wrong("not a certificate in PEM".to_owned()))?;
    if authorities.is_empty() {
        return Err(wrong("holds no certificate".to_owned()));
    }
    for authority in authorities {
        tls.add_client_ca(&authority)?;
        tls.cert_store_mut().add_cert(authority)?;
    }
    Ok(())
}

// OpenSSL's own stack names source lines of OpenSSL; whether the file is there is what an operator asks first.
fn told(path: &Path, error: &openssl::error::ErrorStack) -> String {
    let mismatch = |e: &openssl::error::Error| e.reason().is_some_and(|reason| reason.contains("mismatch"));
    match std::fs::metadata(path) {
        Err(missing) => missing.to_string(),
        Ok(_) if error.errors().iter().any(mismatch) => "not the key of ingest.certificate".to_owned(),
        Ok(_) => error
            .errors()
            .last()
            .and_then(openssl::error::Error::reason)
            .map_or("not PEM".to_owned(), |r| format!("not usable ({r})")),
    }
}
