//! What the stories need and do not tell: a gateway with real sockets on both sides, a clock to be moved, and senders.
//!
//! Everything is made anew for each test: folder, keys, certificates, ports.

pub(crate) mod api;
pub(crate) mod apns;
pub(crate) mod certificates;
pub(crate) mod clock;
pub(crate) mod commit_proxy;
pub(crate) mod console;
pub(crate) mod fake;
pub(crate) mod gateway;
pub(crate) mod gateway_files;
pub(crate) mod go_tiles;
pub(crate) mod identity_provider;
pub(crate) mod jose;
pub(crate) mod lag;
pub(crate) mod load;
pub(crate) mod message_centre;
pub(crate) mod node;
pub(crate) mod postgres;
pub(crate) mod python;
pub(crate) mod receipt_provider;
pub(crate) mod recipients;
pub(crate) mod sample_notification;
pub(crate) mod sender;
pub(crate) mod starttls;
pub(crate) mod toxic;

pub(crate) use gateway::{Gateway, Setup};
pub(crate) use recipients::recipient;
pub(crate) use sample_notification::{locked, otp, transaction, transactional_lock, unlocked, verification};
