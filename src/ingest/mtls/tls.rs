//! TLS of the ingest listener: the shared server TLS, plus a client certificate of a configured CA.
//!
//! Every connection starts with one whole context, made from one reading of all files. A context is never exchanged on
//! a connection: verify mode, callback and CRL flags would stay those of the first one. Sessions are never resumed: a
//! resumed one would carry an old decision about a certificate into a new connection.

use std::sync::{Arc, OnceLock};

use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{Ssl, SslAcceptorBuilder, SslFiletype, SslOptions, SslSessionCacheMode, SslVerifyMode, SslVersion};
use openssl::x509::store::{X509Lookup, X509Store, X509StoreBuilder};
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509PurposeId, X509StoreContext, X509StoreContextRef, X509VerifyResult};

use super::client_cert;
use super::reason::RejectReason;
use super::trust_files::TrustFiles;
use crate::domain::certificate_id::CertificateId;
use crate::ingest::settings::{MinVersion, Settings};
use crate::server::{self, Error, SECURITY_LEVEL};

/// At most one intermediate between a client's certificate and the CA.
const CHAIN_DEPTH: u32 = 2;

/// Why a chain was rejected, and which certificate was presented: once the handshake has failed, OpenSSL forgets both.
pub(crate) type HandshakeResult = Arc<OnceLock<(RejectReason, Option<CertificateId>)>>;

/// Where a connection keeps its [`HandshakeResult`].
pub(crate) type HandshakeResultIndex = Index<Ssl, HandshakeResult>;

/// An index for handshake results. OpenSSL never frees one, so a listener makes one and keeps it.
pub(crate) fn new_result_index() -> Result<HandshakeResultIndex, ErrorStack> {
    Ssl::new_ex_index()
}

#[cfg(feature = "testing")]
impl Settings {
    /// The TLS of the ingest listener, for a server without a gateway behind it.
    #[doc(hidden)]
    pub fn tls_acceptor(&self) -> Result<SslAcceptorBuilder, Error> {
        acceptor(self, &TrustFiles::read(self)?, new_result_index()?)
    }
}

/// Builds the acceptor from what the files contain.
pub(super) fn acceptor(
    settings: &Settings,
    files: &TrustFiles,
    result_index: HandshakeResultIndex,
) -> Result<SslAcceptorBuilder, Error> {
    let mut tls = server::acceptor(&files.server)?;
    tls.set_session_cache_mode(SslSessionCacheMode::OFF);
    tls.set_options(SslOptions::NO_TICKET);
    tls.set_num_tickets(0)?;
    tls.set_min_proto_version(Some(match settings.min_version {
        MinVersion::Tls12 => SslVersion::TLS1_2,
        MinVersion::Tls13 => SslVersion::TLS1_3,
    }))?;
    for authority in &files.authorities {
        tls.add_client_ca(authority)?;
        tls.cert_store_mut().add_cert(authority.clone())?;
    }
    check_revocation(&mut tls, settings, files)?;

    tls.set_verify_depth(CHAIN_DEPTH);
    tls.verify_param_mut().set_purpose(X509PurposeId::SSL_CLIENT)?;
    let verify = move |valid: bool, chain: &mut X509StoreContextRef| {
        valid || ignore_expired_crl(chain) || reject(chain, result_index)
    };
    tls.set_verify_callback(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT, verify);
    Ok(tls)
}

/// Verifies certificates that come without a handshake: with the same CAs, purpose, depth and strength. Revocation is
/// checked by the authorizer.
pub(super) fn certificate_store(files: &TrustFiles) -> Result<X509Store, ErrorStack> {
    let mut rules = X509VerifyParam::new()?;
    rules.set_purpose(X509PurposeId::SSL_CLIENT)?;
    rules.set_depth(CHAIN_DEPTH.cast_signed());
    rules.set_auth_level(SECURITY_LEVEL.cast_signed());
    let mut store = X509StoreBuilder::new()?;
    store.set_param(&rules)?;
    for authority in &files.authorities {
        store.add_cert(authority.clone())?;
    }
    Ok(store.build())
}

fn check_revocation(tls: &mut SslAcceptorBuilder, settings: &Settings, files: &TrustFiles) -> Result<(), Error> {
    if files.lists.is_empty() {
        return Ok(());
    }
    let wrong = |what: &str| Error::file("ingest.crl", &settings.crl, what);
    if settings.crl.to_str().is_none() {
        return Err(wrong("the path is not UTF-8"));
    }
    let lookup = tls.cert_store_mut().add_lookup(X509Lookup::file())?;
    lookup.load_crl_file(&settings.crl, SslFiletype::PEM).map_err(|_| wrong("not a revocation list in PEM"))?;
    // OpenSSL opens the file itself, and may have read a newer one.
    if std::fs::read_to_string(&settings.crl).ok().as_ref() != Some(&files.crl) {
        return Err(wrong("changed while it was being read"));
    }
    let flags = X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL;
    tls.cert_store_mut().set_flags(flags)?;
    Ok(tls.verify_param_mut().set_flags(flags)?)
}

// How long an expired list is still used is decided by the authorizer, after the handshake.
fn ignore_expired_crl(chain: &mut X509StoreContextRef) -> bool {
    let ignored = RejectReason::is_expired_crl(chain.error());
    if ignored {
        chain.set_error(X509VerifyResult::OK);
    }
    ignored
}

fn reject(chain: &X509StoreContextRef, result_index: HandshakeResultIndex) -> bool {
    let ssl = X509StoreContext::ssl_idx().ok().and_then(|index| chain.ex_data(index));
    if let Some(result) = ssl.and_then(|ssl| ssl.ex_data(result_index)) {
        let first = chain.chain().and_then(|chain| chain.get(0)).or_else(|| chain.current_cert());
        let presented = first.and_then(|certificate| client_cert::id(certificate).ok());
        let _ = result.set((RejectReason::of_chain(chain.error()), presented));
    }
    false
}
