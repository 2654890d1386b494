//! Signing requests: making one as the processor would, and checking one before it is signed.

use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private, Public};
use openssl::x509::{X509NameBuilder, X509Req, X509ReqRef};

use super::{Error, KeyKind, key};

/// The only version of PKCS#10, as the field counts it.
const VERSION_1: i32 = 0;

/// A signing request and the private key it was made with.
pub struct Request {
    /// The request, to be sent to the authority.
    pub csr: X509Req,
    /// The key, to be kept.
    pub key: PKey<Private>,
}

/// Makes a P-256 key and asks for a certificate for it: the processor's part, played where there is none.
pub fn request(common_name: &str, organisation: &str) -> Result<Request, Error> {
    let key = key::generate()?;
    let mut subject = X509NameBuilder::new()?;
    subject.append_entry_by_nid(Nid::ORGANIZATIONNAME, organisation)?;
    subject.append_entry_by_nid(Nid::COMMONNAME, common_name)?;

    let mut csr = X509Req::builder()?;
    csr.set_version(VERSION_1)?;
    csr.set_subject_name(&subject.build())?;
    csr.set_pubkey(&key)?;
    csr.sign(&key, MessageDigest::sha256())?;
    Ok(Request { csr: csr.build(), key })
}

/// The key that `csr` asks a certificate for, once it is known that the asker owns it and that it is strong enough.
pub(super) fn proven_key(csr: &X509ReqRef) -> Result<PKey<Public>, Error> {
    let key = csr.public_key()?;
    KeyKind::of(&key).fit()?;
    if !csr.verify(&key)? {
        return Err(Error::BrokenSignature);
    }
    Ok(key)
}
