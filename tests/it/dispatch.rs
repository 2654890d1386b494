//! From the 204 to the person: who is asked, in which order, how often, and when it is over.

mod candidates;
mod endings;
mod guard;
mod health;
mod interruptions;
mod lanes;
mod plans;
mod recipients;
mod spend;
mod superseded;
