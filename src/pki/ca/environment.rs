//! The environment of a CA, marked in the subject of its certificate.
//!
//! The mark is an organizational unit: `OU=otpost dev CA` or `OU=otpost prod CA`. It protects against mixing up two
//! files. It is not a security boundary: the holder of a CA key can write any subject. A CA created elsewhere has no
//! mark.

use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::x509::{X509Name, X509Ref};
use strum::VariantArray as _;

/// One of the processor's two environments. Each has its own CA.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::Display, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub enum CaEnvironment {
    /// A production gateway does not trust its CA.
    Dev,
    Prod,
}

impl CaEnvironment {
    /// `dev` or `prod`, on the command line and as the name of a folder.
    pub fn name(self) -> &'static str {
        self.into()
    }

    const fn mark(self) -> &'static str {
        match self {
            Self::Dev => "otpost dev CA",
            Self::Prod => "otpost prod CA",
        }
    }

    /// The subject of a CA for this environment.
    pub(crate) fn subject(self, common_name: &str) -> Result<X509Name, ErrorStack> {
        let mut name = X509Name::builder()?;
        name.append_entry_by_nid(Nid::ORGANIZATIONALUNITNAME, self.mark())?;
        name.append_entry_by_nid(Nid::COMMONNAME, common_name)?;
        Ok(name.build())
    }
}

/// The environment that the CA certificate is marked for, if any. A certificate with both marks counts as `dev`, so
/// that it is not accepted in production.
pub fn environment_of(authority: &X509Ref) -> Option<CaEnvironment> {
    let units: Vec<_> = authority
        .subject_name()
        .entries_by_nid(Nid::ORGANIZATIONALUNITNAME)
        .filter_map(|unit| unit.data().to_string().ok())
        .collect();
    CaEnvironment::VARIANTS.iter().copied().find(|environment| units.iter().any(|unit| unit == environment.mark()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::pki::Authority;

    #[test]
    fn a_ca_is_marked_with_its_environment() {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        for &of in CaEnvironment::VARIANTS {
            let authority = Authority::create_for(of, "Bank CA", 10, now).unwrap();
            assert_eq!(environment_of(authority.certificate()), Some(of));
        }
        let unmarked = Authority::create("otpost dev CA", 10, now).unwrap();
        assert_eq!(environment_of(unmarked.certificate()), None, "a common name is not a mark");
    }
}
