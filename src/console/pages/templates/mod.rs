//! Templates: what is live, drafts, previews, reviews, publication.
//!
//! Decides nothing: each step goes through `flow::template_publishing`, which checks roles and states.

mod changes;
mod grid;
mod history;
mod mail;
mod preview;
mod test_mail;
mod text;

use actix_web::web::{self, FormConfig, ServiceConfig};
use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use super::PageError;
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::domain::template_change::{ChangeError, ChangeState, TemplateChange};
use crate::flow::template_publishing::{self, ActingUser};
use crate::render::Diagnostic;

pub(super) use changes::{ChangeQuery, ChangesQuery, PAGE, ReviewForm, change_facts, number, with_facts};
pub(super) use history::{RestoreForm, published};
pub(in crate::console) use mail::MailPreviews;
pub(super) use text::hash;

/// A text that is far too large is refused with a diagnostic, as any other error, so the form is read as far as this.
const FORM_MAX: usize = 4 * 1024 * 1024;

pub(super) fn routes(service: &mut ServiceConfig) {
    let scope = web::scope("/templates")
        .app_data(FormConfig::default().limit(FORM_MAX))
        .route("", web::get().to(grid::grid))
        .route("/text/{path:.+}", web::get().to(text::show))
        .route("/text/{path:.+}", web::post().to(text::edit))
        .route("/preview/{path:.+}", web::post().to(text::preview))
        .route("/mail/{token}", web::get().to(mail::frame))
        .route("/versions/{hash}", web::get().to(history::version))
        .route("/restore", web::post().to(history::restore))
        .route("/changes", web::get().to(changes::list))
        .route("/changes/{id}", web::get().to(changes::show))
        .route("/changes/{id}/{step}", web::post().to(changes::step));
    service.service(scope);
}

impl From<template_publishing::Error> for PageError {
    fn from(error: template_publishing::Error) -> Self {
        use template_publishing::Error as E;
        let text = error.to_string();
        match error {
            E::Forbidden(_) => Self::Forbidden,
            E::Change(ChangeError::OwnChange(_)) | E::NoEmergency => Self::Denied(text),
            E::Change(error) if error.is_about_input() => Self::Invalid(text),
            E::FromFiles | E::Change(_) | E::Conflict(_) => Self::Conflict(text),
            E::UnknownChange(_) | E::UnknownVersion => Self::NotFound,
            E::Invalid(diagnostics) => Self::Invalid(listed(&diagnostics)),
            E::Render(error) => Self::Invalid(crate::domain::chain(&error)),
            E::Store(error) => Self::Store(error),
        }
    }
}

/// The user as the flow layer knows users.
pub(super) fn acting(user: &SignedIn) -> ActingUser<'_> {
    ActingUser { name: &user.user, roles: &user.roles, token: None }
}

/// What differs, as a sequence of texts that stayed, were removed or were added.
pub(super) fn diff(old: &str, new: &str) -> Vec<Value> {
    let (old, new) = (tokens(old), tokens(new));
    let words = TextDiff::from_slices(&old, &new);
    let mut spans: Vec<(ChangeTag, String)> = Vec::new();
    for change in words.iter_all_changes() {
        match spans.last_mut() {
            Some((tag, text)) if *tag == change.tag() => text.push_str(change.value()),
            _ => spans.push((change.tag(), change.value().to_owned())),
        }
    }
    let shown = |(tag, text): (ChangeTag, String)| json!({ "text": text, "added": tag == ChangeTag::Insert, "removed": tag == ChangeTag::Delete });
    spans.into_iter().map(shown).collect()
}

// Tags, words and spaces; anything else is one character.
fn tokens(text: &str) -> Vec<&str> {
    let (mut tokens, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let run = |is_in: fn(char) -> bool| rest.find(|c| !is_in(c)).unwrap_or(rest.len());
        let length = match (rest.starts_with("{{").then(|| rest.find("}}")).flatten(), first) {
            (Some(end), _) => end + 2,
            (None, c) if c.is_alphanumeric() => run(char::is_alphanumeric),
            (None, c) if c.is_whitespace() => run(char::is_whitespace),
            (None, c) => c.len_utf8(),
        };
        let (token, behind) = rest.split_at(length);
        tokens.push(token);
        rest = behind;
    }
    tokens
}

/// A diagnostic with the line that it is about.
fn diagnostic(diagnostic: &Diagnostic, text: &str) -> Value {
    let line = diagnostic.at.and_then(|(line, _)| text.lines().nth(line.saturating_sub(1))).unwrap_or_default();
    let column = diagnostic.at.map_or(1, |(_, column)| column);
    let at = diagnostic.at.map(|(line, column)| format!("Line {line}, column {column}"));
    // A long line is cut around the place.
    let from = column.saturating_sub(30);
    let before: String = line.chars().skip(from).take(column.saturating_sub(1).saturating_sub(from)).collect();
    let after: String = line.chars().skip(column.saturating_sub(1)).take(40).collect();
    json!({
        "is_error": diagnostic.is_error,
        "at": at.unwrap_or_else(|| "Line 1, column 1, about the whole text".to_owned()),
        "has_place": diagnostic.at.is_some(),
        "message": diagnostic.message,
        "rule": diagnostic.rule,
        "before": before,
        "after": after,
    })
}

// One sentence for each error, with line and column.
fn listed(diagnostics: &[Diagnostic]) -> String {
    let name = |it: &Diagnostic| {
        let names: Vec<_> = it.path.iter().rev().take(3).map(|name| name.to_string_lossy().into_owned()).collect();
        let at = it.at.map(|(line, column)| format!(", line {line}, column {column}")).unwrap_or_default();
        format!("{}{at}: {}", names.into_iter().rev().collect::<Vec<_>>().join("/"), it.message)
    };
    diagnostics.iter().map(name).collect::<Vec<_>>().join("; ")
}

fn badge(change: &TemplateChange) -> &'static str {
    match change.state {
        ChangeState::Published if change.is_unreviewed() => "badge-bad",
        ChangeState::Submitted if change.problem.is_some() => "badge-bad",
        ChangeState::Published => "badge-ok",
        ChangeState::Submitted | ChangeState::Approved => "badge-warn",
        ChangeState::Draft | ChangeState::Rejected | ChangeState::Withdrawn => "badge-quiet",
    }
}

fn state_label(change: &TemplateChange) -> &'static str {
    match change.state {
        ChangeState::Draft => "draft",
        ChangeState::Submitted => "waits for approval",
        ChangeState::Approved if change.publish_at.is_some() => "scheduled",
        ChangeState::Approved => "approved",
        ChangeState::Published if change.is_unreviewed() => "live without approval",
        ChangeState::Published => "published",
        ChangeState::Rejected => "rejected",
        ChangeState::Withdrawn => "withdrawn",
    }
}

/// A change in a list.
pub(super) fn summary(change: &TemplateChange) -> Value {
    json!({
        "id": change.id,
        "state": state_label(change),
        "badge": badge(change),
        "note": change.note,
        "authors": change.authors.join(", "),
        "reviewer": change.reviewer,
        "paths": change.drafts.iter().map(|draft| draft.path.as_str()).collect::<Vec<_>>(),
        "changed_at": change.changed_at,
    })
}

/// The sentence for `?done=`; an unknown word says nothing.
fn done(word: Option<&str>) -> &'static str {
    match word {
        Some("saved") => "The draft is saved. It changes nothing until the change is approved and published.",
        Some("dropped") => "The draft is removed from the change.",
        Some("submitted") => "The change waits for an approval by another user.",
        Some("approved") => "The change is approved.",
        Some("rejected") => "The change is rejected.",
        Some("withdrawn") => "The change is withdrawn.",
        Some("published") => "The change is live.",
        Some("scheduled") => "The change will be published at its time.",
        Some("restored") => "The older text is in a new change. Submit it for review.",
        _ => "",
    }
}

/// What is needed in many places of a page about templates.
fn source_notice(console: &Console) -> &'static str {
    if console.templates.is_source() {
        ""
    } else {
        "The templates come from the folder and are shown here only. To edit them here, set [templates] source = \"console\" \
         and restart the gateway, which then takes the texts of the folder into the database."
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_by_tags_and_words() {
        let old = "{{otp}} to kod do {{#if zero}}karty{{/if}}.";
        let spans = diff(old, "{{otp}} to kod: {{#if zero}}karty{{/if}}!");

        let shown: Vec<_> = spans
            .iter()
            .map(|span| {
                let sign = if span["added"] == true {
                    "+"
                } else if span["removed"] == true {
                    "-"
                } else {
                    ""
                };
                format!("{sign}{}", span["text"].as_str().unwrap())
            })
            .collect();
        assert_eq!(shown, ["{{otp}} to kod", "- do", "+:", " {{#if zero}}karty{{/if}}", "-.", "+!"]);
        for text in ["{{ {{", "}}", "a{{", "ż\u{301}\n\n{{{x}}}", ""] {
            assert_eq!(tokens(text).concat(), text);
        }
    }
}
