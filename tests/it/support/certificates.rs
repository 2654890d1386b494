//! Certificates that no proper authority would make.

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage};
use openssl::x509::{X509, X509Builder, X509Name, X509NameRef};
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

fn client_auth() -> openssl::x509::X509Extension {
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
