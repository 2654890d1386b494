//! The certificate desk of one environment: a folder with its authority, all it has issued, and what it took back.
//!
//! `ca.pem`, `ca.key`, `crl.pem`, `issued/index.json`, `issued/<number>.pem`. The folder appears whole or not at all, and
//! each file in it is replaced at once. Something is written down first and handed out then, so that a crash between
//! any two lines leaves at most a certificate that nobody has. A lock keeps two desks from writing at once.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use openssl::bn::BigNum;
use openssl::x509::{CrlStatus, X509, X509Crl};
use zeroize::Zeroizing;

use super::environment::{CaEnvironment, environment};
use super::index::{CertificateIndex, IssuedCertificate};
use crate::domain::clock::Timestamp;
use crate::domain::secret::Credential;
use crate::pki::crl::builder::{CrlValidity, revocation_list};
use crate::pki::{Authority, PEM_MAX, files, key, serial};

pub use super::unlocked::UnlockedCa;

/// A list is read from our own disk and not from a network, so its end guards against nothing but being forgotten: it
/// outlives certificates of a year.
pub const LIST_DAYS: u32 = 400;

/// Room for tens of thousands of certificates, in the register as in the list.
const REGISTER_MAX: u64 = 16 * 1024 * 1024;

/// Why the desk cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An authority that was overwritten would be gone, and with it every certificate it signed.
    #[error("{}: is there already and stays as it is", .0.display())]
    Exists(PathBuf),
    /// There is no authority of that environment.
    #[error("{}: there is no {environment} CA; otpost ca init --env {environment} makes one", path.display())]
    Missing {
        /// Its folder.
        path: PathBuf,
        /// Which.
        environment: CaEnvironment,
    },
    /// A file could not be read.
    #[error("{}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder or lock could not be made.
    #[error("{} could not be written", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {what}", path.display())]
    Garbled {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The authority of one environment lies in the folder of the other.
    #[error("{}: is the {found} CA, in the place of the {expected} CA", path.display())]
    Mixed {
        /// Its file.
        path: PathBuf,
        /// What it is.
        found: CaEnvironment,
        /// What it should be.
        expected: CaEnvironment,
    },
    /// The authority's own pair cannot be used.
    #[error("{}", path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// Why.
        source: crate::pki::Error,
    },
    /// It has not issued that certificate.
    #[error("{serial}: the {environment} CA has issued no certificate of that number; otpost ca list shows them")]
    Unknown {
        /// The number.
        serial: String,
        /// Of whom.
        environment: CaEnvironment,
    },
    /// Whoever has that key besides its owner would be let in again.
    #[error("its key was revoked as compromised (certificate {0}); ask for a new key and a request made with it")]
    Compromised(String),
    /// Nothing is left to be done.
    #[error("{serial}: was revoked on {at} already, and is in the list")]
    AlreadyRevoked {
        /// The number.
        serial: String,
        /// When.
        at: Timestamp,
    },
    /// A certificate or list could not be made or kept.
    #[error(transparent)]
    Pki(#[from] crate::pki::Error),
}

impl Error {
    /// Whether the machine failed and not the one who asked.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Write { .. } | Self::Pki(crate::pki::Error::File { .. } | crate::pki::Error::OpenSsl(_)))
    }
}

/// How an authority begins.
#[derive(Debug)]
pub struct CaParams<'a> {
    /// What it is called, its common name.
    pub name: &'a str,
    /// How long it lives.
    pub days: u32,
    /// How long its first list may be used.
    pub list_days: u32,
    /// What its key is encrypted with.
    pub passphrase: Option<&'a Credential>,
}

/// A desk that can be read by anybody who can read its files.
#[derive(Debug, Clone)]
pub struct CaStore {
    folder: PathBuf,
    /// Of which environment.
    pub environment: CaEnvironment,
}

impl CaStore {
    /// The desk of an environment, below the folder of all; whether it exists is not asked.
    pub fn at(folder: &Path, environment: CaEnvironment) -> Self {
        Self { folder: folder.join(environment.name()), environment }
    }

    /// The desks that exist below `folder`.
    pub fn all(folder: &Path) -> Vec<Self> {
        CaEnvironment::ALL.map(|of| Self::at(folder, of)).into_iter().filter(CaStore::exists).collect()
    }

    /// Whether it has an authority.
    pub fn exists(&self) -> bool {
        self.path("ca.pem").exists()
    }

    /// One of its files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes the authority with its first, empty list and an empty register, all of them or nothing.
    pub fn create(&self, founding: &CaParams<'_>, now: Timestamp) -> Result<UnlockedCa, Error> {
        if fs::read_dir(&self.folder).is_ok_and(|mut entries| entries.next().is_some()) || self.folder.is_file() {
            return Err(Error::Exists(self.folder.clone()));
        }
        let above = self.folder.parent().unwrap_or(Path::new("."));
        let aside = Self {
            folder: above.join(format!(".{}.new-{}", self.environment, std::process::id())),
            environment: self.environment,
        };
        let made = fs::create_dir_all(aside.path("issued"))
            .map_err(unwritten(&aside.folder))
            .and_then(|()| aside.found(founding, now))
            // An empty folder of that name gives way.
            .and_then(|authority| {
                fs::rename(&aside.folder, &self.folder).map_err(unwritten(&self.folder)).map(|()| authority)
            });
        if made.is_err() {
            let _ = fs::remove_dir_all(&aside.folder);
        }
        let authority = made?;
        File::open(above).and_then(|above| above.sync_all()).map_err(unwritten(above))?;
        Ok(UnlockedCa::new(self, authority, self.lock()?))
    }

    fn found(&self, founding: &CaParams<'_>, now: Timestamp) -> Result<Authority, Error> {
        let authority = Authority::create_for(self.environment, founding.name, founding.days, now)?;
        match founding.passphrase {
            Some(passphrase) => files::write_locked_key(&self.path("ca.key"), authority.key(), passphrase)?,
            None => files::write_key(&self.path("ca.key"), authority.key())?,
        }
        files::write_certificate(&self.path("ca.pem"), authority.certificate())?;
        self.write_list(&authority, &mut CertificateIndex::new(), now, founding.list_days)?;
        Ok(authority)
    }

    /// The authority's certificate.
    pub fn certificate(&self) -> Result<X509, Error> {
        let path = self.path("ca.pem");
        let pem = self.read("ca.pem", PEM_MAX)?;
        let certificate = X509::from_pem(&pem).map_err(|_| garbled(&path, "is not a certificate in PEM"))?;
        match environment(&certificate) {
            Some(found) if found != self.environment => Err(Error::Mixed { path, found, expected: self.environment }),
            _ => Ok(certificate),
        }
    }

    /// What it has issued.
    pub fn register(&self) -> Result<CertificateIndex, Error> {
        let json = self.read(INDEX, REGISTER_MAX)?;
        CertificateIndex::read(&json).map_err(|what| garbled(&self.path(INDEX), &what))
    }

    /// The newest list of what it took back.
    pub fn list(&self) -> Result<X509Crl, Error> {
        let pem = self.read("crl.pem", REGISTER_MAX)?;
        X509Crl::from_pem(&pem)
            .map_err(|_| garbled(&self.path("crl.pem"), "is not a list of revoked certificates in PEM"))
    }

    /// When its newest list must have been replaced.
    pub fn list_until(&self) -> Result<Timestamp, Error> {
        let list = self.list()?;
        let until = list.next_update().ok_or_else(|| garbled(&self.path("crl.pem"), "says no nextUpdate"))?;
        Ok(crate::pki::timestamp(until).map_err(crate::pki::Error::from)?)
    }

    /// Certificates that were taken back and that the newest list does not name: a crash came between.
    pub fn missing_in_list(&self) -> Result<Vec<String>, Error> {
        let (register, list) = (self.register()?, self.list()?);
        let mut missing = Vec::new();
        for revoked in register.revoked() {
            if !names(&list, revoked.serial)? {
                missing.push(revoked.serial.to_owned());
            }
        }
        Ok(missing)
    }

    /// Whether it has a certificate that is on record. If not, a crash came between, and nobody else has it either.
    pub fn holds(&self, record: &IssuedCertificate) -> bool {
        self.path(&issued_name(&record.serial)).exists()
    }

    /// A certificate that it has issued.
    pub fn issued(&self, record: &IssuedCertificate) -> Result<X509, Error> {
        let name = issued_name(&record.serial);
        X509::from_pem(&self.read(&name, PEM_MAX)?)
            .map_err(|_| garbled(&self.path(&name), "is not a certificate in PEM"))
    }

    /// Whether its key opens with a passphrase only.
    pub fn is_locked(&self) -> Result<bool, Error> {
        Ok(key::is_locked(&Zeroizing::new(self.read("ca.key", PEM_MAX)?)))
    }

    /// Takes the key in hand, once whoever has it now is done.
    pub fn open(&self, passphrase: Option<&Credential>) -> Result<UnlockedCa, Error> {
        let certificate = self.certificate()?.to_pem().map_err(crate::pki::Error::from)?;
        let key = Zeroizing::new(self.read("ca.key", PEM_MAX)?);
        let authority = Authority::load(&certificate, &key, passphrase)
            .map_err(|source| Error::Key { path: self.path("ca.key"), source })?;
        Ok(UnlockedCa::new(self, authority, self.lock()?))
    }

    // The system frees it when the process ends, however that happens.
    fn lock(&self) -> Result<File, Error> {
        let path = self.path("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(unwritten(&path))?;
        file.lock().map_err(unwritten(&path))?;
        for folder in [self.folder.clone(), self.path("issued")] {
            files::sweep(&folder).map_err(unwritten(&folder))?;
        }
        Ok(file)
    }

    fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let path = self.path(name);
        if !self.exists() {
            return Err(Error::Missing { path: self.folder.clone(), environment: self.environment });
        }
        files::read_up_to(&path, limit).map_err(|source| Error::Read { path, source })
    }

    pub(super) fn save(&self, register: &CertificateIndex) -> Result<(), Error> {
        let path = self.path(INDEX);
        let json = register.write().map_err(|what| garbled(&path, &what))?;
        Ok(files::replace(&path, &json)?)
    }

    // The number is written down before the list that has it: two lists of one number could not be told apart.
    pub(super) fn write_list(
        &self,
        by: &Authority,
        register: &mut CertificateIndex,
        now: Timestamp,
        days: u32,
    ) -> Result<(), Error> {
        register.list_number += 1;
        self.save(register)?;
        let until = now.after(Duration::from_hours(24 * u64::from(days)));
        let list = revocation_list(by, &register.revoked(), register.list_number, CrlValidity { from: now, until })?;
        Ok(files::write_list(&self.path("crl.pem"), &list)?)
    }
}

const INDEX: &str = "issued/index.json";

pub(super) fn issued_name(serial: &str) -> String {
    format!("issued/{serial}.pem")
}

fn names(list: &X509Crl, number: &str) -> Result<bool, Error> {
    let number = BigNum::from_hex_str(number).and_then(|number| number.to_asn1_integer());
    Ok(matches!(list.get_by_serial(&*number.map_err(crate::pki::Error::from)?), CrlStatus::Revoked(_)))
}

fn garbled(path: &Path, what: &str) -> Error {
    Error::Garbled { path: path.to_owned(), what: what.to_owned() }
}

fn unwritten(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Write { path, source }
}

/// Which of `desks` has issued `certificate`, and how it is written down there.
pub fn find(desks: &[CaStore], certificate: &X509) -> Result<Option<(CaStore, IssuedCertificate)>, Error> {
    let number = serial(certificate)?;
    for desk in desks {
        // A stranger's certificate can have any number: it counts only with our signature.
        let key = desk.certificate()?.public_key().map_err(crate::pki::Error::from)?;
        if certificate.verify(&key).unwrap_or(false) {
            return Ok(desk.register()?.find(&number).map(|record| (desk.clone(), record.clone())));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
