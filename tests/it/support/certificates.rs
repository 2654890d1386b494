//! Certificates that no proper authority would make, and lists of those that it has revoked.

use std::time::Duration;

use openssl::asn1::{Asn1Object, Asn1OctetString, Asn1Time};
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage};
use openssl::x509::{X509, X509Builder, X509CrlBuilder, X509Extension, X509Name, X509NameRef, X509RevokedBuilder};
use otpost::domain::clock::Timestamp;
use otpost::pki::Authority;

use super::sender::Identity;

/// Signed by its own key.
pub(crate) fn self_signed() -> Identity {
    let key = rsa(2048);
    let mut builder = begin("processor", &name("processor"), &key);
    builder.append_extension(client_auth()).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    Identity::new(builder.build(), key)
}

/// Of the right authority, with an RSA key of so many bits.
pub(crate) fn with_rsa_key(authority: &Authority, bits: u32) -> Identity {
    let key = rsa(bits);
    let mut builder = begin("processor", authority.certificate().subject_name(), &key);
    builder.append_extension(client_auth()).unwrap();
    builder.sign(authority.key(), MessageDigest::sha256()).unwrap();
    Identity::new(builder.build(), key)
}

/// Of the right authority, for servers only.
pub(crate) fn for_servers_only(authority: &Authority) -> Identity {
    let key = rsa(2048);
    let mut builder = begin("processor", authority.certificate().subject_name(), &key);
    builder.append_extension(ExtendedKeyUsage::new().server_auth().build().unwrap()).unwrap();
    builder.sign(authority.key(), MessageDigest::sha256()).unwrap();
    Identity::new(builder.build(), key)
}

/// Of an authority that the right authority has signed and must not have.
pub(crate) fn below_a_second_authority(authority: &Authority) -> Identity {
    let above = rsa(2048);
    let mut builder = begin("Practice sub-CA", authority.certificate().subject_name(), &above);
    builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    builder.sign(authority.key(), MessageDigest::sha256()).unwrap();
    let chain = vec![builder.build()];
    let key = rsa(2048);
    let mut builder = begin("processor", &name("Practice sub-CA"), &key);
    builder.append_extension(client_auth()).unwrap();
    builder.sign(&above, MessageDigest::sha256()).unwrap();
    Identity { chain, ..Identity::new(builder.build(), key) }
}

fn begin(subject: &str, issuer: &X509NameRef, key: &PKey<Private>) -> X509Builder {
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&BigNum::from_u32(7).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&name(subject)).unwrap();
    builder.set_issuer_name(issuer).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    builder
}

fn client_auth() -> X509Extension {
    ExtendedKeyUsage::new().client_auth().build().unwrap()
}

fn name(common_name: &str) -> X509Name {
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, common_name).unwrap();
    name.build()
}

fn rsa(bits: u32) -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
}

/// Of the right authority, without a word about what it is for.
pub(crate) fn for_nothing_in_particular(authority: &Authority) -> Identity {
    let key = rsa(2048);
    let mut builder = begin("processor", authority.certificate().subject_name(), &key);
    builder.sign(authority.key(), MessageDigest::sha256()).unwrap();
    Identity::new(builder.build(), key)
}

/// An authority that may have another one below it, that one, and a client of it.
pub(crate) fn two_authorities() -> (X509, X509, Identity) {
    let (top, below, key) = (rsa(2048), rsa(2048), rsa(2048));
    let ca = || BasicConstraints::new().critical().ca().build().unwrap();
    let mut builder = begin("Practice root", &name("Practice root"), &top);
    builder.append_extension(ca()).unwrap();
    builder.sign(&top, MessageDigest::sha256()).unwrap();
    let root = builder.build();
    let mut builder = begin("Practice issuer", &name("Practice root"), &below);
    builder.append_extension(ca()).unwrap();
    builder.sign(&top, MessageDigest::sha256()).unwrap();
    let issuer = builder.build();
    let mut builder = begin("processor", &name("Practice issuer"), &key);
    builder.append_extension(client_auth()).unwrap();
    builder.sign(&below, MessageDigest::sha256()).unwrap();
    let client = Identity { chain: vec![issuer.clone()], ..Identity::new(builder.build(), key) };
    (root, issuer, client)
}

/// The authority's list of revoked certificates, PEM; the next one is promised for `until`.
pub(crate) fn revocation_list(authority: &Authority, revoked: &[&X509], until: Timestamp) -> String {
    let time = |at: Timestamp| Asn1Time::from_unix(at.micros() / 1_000_000).unwrap();
    let mut list = X509CrlBuilder::new().unwrap();
    list.set_issuer_name(authority.certificate().subject_name()).unwrap();
    let week_before = time(until.before(Duration::from_hours(24 * 30)));
    list.set_last_update(&week_before).unwrap();
    list.set_next_update(&time(until)).unwrap();
    let context = X509::builder().unwrap();
    let context = context.x509v3_context(Some(authority.certificate()), None);
    list.append_extension(AuthorityKeyIdentifier::new().keyid(true).build(&context).unwrap()).unwrap();
    let number = Asn1OctetString::new_from_bytes(&[2, 1, 1]).unwrap();
    let crl_number = Asn1Object::from_str("2.5.29.20").unwrap();
    list.append_extension(X509Extension::new_from_der(&crl_number, false, &number).unwrap()).unwrap();
    for certificate in revoked {
        let mut entry = X509RevokedBuilder::new().unwrap();
        entry.set_serial_number(certificate.serial_number()).unwrap();
        entry.set_revocation_date(&week_before).unwrap();
        list.add_revoked(entry.build()).unwrap();
    }
    list.sign(authority.key(), MessageDigest::sha256()).unwrap();
    String::from_utf8(list.build().unwrap().to_pem().unwrap()).unwrap()
}
