//! Which environment an authority is for, written into its own subject, so that a file alone can be asked.
//!
//! The mark is an organizational unit: `OU=otpost dev CA` or `OU=otpost prod CA`. It is a guard against mixing up two
//! files, not a secret: whoever holds an authority's key can write any subject. An authority made elsewhere has none.

use std::fmt;

use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::x509::{X509Name, X509Ref};

/// One of the processor's two environments, each with an authority of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CaEnvironment {
    /// Where things are tried out. A production gateway does not trust it.
    Dev,
    /// Where people are told.
    Prod,
}

impl CaEnvironment {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Dev, Self::Prod];

    /// `dev` or `prod`: on the command line, and as the folder's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Prod => "prod",
        }
    }

    const fn mark(self) -> &'static str {
        match self {
            Self::Dev => "otpost dev CA",
            Self::Prod => "otpost prod CA",
        }
    }

    /// The subject of an authority of this environment.
    pub(crate) fn subject(self, common_name: &str) -> Result<X509Name, ErrorStack> {
        let mut name = X509Name::builder()?;
        name.append_entry_by_nid(Nid::ORGANIZATIONALUNITNAME, self.mark())?;
        name.append_entry_by_nid(Nid::COMMONNAME, common_name)?;
        Ok(name.build())
    }
}

impl fmt::Display for CaEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The environment that an authority's certificate says it is for; none when it says nothing.
/// One that says both is a dev one: what is doubtful is not for production.
pub fn environment(authority: &X509Ref) -> Option<CaEnvironment> {
    let units: Vec<_> = authority
        .subject_name()
        .entries_by_nid(Nid::ORGANIZATIONALUNITNAME)
        .filter_map(|unit| unit.data().to_string().ok())
        .collect();
    CaEnvironment::ALL.into_iter().find(|environment| units.iter().any(|unit| unit == environment.mark()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::pki::Authority;

    #[test]
    fn an_authority_says_for_which_environment_it_is() {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        for of in CaEnvironment::ALL {
            let authority = Authority::create_for(of, "Bank CA", 10, now).unwrap();
            assert_eq!(environment(authority.certificate()), Some(of));
        }
        let unmarked = Authority::create("otpost dev CA", 10, now).unwrap();
        assert_eq!(environment(unmarked.certificate()), None, "a common name is no mark");
    }
}
