//! The files of one environment's CA: `ca.pem`, `ca.key`, `crl.pem`, `issued/index.json`, `issued/<serial>.pem`.
//!
//! The folder is created atomically, and so is each file. A certificate is recorded before it is handed out, so a crash
//! at any point leaves at most a recorded certificate that was not handed out. A lock prevents concurrent writes.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use openssl::bn::BigNum;
use openssl::x509::{CrlStatus, X509, X509Crl};
use strum::VariantArray as _;
use zeroize::Zeroizing;

use super::environment::{CaEnvironment, environment_of};
use super::index::{CertificateIndex, IssuedCertificate};
use crate::domain::clock::Timestamp;
use crate::domain::secret::Credential;
use crate::file_access;
use crate::pki::crl::builder::{CrlValidity, build_crl};
use crate::pki::{Authority, PEM_MAX, files, key, serial};

pub use super::unlocked::UnlockedCa;

/// Default validity of a CRL. The gateway reads it from its own disk, so its expiry only protects against a forgotten
/// renewal. It outlives certificates of one year.
pub const CRL_DAYS: u32 = 400;

/// The size limit of the index and the CRL: tens of thousands of certificates.
const INDEX_MAX: u64 = 16 * 1024 * 1024;

/// Why an operation of the CA failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} already exists; left unchanged", .0.display())]
    Exists(PathBuf),
    #[error("{}: there is no {environment} CA; create it with `otpost ca init --env {environment}`", path.display())]
    Missing { path: PathBuf, environment: CaEnvironment },
    #[error("{}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// A file has invalid content.
    #[error("{}: {what}", path.display())]
    Invalid { path: PathBuf, what: String },
    #[error("{} is the {found} CA, in the folder of the {expected} CA", path.display())]
    WrongEnvironment { path: PathBuf, found: CaEnvironment, expected: CaEnvironment },
    /// The CA's key or certificate cannot be used.
    #[error("{}", path.display())]
    Key { path: PathBuf, source: crate::pki::Error },
    #[error("{serial}: the {environment} CA has not issued this certificate; see `otpost ca list`")]
    Unknown { serial: String, environment: CaEnvironment },
    /// The other holder of the key could connect again.
    #[error("the key was revoked as compromised (certificate {0}); request a CSR with a new key")]
    Compromised(String),
    #[error("{serial} was already revoked on {at} and is in the CRL")]
    AlreadyRevoked { serial: String, at: Timestamp },
    /// A certificate or CRL could not be created or stored.
    #[error(transparent)]
    Pki(#[from] crate::pki::Error),
}

impl Error {
    /// Whether the system failed, as opposed to invalid input.
    pub fn is_system_failure(&self) -> bool {
        matches!(self, Self::Write { .. } | Self::Pki(crate::pki::Error::File { .. } | crate::pki::Error::OpenSsl(_)))
    }
}

/// The parameters of a new CA.
#[derive(Debug)]
pub struct CaParams<'a> {
    /// The common name.
    pub name: &'a str,
    pub days: u32,
    /// Validity of the first CRL.
    pub crl_days: u32,
    /// Encrypts the private key.
    pub passphrase: Option<&'a Credential>,
}

/// The files of a CA. Reading them does not need the private key.
#[derive(Debug, Clone)]
pub struct CaStore {
    folder: PathBuf,
    pub environment: CaEnvironment,
}

impl CaStore {
    /// The CA of an environment in `folder`. It does not have to exist.
    pub fn at(folder: &Path, environment: CaEnvironment) -> Self {
        Self { folder: folder.join(environment.name()), environment }
    }

    /// The CAs that exist in `folder`.
    pub fn all(folder: &Path) -> Vec<Self> {
        CaEnvironment::VARIANTS.iter().map(|&of| Self::at(folder, of)).filter(Self::exists).collect()
    }

    pub fn exists(&self) -> bool {
        self.path("ca.pem").exists()
    }

    /// The path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Creates the CA with an empty CRL and an empty index, atomically.
    pub fn create(&self, params: &CaParams<'_>, now: Timestamp) -> Result<UnlockedCa, Error> {
        if fs::read_dir(&self.folder).is_ok_and(|mut entries| entries.next().is_some()) || self.folder.is_file() {
            return Err(Error::Exists(self.folder.clone()));
        }
        let parent = self.folder.parent().unwrap_or(Path::new("."));
        let temporary = Self {
            folder: parent.join(format!(".{}.new-{}", self.environment, std::process::id())),
            environment: self.environment,
        };
        let created = fs::create_dir_all(temporary.path("issued"))
            .map_err(write_error(&temporary.folder))
            .and_then(|()| temporary.initialize(params, now))
            // A rename replaces an empty folder.
            .and_then(|authority| {
                fs::rename(&temporary.folder, &self.folder).map_err(write_error(&self.folder)).map(|()| authority)
            });
        if created.is_err() {
            let _ = fs::remove_dir_all(&temporary.folder);
        }
        let authority = created?;
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(write_error(parent))?;
        Ok(UnlockedCa::new(self, authority, self.lock()?))
    }

    fn initialize(&self, params: &CaParams<'_>, now: Timestamp) -> Result<Authority, Error> {
        let authority = Authority::create_for(self.environment, params.name, params.days, now)?;
        match params.passphrase {
            Some(passphrase) => files::write_encrypted_key(&self.path("ca.key"), authority.key(), passphrase)?,
            None => files::write_key(&self.path("ca.key"), authority.key())?,
        }
        files::write_certificate(&self.path("ca.pem"), authority.certificate())?;
        self.write_crl(&authority, &mut CertificateIndex::new(), now, params.crl_days)?;
        Ok(authority)
    }

    /// The CA certificate.
    pub fn certificate(&self) -> Result<X509, Error> {
        let path = self.path("ca.pem");
        let pem = self.read("ca.pem", PEM_MAX)?;
        let certificate = X509::from_pem(&pem).map_err(|_| invalid(&path, "is not a certificate in PEM"))?;
        match environment_of(&certificate) {
            Some(found) if found != self.environment => {
                Err(Error::WrongEnvironment { path, found, expected: self.environment })
            }
            _ => Ok(certificate),
        }
    }

    /// The issued certificates.
    pub fn index(&self) -> Result<CertificateIndex, Error> {
        let json = self.read(INDEX, INDEX_MAX)?;
        CertificateIndex::read(&json).map_err(|what| invalid(&self.path(INDEX), &what))
    }

    /// The latest CRL.
    pub fn crl(&self) -> Result<X509Crl, Error> {
        let pem = self.read("crl.pem", INDEX_MAX)?;
        X509Crl::from_pem(&pem).map_err(|_| invalid(&self.path("crl.pem"), "is not a CRL in PEM"))
    }

    /// When the latest CRL expires.
    pub fn crl_expires_at(&self) -> Result<Timestamp, Error> {
        let crl = self.crl()?;
        let until = crl.next_update().ok_or_else(|| invalid(&self.path("crl.pem"), "has no nextUpdate"))?;
        Ok(crate::pki::timestamp(until).map_err(crate::pki::Error::from)?)
    }

    /// Serial numbers of revoked certificates that the latest CRL does not list, because of a crash before it was
    /// signed.
    pub fn missing_from_crl(&self) -> Result<Vec<String>, Error> {
        let (index, crl) = (self.index()?, self.crl()?);
        let mut missing = Vec::new();
        for revoked in index.revoked() {
            if !lists(&crl, revoked.serial)? {
                missing.push(revoked.serial.to_owned());
            }
        }
        Ok(missing)
    }

    /// Whether the file of a recorded certificate exists. If not, a crash prevented it, and the certificate was not
    /// handed out.
    pub fn has_certificate(&self, record: &IssuedCertificate) -> bool {
        self.path(&issued_name(&record.serial)).exists()
    }

    /// Reads an issued certificate.
    pub fn issued_certificate(&self, record: &IssuedCertificate) -> Result<X509, Error> {
        let name = issued_name(&record.serial);
        X509::from_pem(&self.read(&name, PEM_MAX)?)
            .map_err(|_| invalid(&self.path(&name), "is not a certificate in PEM"))
    }

    /// Whether the private key is encrypted.
    pub fn is_encrypted(&self) -> Result<bool, Error> {
        Ok(key::is_encrypted(&Zeroizing::new(self.read("ca.key", PEM_MAX)?)))
    }

    /// Checks that the private key belongs to the certificate, and that the certificate signed the CRL. `false` if the key is
    /// encrypted or kept elsewhere, and could not be compared.
    pub fn check_files(&self) -> Result<bool, Error> {
        let certificate = self.certificate()?;
        let public = certificate.public_key().map_err(crate::pki::Error::from)?;
        if !self.crl()?.verify(&public).unwrap_or(false) {
            let what = "was not signed by ca.pem; restore both from one backup, or sign a new one with `otpost ca crl`";
            return Err(invalid(&self.path("crl.pem"), what));
        }
        if !self.path("ca.key").exists() {
            return Ok(false);
        }
        let key = Zeroizing::new(self.read("ca.key", PEM_MAX)?);
        if key::is_encrypted(&key) {
            return Ok(false);
        }
        let certificate = certificate.to_pem().map_err(crate::pki::Error::from)?;
        let loaded = Authority::load(&certificate, &key, None);
        loaded.map(|_| true).map_err(|source| Error::Key { path: self.path("ca.key"), source })
    }

    /// Loads the private key and locks the CA. Waits while another process has the lock.
    pub fn unlock(&self, passphrase: Option<&Credential>) -> Result<UnlockedCa, Error> {
        let certificate = self.certificate()?.to_pem().map_err(crate::pki::Error::from)?;
        let key = Zeroizing::new(self.read("ca.key", PEM_MAX)?);
        let authority = Authority::load(&certificate, &key, passphrase)
            .map_err(|source| Error::Key { path: self.path("ca.key"), source })?;
        Ok(UnlockedCa::new(self, authority, self.lock()?))
    }

    // The system releases the lock when the process ends.
    fn lock(&self) -> Result<File, Error> {
        let path = self.path("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(write_error(&path))?;
        file.lock().map_err(write_error(&path))?;
        for folder in [self.folder.clone(), self.path("issued")] {
            file_access::remove_drafts(&folder).map_err(write_error(&folder))?;
        }
        Ok(file)
    }

    fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let path = self.path(name);
        if !self.exists() {
            return Err(Error::Missing { path: self.folder.clone(), environment: self.environment });
        }
        files::read_up_to(&path, limit)
            .map_err(|source| Error::Read { source: file_access::explained(&path, &source), path })
    }

    pub(super) fn save(&self, index: &CertificateIndex) -> Result<(), Error> {
        let path = self.path(INDEX);
        let json = index.write().map_err(|what| invalid(&path, &what))?;
        Ok(files::replace(&path, &json)?)
    }

    // The number is saved before the CRL is signed, so that no two CRLs have the same number.
    pub(super) fn write_crl(
        &self,
        authority: &Authority,
        index: &mut CertificateIndex,
        now: Timestamp,
        days: u32,
    ) -> Result<(), Error> {
        index.crl_number += 1;
        self.save(index)?;
        let until = now.after(Duration::from_hours(24 * u64::from(days)));
        let crl = build_crl(authority, &index.revoked(), index.crl_number, CrlValidity { from: now, until })?;
        Ok(files::write_crl(&self.path("crl.pem"), &crl)?)
    }
}

const INDEX: &str = "issued/index.json";

pub(super) fn issued_name(serial: &str) -> String {
    format!("issued/{serial}.pem")
}

fn lists(crl: &X509Crl, serial: &str) -> Result<bool, Error> {
    let serial = BigNum::from_hex_str(serial).and_then(|serial| serial.to_asn1_integer());
    Ok(matches!(crl.get_by_serial(&*serial.map_err(crate::pki::Error::from)?), CrlStatus::Revoked(_)))
}

fn invalid(path: &Path, what: &str) -> Error {
    Error::Invalid { path: path.to_owned(), what: what.to_owned() }
}

fn write_error(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Write { path, source }
}

/// Finds the CA that issued `certificate`, and its record.
pub fn find(cas: &[CaStore], certificate: &X509) -> Result<Option<(CaStore, IssuedCertificate)>, Error> {
    let serial = serial(certificate)?;
    for ca in cas {
        // Certificates of other CAs can have any serial number, so the signature is checked.
        let key = ca.certificate()?.public_key().map_err(crate::pki::Error::from)?;
        if certificate.verify(&key).unwrap_or(false) {
            return Ok(ca.index()?.find(&serial).map(|record| (ca.clone(), record.clone())));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
