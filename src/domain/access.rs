//! Which role of a console user may do what: one table.

use serde::Deserialize;
use strum::{EnumIter, EnumString, IntoStaticStr};

/// What a user of the console is there for. A user may have several roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, EnumIter, EnumString, IntoStaticStr, Deserialize)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks, and changes nothing.
    Viewer,
    /// Answers customers: finds a delivery, makes its dossier, has it sent again.
    Support,
    /// Writes templates.
    Author,
    /// Approves and publishes what others wrote.
    Approver,
    /// Drains and enables providers, and writes plans, limits and providers.
    Operator,
    /// Reads and exports the audit log.
    Security,
    /// Creates users and gives roles. It grants nothing else.
    Admin,
}

/// What the console can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Action {
    ViewOverview,
    ViewDeliveries,
    ExportDeliveries,
    ResendDelivery,
    MakeDossier,
    ViewRecipients,
    RevealContact,
    EditRecipient,
    ImportRecipients,
    ExportRecipient,
    EraseRecipient,
    ViewTemplates,
    EditTemplates,
    ApproveTemplates,
    PublishTemplates,
    PublishUnapproved,
    ViewProviders,
    OperateProviders,
    EditRouting,
    ApproveRouting,
    PublishRouting,
    ExplainRoute,
    ViewReports,
    ExportReports,
    ViewAudit,
    ExportAudit,
    ManageUsers,
}

impl Role {
    /// The name in the database, in commands and on pages.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// What the role is for, as a page explains it.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Viewer => "views everything except recipients and the audit log, and changes nothing",
            Self::Support => {
                "answers customers: finds a delivery, makes its dossier, has it sent again, changes a recipient"
            }
            Self::Author => "writes templates",
            Self::Approver => "approves and publishes the templates, plans, limits and providers of others",
            Self::Operator => {
                "drains and enables providers, writes plans, limits and providers, imports and changes recipients"
            }
            Self::Security => "reads and exports the audit log, exports and erases recipients",
            Self::Admin => "adds users and gives roles",
        }
    }

    /// Whether the role alone is enough.
    pub fn may(self, action: Action) -> bool {
        use Action as A;
        let looks = matches!(
            action,
            A::ViewOverview
                | A::ViewDeliveries
                | A::ViewTemplates
                | A::ViewProviders
                | A::ExplainRoute
                | A::ViewReports
        );
        match self {
            Self::Viewer => looks,
            Self::Support => {
                looks
                    || matches!(
                        action,
                        A::ViewRecipients | A::RevealContact | A::EditRecipient | A::ResendDelivery | A::MakeDossier
                    )
            }
            Self::Author => looks || matches!(action, A::EditTemplates),
            Self::Approver => {
                looks
                    || matches!(
                        action,
                        A::ApproveTemplates | A::PublishTemplates | A::ApproveRouting | A::PublishRouting
                    )
            }
            Self::Operator => {
                looks
                    || matches!(
                        action,
                        A::OperateProviders
                            | A::EditRouting
                            | A::ViewRecipients
                            | A::EditRecipient
                            | A::ImportRecipients
                            | A::ExportDeliveries
                            | A::ExportReports
                            | A::PublishUnapproved
                    )
            }
            Self::Security => {
                looks
                    || matches!(
                        action,
                        A::ViewRecipients
                            | A::ViewAudit
                            | A::ExportAudit
                            | A::ExportRecipient
                            | A::EraseRecipient
                            | A::ExportDeliveries
                            | A::ExportReports
                    )
            }
            Self::Admin => matches!(action, A::ViewOverview | A::ManageUsers | A::ViewAudit),
        }
    }
}

impl Action {
    /// The name in the audit log.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
