//! The story of a notification, in the order of its files: `intake` takes it once, `worker` holds it, `resolve` finds
//! the person, `dispatch` sends it; `janitor` sweeps up, and `journal` writes down what happens at the door.

pub mod dispatch;
pub mod guard;
pub mod intake;
pub mod janitor;
pub mod journal;
pub mod resolve;
mod slots;
mod storm;
pub mod worker;
