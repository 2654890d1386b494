//! Which messages each locale covers, what is older than the default locale, and the changes that wait.

use std::collections::{BTreeSet, HashMap};

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::{Value, json};

use super::{PageError, source_notice, summary};
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::require;
use crate::domain::access::Action;
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::notification::Kind;
use crate::domain::recipient::Locale;
use crate::domain::template_version::TemplateKey;
use crate::render::{self, Coverage, CoverageSource, LocaleCoverage, LocaleStatus, TemplatePath};

pub(super) async fn grid(console: Data<Console>, user: SignedIn) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewTemplates).await?;
    let waiting = console.store.template_changes().waiting_changes().await?;
    let drafted: BTreeSet<&str> =
        waiting.iter().flat_map(|change| &change.drafts).map(|draft| draft.path.as_str()).collect();
    let last = console.store.template_versions().last_activations().await?;
    let last: HashMap<TemplateKey, Timestamp> = last.into_iter().map(|it| (it.key, it.at)).collect();
    let settings = console.templates.settings();
    let coverage = render::coverage_of(&console.templates.live_set(), settings);
    let cells = GridCells { coverage: &coverage, last: &last, drafted: &drafted, default: &settings.default_locale };
    let locales: Vec<_> = coverage.locales().map(|locale| cells.head(locale)).collect();
    let rows: Vec<_> =
        Kind::ALL.into_iter().flat_map(|kind| Channel::ALL.map(|channel| cells.row(kind, channel))).collect();
    let page = json!({
        "root": "/templates",
        "source": source_notice(&console),
        "changes": waiting.iter().map(summary).collect::<Vec<_>>(),
        "locales": locales,
        "rows": rows,
        "default": settings.default_locale,
    });
    Ok(console.views.page("templates", "Templates", &user, &page))
}

/// What the cells of the grid are made of.
struct GridCells<'a> {
    coverage: &'a Coverage,
    last: &'a HashMap<TemplateKey, Timestamp>,
    drafted: &'a BTreeSet<&'a str>,
    default: &'a Locale,
}

impl GridCells<'_> {
    fn head(&self, locale: &LocaleCoverage) -> Value {
        json!({
            "locale": locale.locale,
            "is_draft": locale.status == LocaleStatus::Draft,
            "missing": self.coverage.missing(locale).len(),
        })
    }

    fn row(&self, kind: Kind, channel: Channel) -> Value {
        let cells: Vec<_> = self.coverage.locales().map(|locale| self.cell(locale, kind, channel)).collect();
        let (is_first, kinds) = (channel == Channel::ALL[0], Channel::ALL.len());
        json!({ "kind": kind, "is_first": is_first, "channels": kinds, "channel": channel, "cells": cells })
    }

    fn cell(&self, locale: &LocaleCoverage, kind: Kind, channel: Channel) -> Value {
        let paths = TemplatePath::of_message(&locale.locale, kind, channel);
        let first = paths.first().map(ToString::to_string).unwrap_or_default();
        let (label, badge) = match self.coverage.source(locale, kind, channel) {
            CoverageSource::Own if self.is_stale(&locale.locale, kind, channel) => ("older", "badge-warn"),
            CoverageSource::Own => ("own", "badge-ok"),
            CoverageSource::Parent => ("fallback", "badge-quiet"),
            CoverageSource::Default => ("missing", "badge-bad"),
        };
        let is_drafted = paths.iter().any(|path| self.drafted.contains(path.to_string().as_str()));
        json!({ "path": first, "label": label, "badge": badge, "drafted": is_drafted, "locale": locale.locale })
    }

    // The default locale was changed after this one.
    fn is_stale(&self, locale: &Locale, kind: Kind, channel: Channel) -> bool {
        let at = |locale: &Locale| self.last.get(&TemplateKey { locale: locale.clone(), kind, channel });
        at(locale).zip(at(self.default)).is_some_and(|(own, default)| own < default)
    }
}
