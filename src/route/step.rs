//! One step of a plan: a channel, or several channels in parallel.

use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::domain::contact::Channel;

/// Channels that are used in parallel; never empty in a checked plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step(Vec<Channel>);

impl Step {
    /// The channels in the configured order.
    pub fn channels(&self) -> &[Channel] {
        &self.0
    }
}

impl From<Channel> for Step {
    fn from(channel: Channel) -> Self {
        Self(vec![channel])
    }
}

impl From<Vec<Channel>> for Step {
    fn from(channels: Vec<Channel>) -> Self {
        Self(channels)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, channel) in self.0.iter().enumerate() {
            write!(f, "{}{channel}", if at == 0 { "" } else { " and " })?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Step;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("sms, push or email, or a list of them, used in parallel")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Step, E> {
                text.parse::<Channel>().map(Step::from).map_err(E::custom)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Step, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(items)).map(Step)
            }
        }
        deserializer.deserialize_any(Either)
    }
}
