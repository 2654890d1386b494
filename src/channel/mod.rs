//! The outside world: one file per provider, each translating a [`Parcel`] into its language and the answer back.
//!
//! Adapters never retry, log, read the clock or touch the store; what to do next is `route`'s choice.

pub mod email_smtp;
pub mod http;
pub mod push_http;
pub mod sandbox;
pub mod sms_gateway;

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::StatusCode;
use serde::Deserialize;

use crate::domain::address::Channel;
use crate::domain::outcome::Outcome;
use crate::domain::parcel::Parcel;

/// One way of reaching a person. Translates; never retries, logs, reads the clock or touches the store.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Hands one parcel over and says what came of it. There is no `Result`: every failure must be classified.
    async fn send(&self, parcel: &Parcel) -> Outcome;
}

/// A provider spoken to over HTTP. Pure functions; [`http::HttpChannel`] does the talking.
pub trait HttpProvider: Send + Sync {
    /// The request that hands `parcel` over.
    fn request(&self, parcel: &Parcel) -> http::HttpRequest;
    /// What the answer means.
    fn verdict(&self, status: StatusCode, body: &[u8]) -> Outcome;
}

/// One `[[provider]]` of the configuration; `kind` chooses the adapter.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Settings {
    /// An SMS gateway that takes one HTTP request a message.
    SmsGateway(sms_gateway::Settings),
    /// A push service that takes one HTTP request a message.
    PushHttp(push_http::Settings),
    /// A mail relay.
    Smtp(email_smtp::Settings),
}

impl Settings {
    /// The configured name.
    pub fn name(&self) -> &str {
        match self {
            Self::SmsGateway(s) => &s.name,
            Self::PushHttp(s) => &s.name,
            Self::Smtp(s) => &s.name,
        }
    }

    /// The channel this provider serves.
    pub fn channel(&self) -> Channel {
        match self {
            Self::SmsGateway(_) => Channel::Sms,
            Self::PushHttp(_) => Channel::Push,
            Self::Smtp(_) => Channel::Email,
        }
    }
}

/// Why a provider could not be set up from its configuration.
#[derive(Debug, thiserror::Error)]
#[error("provider {provider}: {what}")]
pub struct Error {
    /// The configured name.
    pub provider: String,
    /// What is wrong and what was expected.
    pub what: String,
}

/// Sets up the adapter that `settings` describe. Nothing is contacted yet.
pub fn connect(settings: &Settings) -> Result<Arc<dyn Provider>, Error> {
    match settings {
        Settings::SmsGateway(s) => sms_gateway::connect(s),
        Settings::PushHttp(s) => push_http::connect(s),
        Settings::Smtp(s) => email_smtp::connect(s),
    }
}
