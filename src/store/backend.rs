//! The database behind the store: one small trait per topic, each declared where its verbs are used.
//!
//! A backend sees rows, hashes and ciphertexts; never a key, a contact or a code in clear.

use async_trait::async_trait;

use super::api_tokens::StoredTokens;
use super::audit_archives::AuditArchives;
use super::audit_tree::AuditTree;
use super::client_certificates::ClientCertificates;
use super::nodes::Nodes;
use super::outbox::Outbox;
use super::providers::Providers;
use super::recipient_list::RecipientPages;
use super::recipients::SealedRecipients;
use super::report_model::ReportModel;
use super::reports::Reports;
use super::seal_key::SealKeyRecord;
use super::search::SearchIndex;
use super::template_changes::TemplateChanges;
use super::users::ConsoleUsers;
use super::write_batcher::Batches;
use super::{AuditEvents, DeliveryReceipts, Error, Retention, TemplateVersions};

/// A database that implements every topic: SQLite, or PostgreSQL for several nodes.
#[async_trait]
pub(super) trait Backend:
    Batches
    + Outbox
    + SealedRecipients
    + RecipientPages
    + DeliveryReceipts
    + Providers
    + Reports
    + ReportModel
    + Retention
    + TemplateChanges
    + TemplateVersions
    + AuditEvents
    + ClientCertificates
    + AuditTree
    + AuditArchives
    + SealKeyRecord
    + SearchIndex
    + Nodes
    + ConsoleUsers
    + StoredTokens
{
    /// Bytes that may still be written.
    async fn free_space(&self) -> Result<u64, Error>;
    /// Whether the database answers.
    async fn ping(&self) -> Result<(), Error>;
    /// Releases the database for another process.
    async fn close(&self) -> Result<(), Error>;
}
