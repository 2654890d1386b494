//! The state of the log: how far it is signed, where its checkpoints are, a check of the newest one, and the export of a part.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, Form, Query};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::list::LATE;
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::exports::{self, ShownExport, own};
use crate::console::pages::overview::span;
use crate::console::pages::{PageError, require};
use crate::console::views::with_capital;
use crate::domain::access::Action;
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::domain::written::time::parse;
use crate::flow::audit_export::{self, AuditOrder};
use crate::flow::audit_state::{AuditState, check, publications, verifier};

#[derive(Deserialize)]
pub(super) struct AskedLog {
    /// Present to check the newest checkpoint.
    check: Option<String>,
}

#[derive(Serialize)]
struct LogPage {
    name: String,
    key: Option<String>,
    key_problem: Option<String>,
    signed: u64,
    signed_at: Option<Timestamp>,
    note: Option<String>,
    waiting: u64,
    lag: Option<String>,
    is_late: bool,
    publications: Vec<ShownPublication>,
    archives: Vec<ShownArchive>,
    archive_dir: String,
    checked: Option<ShownCheck>,
    check_failed: Option<String>,
    may_export: bool,
    exports: Vec<ShownExport>,
}

#[derive(Serialize)]
struct ShownPublication {
    place: String,
    size: Option<u64>,
    at: Option<Timestamp>,
}

#[derive(Serialize)]
struct ShownArchive {
    bundle: String,
    first: u64,
    last: u64,
    from: Timestamp,
    to: Timestamp,
}

#[derive(Serialize)]
struct ShownCheck {
    size: u64,
    at: Timestamp,
    hashed: u64,
}

#[derive(Deserialize)]
pub(super) struct AuditExportForm {
    from: String,
    to: String,
}

pub(super) async fn log(
    console: Data<Console>,
    user: SignedIn,
    asked: Query<AskedLog>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewAudit).await?;
    let settings = &console.dossiers.audit;
    let (checked, check_failed) = match asked.check {
        Some(_) => match check(&console.store, &console.clocks, settings).await {
            Ok(it) => (Some(ShownCheck { size: it.size, at: it.at, hashed: it.hashed }), None),
            Err(error) => (None, Some(with_capital(&chain(&error)))),
        },
        None => (None, None),
    };
    let state = AuditState::read(&console.store).await?;
    let lag = state.oldest_waiting.map(|oldest| console.clocks.steady.now().since(oldest));
    let key = verifier(settings).and_then(|key| key.to_text().map_err(|error| error.to_string()));
    let (key, key_problem) = match key {
        Ok(key) => (Some(key), None),
        Err(problem) => (None, Some(problem)),
    };
    let published = publications(&console.store, settings).await?.into_iter();
    let archives = state.archives.into_iter().rev().map(|it| ShownArchive {
        bundle: it.bundle,
        first: it.first,
        last: it.until - 1,
        from: it.from,
        to: it.to,
    });
    let page = LogPage {
        name: settings.name.clone(),
        key,
        key_problem,
        signed: state.signed.as_ref().map_or(0, |it| it.size),
        signed_at: state.signed.as_ref().map(|it| it.at),
        note: state.signed.map(|it| it.note),
        waiting: state.waiting,
        is_late: lag.is_some_and(|lag: Duration| lag > LATE),
        lag: lag.map(span),
        publications: published.map(|it| ShownPublication { place: it.place, size: it.size, at: it.at }).collect(),
        archives: archives.collect(),
        archive_dir: settings.archive_dir.display().to_string(),
        checked,
        check_failed,
        may_export: user.may(Action::ExportAudit),
        exports: own(&console, &user, Action::ExportAudit),
    };
    Ok(console.views.page("audit_log", "State of the audit log", &user, &page))
}

pub(super) async fn export(
    console: Data<Console>,
    user: SignedIn,
    form: Form<AuditExportForm>,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ExportAudit).await?;
    let now = console.clocks.wall.now().to_jiff().to_zoned(TimeZone::UTC);
    let time = |text: &str| parse(text, &now).map_err(PageError::Invalid);
    let (from, to) = (time(&form.from)?, time(&form.to)?);
    if to <= from {
        return Err(PageError::Invalid(format!("the range ends before it begins: from {from} to {to}")));
    }
    let order = AuditOrder {
        from,
        to,
        owner: user.user.clone(),
        actor: user.actor(),
        at: console.clocks.steady.now(),
        folder: console.export_folder.clone(),
    };
    match audit_export::start(&console.exports, &console.store, &console.dossiers.audit, order).await {
        Ok(id) => exports::answer(&console, &user, Ok(id)).await,
        Err(audit_export::Error::Export(error)) => exports::answer(&console, &user, Err(error)).await,
        Err(audit_export::Error::Record(error)) => Err(error.into()),
        Err(error) => Err(PageError::Invalid(chain(&error))),
    }
}
