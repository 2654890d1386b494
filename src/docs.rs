//! The guides, as pages of this documentation. `otpost help TOPIC` prints them, and the README links to them.

#[doc = include_str!("docs/glossary.md")]
pub mod glossary {}

#[doc = include_str!("docs/architecture.md")]
pub mod architecture {}

#[doc = include_str!("docs/operations.md")]
pub mod operations {}

#[doc = include_str!("docs/runbook.md")]
pub mod runbook {}

#[doc = include_str!("docs/audit.md")]
pub mod audit {}

#[doc = include_str!("docs/api.md")]
pub mod api {}

#[doc = include_str!("docs/console.md")]
pub mod console {}

#[doc = include_str!("docs/postgresql.md")]
pub mod postgresql {}

#[doc = include_str!("docs/providers.md")]
pub mod providers {}

#[doc = include_str!("docs/reports.md")]
pub mod reports {}

#[doc = include_str!("docs/adding_a_provider.md")]
pub mod adding_a_provider {}

#[doc = include_str!("docs/adding_a_processor.md")]
pub mod adding_a_processor {}

#[doc = include_str!("docs/promises.md")]
pub mod promises {}

#[doc = include_str!("docs/testing.md")]
pub mod testing {}

#[doc = include_str!("docs/decisions.md")]
pub mod decisions {}

#[doc = include_str!("docs/templates.md")]
pub mod templates {}

#[doc = include_str!("docs/adding_a_notification_kind.md")]
pub mod adding_a_notification_kind {}
