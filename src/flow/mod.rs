//! The story of a notification, in the order of its files: `intake` takes it once, `worker` holds it, `resolve` finds
//! the person, `roster` knows who is on duty, `dispatch` sends it, `receipt` hears what became of it; `janitor` sweeps
//! up, `journal` writes down what happens at the door, `librarian` keeps the texts up to date, and `timekeeper` notices
//! when the machine's clock is set.

mod attempt;
pub mod dispatch;
pub mod guard;
pub mod intake;
pub mod janitor;
pub mod journal;
pub mod librarian;
pub mod receipt;
pub mod resolve;
mod returns;
pub mod roster;
mod slots;
mod storm;
pub mod timekeeper;
pub mod worker;
