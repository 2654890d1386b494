//! The handshake: TLS 1.2 with AEAD suites or 1.3, and nobody without a good certificate of a configured authority.
//!
//! Every connection begins with a whole context, made of one reading of all files. Contexts are never exchanged on a
//! connection: verify mode, callback and CRL flags would stay those of the first one. Sessions are never resumed: a
//! resumed one would carry an old decision about a certificate into a new connection.

use std::sync::{Arc, OnceLock};

use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{
    Ssl, SslAcceptor, SslAcceptorBuilder, SslFiletype, SslMethod, SslOptions, SslSessionCacheMode, SslVerifyMode,
    SslVersion,
};
use openssl::x509::store::{X509Lookup, X509Store, X509StoreBuilder};
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509PurposeId, X509StoreContext, X509StoreContextRef, X509VerifyResult};

use super::client_cert;
use super::pem_files::{PemFiles, wrong};
use super::reason::RejectReason;
use crate::flow::audit::CertificateId;
use crate::ingest::settings::{Error, MinVersion, Settings};

/// One step between a client's certificate and the authority.
const CHAIN_DEPTH: u32 = 2;

/// Level 2 refuses keys below 112 bits: RSA under 2048, curves under 224.
const SECURITY_LEVEL: u32 = 2;

/// `X509_V_ERR_CRL_HAS_EXPIRED`
const CRL_HAS_EXPIRED: i32 = 12;

/// Why a chain was refused, and which certificate was shown: once the handshake has failed, OpenSSL forgets both.
pub(crate) type HandshakeResult = Arc<OnceLock<(RejectReason, Option<CertificateId>)>>;

/// Where a connection keeps its note.
pub(crate) type HandshakeResultIndex = Index<Ssl, HandshakeResult>;

/// A place for notes. OpenSSL never gives one back, so one is made for a whole door.
pub(crate) fn new_note() -> Result<HandshakeResultIndex, ErrorStack> {
    Ssl::new_ex_index()
}

impl Settings {
    /// The handshake this door demands, for whoever measures a server with nothing behind it.
    pub fn handshake(&self) -> Result<SslAcceptorBuilder, Error> {
        acceptor(self, &PemFiles::read(self)?, new_note()?)
    }
}

/// Builds the acceptor from what the files hold.
pub(crate) fn acceptor(
    settings: &Settings,
    material: &PemFiles,
    note: HandshakeResultIndex,
) -> Result<SslAcceptorBuilder, Error> {
    let mut tls = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    tls.set_security_level(SECURITY_LEVEL);
    tls.set_session_cache_mode(SslSessionCacheMode::OFF);
    tls.set_options(SslOptions::NO_TICKET | SslOptions::NO_RENEGOTIATION);
    tls.set_num_tickets(0)?;
    tls.set_max_early_data(0)?;
    tls.set_min_proto_version(Some(match settings.min_version {
        MinVersion::Tls12 => SslVersion::TLS1_2,
        MinVersion::Tls13 => SslVersion::TLS1_3,
    }))?;

    let weak =
        |_| wrong("ingest.certificate", &settings.certificate, "not usable: a key or signature in it is too weak");
    tls.set_certificate(&material.certificate).map_err(weak)?;
    for above in &material.above {
        tls.add_extra_chain_cert(above.clone()).map_err(weak)?;
    }
    tls.set_private_key(&material.key)?;
    for authority in &material.authorities {
        tls.add_client_ca(authority)?;
        tls.cert_store_mut().add_cert(authority.clone())?;
    }
    ask_for_lists(&mut tls, settings, material)?;

    tls.set_verify_depth(CHAIN_DEPTH);
    tls.verify_param_mut().set_purpose(X509PurposeId::SSL_CLIENT)?;
    let judge = move |fine: bool, chain: &mut X509StoreContextRef| fine || forgive(chain) || refuse(chain, note);
    tls.set_verify_callback(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT, judge);
    Ok(tls)
}

/// What a certificate is held against that comes without a handshake: the same authorities, purpose, depth and strength.
/// Lists are for the gate.
pub(crate) fn store(material: &PemFiles) -> Result<X509Store, ErrorStack> {
    let mut rules = X509VerifyParam::new()?;
    rules.set_purpose(X509PurposeId::SSL_CLIENT)?;
    rules.set_depth(CHAIN_DEPTH.cast_signed());
    rules.set_auth_level(SECURITY_LEVEL.cast_signed());
    let mut store = X509StoreBuilder::new()?;
    store.set_param(&rules)?;
    for authority in &material.authorities {
        store.add_cert(authority.clone())?;
    }
    Ok(store.build())
}

fn ask_for_lists(tls: &mut SslAcceptorBuilder, settings: &Settings, material: &PemFiles) -> Result<(), Error> {
    if material.lists.is_empty() {
        return Ok(());
    }
    let wrong = |what: &str| wrong("ingest.crl", &settings.crl, what);
    if settings.crl.to_str().is_none() {
        return Err(wrong("the path is not UTF-8"));
    }
    let lookup = tls.cert_store_mut().add_lookup(X509Lookup::file())?;
    lookup.load_crl_file(&settings.crl, SslFiletype::PEM).map_err(|_| wrong("not a revocation list in PEM"))?;
    // OpenSSL opens the file itself, and may have found a newer one there than we did.
    if std::fs::read_to_string(&settings.crl).ok().as_ref() != Some(&material.crl) {
        return Err(wrong("changed while it was being read"));
    }
    let flags = X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL;
    tls.cert_store_mut().set_flags(flags)?;
    Ok(tls.verify_param_mut().set_flags(flags)?)
}

// How long an old list still counts is for the gate to say, which is asked when the handshake is done.
fn forgive(chain: &mut X509StoreContextRef) -> bool {
    let old_list = chain.error().as_raw() == CRL_HAS_EXPIRED;
    if old_list {
        chain.set_error(X509VerifyResult::OK);
    }
    old_list
}

fn refuse(chain: &X509StoreContextRef, note: HandshakeResultIndex) -> bool {
    let ssl = X509StoreContext::ssl_idx().ok().and_then(|index| chain.ex_data(index));
    if let Some(note) = ssl.and_then(|ssl| ssl.ex_data(note)) {
        let first = chain.chain().and_then(|chain| chain.get(0)).or_else(|| chain.current_cert());
        let shown = first.and_then(|certificate| client_cert::show(certificate).ok());
        let _ = note.set((RejectReason::of_chain(chain.error()), shown));
    }
    false
}
