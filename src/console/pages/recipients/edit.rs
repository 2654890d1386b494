//! Changes the settings of a recipient, for a reason that is kept. Contacts and identifiers come from imports only.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Form, Path};
use serde::{Deserialize, Serialize};
use strum::IntoEnumIterator;
use uuid::Uuid;

use super::show::meaning;
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::{PageError, require, see_other};
use crate::domain::access::Action;
use crate::domain::contact::Channel;
use crate::domain::content_hash::ContentHash;
use crate::domain::preferences::{Preferences, RecipientTimeZone};
use crate::domain::recipient::{RecipientId, RecipientSettings, RecipientStatus};
use crate::flow::disclosure::NotRevealed;
use crate::render::canonical_locale;
use crate::store::{RecipientChange, reason_line};

#[derive(Deserialize)]
pub(super) struct SettingsForm {
    /// The hash of the settings that the user saw.
    base: String,
    status: String,
    locale: String,
    first: String,
    second: String,
    third: String,
    time_zone: String,
    reason: String,
}

#[derive(Serialize)]
struct EditPage {
    id: Uuid,
    base: String,
    problem: String,
    statuses: Vec<ChosenStatus>,
    locale: String,
    /// The locales that have templates.
    locales: String,
    choices: Vec<ChannelChoice>,
    time_zone: String,
    reason: String,
}

#[derive(Serialize)]
struct ChosenStatus {
    name: &'static str,
    meaning: &'static str,
    is_chosen: bool,
}

#[derive(Serialize)]
struct ChannelChoice {
    field: &'static str,
    label: &'static str,
    channels: Vec<ChosenChannel>,
}

#[derive(Serialize)]
struct ChosenChannel {
    name: &'static str,
    is_chosen: bool,
}

impl SettingsForm {
    fn of(settings: &RecipientSettings) -> Self {
        let RecipientSettings { status, locale, preferences } = settings;
        let channel = |at: usize| preferences.channels.get(at).map_or("", |channel| channel.name()).to_owned();
        Self {
            base: settings.content_hash().to_string(),
            status: status.name().to_owned(),
            locale: locale.to_string(),
            first: channel(0),
            second: channel(1),
            third: channel(2),
            time_zone: preferences.time_zone.as_ref().map_or("", RecipientTimeZone::name).to_owned(),
            reason: String::new(),
        }
    }

    fn settings(&self) -> Result<RecipientSettings, String> {
        let status = self.status.parse().map_err(|error| format!("Status: {error}."))?;
        let locale = canonical_locale(self.locale.trim()).map_err(|error| format!("Locale: {error}."))?;
        let mut channels: Vec<Channel> = Vec::new();
        for name in [&self.first, &self.second, &self.third].into_iter().filter(|name| !name.is_empty()) {
            let channel = name.parse().map_err(|error| format!("Channels: {error}."))?;
            if channels.contains(&channel) {
                return Err(format!("Channels: {name} is chosen twice; choose each channel once."));
            }
            channels.push(channel);
        }
        let time_zone = Some(self.time_zone.trim()).filter(|name| !name.is_empty()).map(RecipientTimeZone::parse);
        let time_zone = time_zone.transpose().map_err(|error| format!("Time zone: {error}."))?;
        Ok(RecipientSettings { status, locale, preferences: Preferences { channels, time_zone } })
    }

    fn page(
        self,
        console: &Console,
        user: &SignedIn,
        id: Uuid,
        (status, problem): (StatusCode, String),
    ) -> HttpResponse {
        let statuses = RecipientStatus::iter().map(|it| ChosenStatus {
            name: it.name(),
            meaning: meaning(it),
            is_chosen: it.name() == self.status,
        });
        let choice = |field, label, chosen: &str| {
            let channels = Channel::ALL.into_iter().map(Channel::name);
            let channels = channels.map(|name| ChosenChannel { name, is_chosen: name == chosen }).collect();
            ChannelChoice { field, label, channels }
        };
        let choices = vec![
            choice("first", "First channel", &self.first),
            choice("second", "Second channel", &self.second),
            choice("third", "Third channel", &self.third),
        ];
        let renderer = console.inspector.templates.current();
        let locales = renderer.locales();
        let locales = locales.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let statuses = statuses.collect();
        let Self { base, locale, time_zone, reason, .. } = self;
        let page = EditPage { id, base, problem, statuses, locale, locales, choices, time_zone, reason };
        let mut answer = console.views.page("recipient_edit", "Change a recipient", user, &page);
        *answer.status_mut() = status;
        answer
    }
}

pub(super) async fn form(console: Data<Console>, user: SignedIn, id: Path<Uuid>) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::EditRecipient).await?;
    let recipient = console.store.recipients().get(RecipientId(*id)).await?.ok_or(PageError::NotFound)?;
    let form = SettingsForm::of(&recipient.settings());
    Ok(form.page(&console, &user, *id, (StatusCode::OK, String::new())))
}

pub(super) async fn change(
    console: Data<Console>,
    user: SignedIn,
    id: Path<Uuid>,
    Form(form): Form<SettingsForm>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::EditRecipient).await?;
    let base = hex::decode(&form.base).ok().and_then(|bytes| bytes.try_into().ok()).map(ContentHash);
    let base = base.ok_or_else(|| PageError::Invalid("the form cannot be read; load its page again".to_owned()))?;
    let wrong =
        |form: SettingsForm, problem| Ok(form.page(&console, &user, *id, (StatusCode::UNPROCESSABLE_ENTITY, problem)));
    let settings = match form.settings() {
        Ok(settings) => settings,
        Err(problem) => return wrong(form, problem),
    };
    let Some(reason) = reason_line(&form.reason) else {
        let problem = crate::console::views::with_capital(&format!("{}.", NotRevealed::NoReason));
        return wrong(form, problem);
    };
    let recipients = console.store.recipients().on_behalf_of(user.actor(), Some(&reason));
    match recipients.change(RecipientId(*id), &base, &settings, console.clocks.steady.now()).await? {
        RecipientChange::Done => Ok(see_other(&format!("/recipients/{}?done=changed", *id))),
        RecipientChange::Unknown => Err(PageError::NotFound),
        RecipientChange::Outdated => {
            let what = "the recipient was changed meanwhile; look at it again, then repeat the change";
            Err(PageError::Conflict(what.to_owned()))
        }
    }
}
