//! Who is signed in, and what they may do.

mod signed_in;

use actix_web::web::ServiceConfig;

pub(super) use signed_in::SignedIn;

/// The pages to sign in, to sign out and to look after one's own account.
pub(super) fn routes(_service: &mut ServiceConfig) {}
