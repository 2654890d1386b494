//! Templates as documents: which messages each locale covers, the texts, and changes of them. Commands print them, and the API
//! answers them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::contact::Channel;
use crate::domain::content_hash::ContentHash;
use crate::domain::notification::Kind;
use crate::domain::template_change::{TemplateChange, TemplateDraft};
use crate::render::{Coverage, CoverageSource, LocaleCoverage, LocaleStatus};
use crate::store::template_changes::TextVersion;

/// Which messages each locale covers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CoverageReport {
    pub locales: Vec<LocaleReport>,
    /// Messages that locales lack which must be complete.
    pub missing: usize,
}

/// What one locale covers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LocaleReport {
    pub locale: String,
    /// Not listed in `[templates] locales`, and so not used.
    pub draft: bool,
    pub missing: usize,
    /// By kind of notification and channel: `own`, `parent` (a template of a shorter tag) or `default`.
    pub templates: BTreeMap<String, BTreeMap<String, String>>,
}

impl From<&Coverage> for CoverageReport {
    fn from(coverage: &Coverage) -> Self {
        let required = coverage.locales().filter(|locale| locale.status == LocaleStatus::Required);
        Self {
            missing: required.map(|locale| coverage.missing(locale).len()).sum(),
            locales: coverage.locales().map(|locale| LocaleReport::of(coverage, locale)).collect(),
        }
    }
}

impl LocaleReport {
    fn of(coverage: &Coverage, locale: &LocaleCoverage) -> Self {
        let source = |kind, channel| match coverage.source(locale, kind, channel) {
            CoverageSource::Own => "own".to_owned(),
            CoverageSource::Parent => "parent".to_owned(),
            CoverageSource::Default => "default".to_owned(),
        };
        let of_kind = |kind: Kind| {
            let by_channel = Channel::ALL.into_iter().map(|it| (it.name().to_owned(), source(kind, it))).collect();
            (kind.name().to_owned(), by_channel)
        };
        Self {
            locale: locale.locale.to_string(),
            draft: locale.status == LocaleStatus::Draft,
            missing: coverage.missing(locale).len(),
            templates: Kind::ALL.into_iter().map(of_kind).collect(),
        }
    }
}

/// All live texts, with what is needed to compare a folder with them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TextList {
    /// Whether texts are edited in the console; otherwise they come from the folder of the gateway.
    pub editable: bool,
    pub texts: Vec<LiveText>,
}

impl TextList {
    /// The texts that were ever live by their paths, the oldest first.
    pub fn of(texts: BTreeMap<String, Vec<Option<String>>>, editable: bool) -> Self {
        let live = |(path, texts): (String, Vec<Option<String>>)| {
            let text = texts.last().cloned().flatten();
            LiveText {
                base: hash_of(text.as_deref()),
                published: texts.iter().map(|text| hash_of(text.as_deref())).collect(),
                path,
                text,
            }
        };
        Self { editable, texts: texts.into_iter().map(live).collect() }
    }
}

/// A text, and those that were live before it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LiveText {
    /// The path in a template set, such as `pl/otp/sms.hbs`.
    pub path: String,
    /// Missing where the template was removed.
    pub text: Option<String>,
    /// The hash of the live text, which a draft begins from.
    pub base: String,
    /// The hashes of all texts that were published at the path, the oldest first.
    pub published: Vec<String>,
}

/// One text and its history.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TextHistory {
    #[serde(flatten)]
    pub live: LiveText,
    /// The newest first.
    pub versions: Vec<PublishedVersion>,
}

/// A text that is or was live.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PublishedVersion {
    /// The number by which it is brought back.
    pub seq: i64,
    #[schema(format = DateTime)]
    pub at: String,
    pub text: Option<String>,
    /// The change that published it.
    pub change: Option<i64>,
}

impl From<&TextVersion> for PublishedVersion {
    fn from(version: &TextVersion) -> Self {
        Self { seq: version.seq, at: version.at.to_string(), text: version.text.clone(), change: version.change }
    }
}

/// The hash of a text as documents have it.
pub fn hash_of(text: Option<&str>) -> String {
    ContentHash::of_text(text).to_string()
}

/// The hash that a document has; what is no hash is the hash of no text.
pub fn read_hash(hex: &str) -> ContentHash {
    let bytes = hex::decode(hex).ok().and_then(|bytes| bytes.try_into().ok());
    ContentHash(bytes.unwrap_or([0; 32]))
}

/// Changes of templates, the newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ChangeList {
    pub changes: Vec<ChangeDocument>,
    /// The list goes on with `before` set to this; missing at its end.
    pub next: Option<i64>,
}

/// A change of templates.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ChangeDocument {
    pub id: i64,
    /// `draft`, `submitted`, `approved`, `published`, `rejected` or `withdrawn`.
    pub state: String,
    pub authors: Vec<String>,
    pub note: String,
    pub reviewer: Option<String>,
    pub comment: Option<String>,
    pub publisher: Option<String>,
    #[schema(format = DateTime)]
    pub publish_at: Option<String>,
    #[schema(format = DateTime)]
    pub published_at: Option<String>,
    /// Why it was published without an approval.
    pub emergency: Option<String>,
    /// Why it could not be published at its time.
    pub problem: Option<String>,
    /// The hash of the drafts, which an approval names.
    pub content: String,
    pub drafts: Vec<DraftDocument>,
}

/// What one template is to say.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DraftDocument {
    pub path: String,
    /// Missing where the template is to be removed.
    pub text: Option<String>,
    /// The live text that the draft was begun from.
    pub base: Option<String>,
}

impl From<&TemplateDraft> for DraftDocument {
    fn from(draft: &TemplateDraft) -> Self {
        Self { path: draft.path.clone(), text: draft.text.clone(), base: draft.base.clone() }
    }
}

impl From<&TemplateChange> for ChangeDocument {
    fn from(change: &TemplateChange) -> Self {
        Self {
            id: change.id,
            state: change.state.name().to_owned(),
            authors: change.authors.clone(),
            note: change.note.clone(),
            reviewer: change.reviewer.clone(),
            comment: change.comment.clone(),
            publisher: change.publisher.clone(),
            publish_at: change.publish_at.map(|at| at.to_string()),
            published_at: change.published_at.map(|at| at.to_string()),
            emergency: change.emergency.clone(),
            problem: change.problem.clone(),
            content: change.content_hash().to_string(),
            drafts: change.drafts.iter().map(DraftDocument::from).collect(),
        }
    }
}

/// The change that a step was taken with.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ChangeNumber {
    pub change: i64,
}
