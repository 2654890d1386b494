//! What a text becomes: the message as a recipient sees it, its size and cost, what is wrong, and what differs from the live
//! text. Sample values only.

use std::collections::BTreeSet;

use actix_web::web::{self, Data};
use serde_json::{Value, json};

use super::{PageError, diagnostic, diff};
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::price::Price;
use crate::render::sms::segments::SmsCost;
use crate::render::{
    self, CompiledText, Diagnostic, MessageSample, SampleValues, Settings, TemplatePath, TemplateSet, placeholders,
};

/// More characters outside GSM 03.38 are those of another script, and are folded away.
const FORCING_SHOWN: usize = 8;

/// What is previewed.
pub(super) struct Previewed {
    /// The live set with the drafts.
    pub(super) set: TemplateSet,
    pub(super) path: TemplatePath,
    pub(super) text: String,
    /// The live text.
    pub(super) live: String,
    pub(super) sample: SampleValues,
}

/// What the text is found to be: what is wrong with it, and the message, if the text is for one.
pub(super) type Rendered = (Vec<Diagnostic>, Option<Result<MessageSample, render::Error>>);

impl Previewed {
    /// Compiles the text and renders the message, outside the thread that answers requests.
    pub(super) async fn render(self, console: &Console) -> Result<(Self, Rendered), PageError> {
        let (settings, now) = (console.templates.settings().clone(), console.clocks.wall.now());
        let work = web::block(move || {
            let rendered = rendered(&self, &settings, now);
            (self, rendered)
        });
        work.await.map_err(|_| PageError::Conflict("the gateway is stopping".to_owned()))
    }
}

fn rendered(of: &Previewed, settings: &Settings, now: Timestamp) -> Rendered {
    let CompiledText { diagnostics, previews } = match render::compile_text(&of.set, &of.path, settings) {
        Ok(compiled) => compiled,
        Err(error) => return (Vec::new(), Some(Err(error))),
    };
    let message = previews
        .zip(of.path.channel())
        .map(|(previews, channel)| previews.and_then(|it| it.sample_with(of.sample, channel, now)));
    (diagnostics, message)
}

/// The data of the fragment `template_preview`.
pub(super) async fn render_preview(
    console: &Data<Console>,
    user: &SignedIn,
    of: Previewed,
) -> Result<Value, PageError> {
    let (of, (diagnostics, message)) = of.render(console).await?;
    let (added, removed) = placeholder_changes(&of);
    let errors = diagnostics.iter().filter(|it| it.is_error).count();
    let (sample, problem) = match message {
        Some(Ok(sample)) => (Some(sample), String::new()),
        Some(Err(error)) if errors == 0 => (None, chain(&error)),
        _ => (None, String::new()),
    };
    let locale = sample.as_ref().map(|sample| sample.locale.to_string()).unwrap_or_default();
    Ok(json!({
        "diagnostics": diagnostics.iter().map(|it| diagnostic(it, &of.text)).collect::<Vec<_>>(),
        "errors": errors,
        "added": added,
        "removed": removed,
        "differs": of.text != of.live,
        "diff": diff(&of.live, &of.text),
        "problem": problem,
        "fallback": Some(&locale).filter(|locale| !locale.is_empty() && **locale != of.path.locale.to_string()),
        "locale": of.path.locale.to_string(),
        "sms": sample.as_ref().and_then(|sample| sms(console, sample)),
        "push": sample.as_ref().filter(|_| of.path.channel() == Some(Channel::Push)).map(push),
        "mail": sample.as_ref().filter(|_| of.path.channel() == Some(Channel::Email)).map(|it| mail(console, user, it)),
    }))
}

// A placeholder that disappears is what an author should notice before anybody else does.
fn placeholder_changes(of: &Previewed) -> (Vec<&'static str>, Vec<&'static str>) {
    let Some(kind) = of.path.kind() else { return (Vec::new(), Vec::new()) };
    let (old, new): (BTreeSet<_>, BTreeSet<_>) = (placeholders(kind, &of.live), placeholders(kind, &of.text));
    (new.difference(&old).copied().collect(), old.difference(&new).copied().collect())
}

fn sms(console: &Console, sample: &MessageSample) -> Option<Value> {
    let SmsCost { size, forcing } = sample.cost.as_ref()?;
    let has_many = forcing.len() > FORCING_SHOWN;
    let forcing = forcing.iter().map(|it| {
        let at: Vec<_> = it.at.iter().take(12).map(ToString::to_string).collect();
        json!({ "character": it.to_string(), "at": at.join(", ") })
    });
    let setup = console.inspector.setup();
    let providers = setup.profiles.iter().filter(|profile| profile.channel == Channel::Sms);
    let segments = u64::try_from(size.segments).unwrap_or(u64::MAX);
    let costs = providers.filter(|profile| profile.price != Price::default()).map(
        |profile| json!({ "provider": profile.provider.to_string(), "sum": profile.price.times(segments).to_string() }),
    );
    Some(json!({
        "text": part(sample, "sms"),
        "characters": part(sample, "sms").chars().count(),
        "encoding": size.encoding.to_string(),
        "segments": size.segments,
        "units": size.units,
        "capacity": size.capacity,
        "forcing": forcing.collect::<Vec<_>>(),
        "has_many": has_many,
        "costs": costs.collect::<Vec<_>>(),
    }))
}

fn push(sample: &MessageSample) -> Value {
    json!({ "title": part(sample, "push.title"), "body": part(sample, "push.body") })
}

fn mail(console: &Console, user: &SignedIn, sample: &MessageSample) -> Value {
    let token = console.mails.keep(&user.user, part(sample, "email.html").to_owned());
    json!({ "subject": part(sample, "email.subject"), "text": part(sample, "email.text"), "frame": token.to_string() })
}

pub(super) fn part<'a>(sample: &'a MessageSample, name: &str) -> &'a str {
    sample.parts.iter().rfind(|(part, _)| *part == name).map_or("", |(_, text)| text.as_str())
}
