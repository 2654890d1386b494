//! From the 204 to the recipient: which providers are tried, in which order, how often, and how deliveries end.

mod candidates;
mod endings;
mod health;
mod interruptions;
mod limits;
mod plans;
mod priorities;
mod recipients;
mod reloads;
mod retired;
mod search;
mod spend;
mod superseded;
mod trouble;
