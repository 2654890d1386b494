//! From the 204 to the person: who is asked, in which order, how often, and when it is over.

mod endings;
mod interruptions;
mod people;
mod plans;
mod ways;
