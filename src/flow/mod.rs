//! The story of a notification, in the order of its files: `intake` takes it once, `worker` holds it, `resolve` finds
//! the person, `registry` knows who is on duty, `dispatch` sends it, `receipt` hears what became of it; `cleanup` sweeps
//! up, `audit_log` writes down what happens at the door, `template_reloader` keeps the texts up to date, and `timekeeper` notices
//! when the machine's clock is set.

pub mod audit;
pub mod dispatch;
pub mod intake;
pub mod limits;
mod priority_semaphore;
pub mod providers;
pub mod receipts;
pub mod recipients;
mod sender;
pub mod tasks;
pub mod worker;
