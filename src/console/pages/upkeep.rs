//! What ends, gets old or lags: certificates and keys, templates, and the tasks that count and sign. Each row leads to a
//! paragraph that says why it matters and what to do.

mod ends;
mod lags;
mod texts;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, ServiceConfig};
use serde::Serialize;
use strum::{EnumIter, IntoEnumIterator, IntoStaticStr};

use super::{PageError, require};
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::domain::access::Action;
use crate::domain::clock::Timestamp;
use crate::flow::recent::RecentTotals;
pub(super) use ends::title;

pub(super) fn routes(service: &mut ServiceConfig) {
    service.route("/upkeep", web::get().to(show));
}

/// What a row is about; the name is the anchor of its paragraph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, EnumIter, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub(super) enum UpkeepTopic {
    Certificates,
    EncryptionKeys,
    OldTexts,
    MissingTexts,
    TextsOfFiles,
    Reports,
    AuditLog,
}

/// One thing, and how it stands.
#[derive(Debug, Serialize)]
pub(super) struct UpkeepRow {
    topic: UpkeepTopic,
    name: String,
    state: String,
    /// The class of the badge; empty where nothing has to be done.
    tone: &'static str,
    /// When it ends or since when it is so.
    end: Option<Timestamp>,
    /// The page with more.
    path: Option<String>,
}

impl UpkeepRow {
    fn fine(topic: UpkeepTopic, name: impl Into<String>, state: impl Into<String>) -> Self {
        Self { topic, name: name.into(), state: state.into(), tone: "", end: None, path: None }
    }

    fn due(topic: UpkeepTopic, name: impl Into<String>, state: impl Into<String>) -> Self {
        Self { tone: "badge-warn", ..Self::fine(topic, name, state) }
    }

    fn at(self, path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..self }
    }

    /// Whether something has to be done about it.
    pub(super) fn is_due(&self) -> bool {
        !self.tone.is_empty()
    }
}

#[derive(Serialize)]
struct ShownTopic {
    id: &'static str,
    title: &'static str,
    why: &'static str,
    todo: &'static str,
    rows: Vec<UpkeepRow>,
}

impl UpkeepTopic {
    /// A title, a sentence that says why it matters, and one that says what to do.
    const fn words(self) -> [&'static str; 3] {
        match self {
            Self::Certificates => [
                "Certificates and revocation lists",
                "When a server certificate or a client CA ends, processors can no longer connect and codes are lost. When a \
                 client certificate ends, that processor is rejected. When a revocation list ends, every client is rejected.",
                "Renew what ends within 30 days: otpost ca show lists the certificates of the client CA, and a reload \
                 puts new files into effect.",
            ],
            Self::EncryptionKeys => [
                "Keys for encrypted requests",
                "These keys have no end of their own. The longer one is published, the more requests can be read with a stolen \
                 one.",
                "Once a year create a key with otpost key new, activate it when every gateway has loaded it, and retire \
                 the one before when processors have stopped using it.",
            ],
            Self::OldTexts => [
                "Texts that are unchanged for a year",
                "Names, telephone numbers and advice against fraud get out of date unnoticed.",
                "Read these texts once a year. A text that is still right needs no change.",
            ],
            Self::MissingTexts => [
                "Locales that lack a message",
                "Where a locale has no text of its own for a message, its recipients get it in another language.",
                "Write the missing texts, or import the recipients with another locale.",
            ],
            Self::TextsOfFiles => [
                "Files that differ from the live texts",
                "The console is the source of the live texts. A file in the template folder that differs is not used, and \
                 misleads those who read it.",
                "Run otpost template diff to see the differences, and otpost template pull to write the live texts to the files.",
            ],
            Self::Reports => [
                "Counting for reports",
                "Reports and the charts of the overview count deliveries a little later than they end. While counting lags, \
                 they show too little.",
                "Wait: it catches up by itself. If it does not, look for report_keeper in the log.",
            ],
            Self::AuditLog => [
                "Signing of the audit log",
                "Each event is signed within seconds. Until then an administrator of the database could change it unseen.",
                "If events wait for longer than a minute, look for notary in the log: the signing key or a full disk is the \
                 usual cause.",
            ],
        }
    }
}

/// Everything, in the order of the topics.
pub(super) async fn read(console: &Data<Console>, recent: &RecentTotals) -> Result<Vec<UpkeepRow>, PageError> {
    let mut rows = ends::certificates(console);
    rows.extend(ends::encryption_keys(console));
    rows.extend(texts::rows(console).await?);
    rows.push(lags::reports(console, recent));
    rows.push(lags::audit_log(console).await?);
    Ok(rows)
}

async fn show(console: Data<Console>, user: SignedIn) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewOverview).await?;
    let recent = console.recent.read(&console.store, console.clocks.steady.now()).await?;
    let mut rows = read(&console, &recent).await?;
    let topics = UpkeepTopic::iter().map(|topic| {
        let [title, why, todo] = topic.words();
        let own = rows.extract_if(.., |row| row.topic == topic).collect();
        ShownTopic { id: topic.into(), title, why, todo, rows: own }
    });
    let topics: Vec<_> = topics.collect();
    Ok(console.views.page("overview_upkeep", "Upkeep", &user, &serde_json::json!({ "topics": topics })))
}
