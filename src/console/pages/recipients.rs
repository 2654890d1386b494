//! Recipients: finding one, what is known of it, and the rights that it has: to see its data, and to be erased.

mod actions;
mod find;
mod import;
mod show;

use actix_web::web::{self, PayloadConfig, ServiceConfig};
use serde::Serialize;

use crate::domain::contact::Channel;
use crate::domain::preferences::RecipientTimeZone;
use crate::domain::recipient::{Recipient, RecipientId, RetiredContact};

/// What a form with a file has besides the file, in bytes.
const FORM_OVERHEAD: usize = 64 * 1024;

pub(super) fn routes(service: &mut ServiceConfig) {
    service
        .route("/recipients", web::get().to(find::find))
        .service(
            web::resource("/recipients/import")
                .app_data(PayloadConfig::new(import::FILE_MAX + FORM_OVERHEAD))
                .route(web::get().to(import::form))
                .route(web::post().to(import::import)),
        )
        .route("/recipients/{id}", web::get().to(show::show))
        .route("/recipients/{id}/reveal", web::post().to(actions::show_in_clear))
        .route("/recipients/{id}/export", web::post().to(actions::export))
        .route("/recipients/{id}/erase", web::get().to(actions::confirm_erasure))
        .route("/recipients/{id}/erase", web::post().to(actions::erase));
}

/// A recipient with masked contacts.
#[derive(Serialize)]
struct MaskedRecipient {
    id: RecipientId,
    /// The operator's own id.
    reference: Option<String>,
    locale: String,
    status: &'static str,
    /// The channels that it agreed to, the preferred one first; empty for all.
    channels: Vec<&'static str>,
    time_zone: Option<String>,
    contacts: Vec<MaskedContact>,
}

#[derive(Serialize)]
struct MaskedContact {
    channel: &'static str,
    contact: String,
    /// When it was reported as gone, by which provider, and what that answered.
    retired: Option<Retirement>,
}

#[derive(Serialize)]
struct Retirement {
    at: String,
    provider: String,
    detail: Option<String>,
}

impl From<&Recipient> for MaskedRecipient {
    fn from(recipient: &Recipient) -> Self {
        let contacts = Channel::ALL.into_iter().flat_map(|channel| {
            let of_channel = recipient.contacts.iter().filter(move |contact| contact.channel() == channel);
            of_channel.map(move |contact| MaskedContact {
                channel: channel.name(),
                contact: contact.masked(),
                retired: recipient.retirement(contact).map(Retirement::from),
            })
        });
        Self {
            id: recipient.id,
            reference: recipient.reference.clone(),
            locale: recipient.locale.to_string(),
            status: recipient.status.name(),
            channels: recipient.preferences.channels.iter().map(|channel| channel.name()).collect(),
            time_zone: recipient.preferences.time_zone.as_ref().map(RecipientTimeZone::name).map(str::to_owned),
            contacts: contacts.collect(),
        }
    }
}

impl From<&RetiredContact> for Retirement {
    fn from(retired: &RetiredContact) -> Self {
        let RetiredContact { at, provider, detail, .. } = retired;
        let detail = detail.as_ref().map(ToString::to_string);
        Self { at: at.to_string(), provider: provider.to_string(), detail }
    }
}
