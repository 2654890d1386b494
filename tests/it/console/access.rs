//! Who gets in, for how long, and what nobody else may do.

mod browser;
mod matrix;
mod passkeys;
mod requests;
mod routes;
mod sessions;
mod sign_in;
mod sign_on;
mod users;
