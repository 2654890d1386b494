//! What operators see and change in the console of a whole gateway.

mod templates;
