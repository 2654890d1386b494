//! `POST /notifications/verificationInProgress`, `…Accepted` and `…Rejected`: an identity verification reached a status.

use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use super::values::{Id, Name};
use crate::domain::contact::{Channel, Contact};
use crate::domain::notification::{Content, Kind, RejectionReason, Verification, VerificationStatus};
use crate::domain::recipient::{Identifier, IdentifierKind};
use crate::ingest::fields::{Field, FieldReader, Format, Notified, Reading, text};
use crate::ingest::openapi::schema;
use crate::ingest::problem::Problem;
use crate::ingest::processor::WireBody;
use crate::ingest::strict_json::JsonValue;

// The same fields on all three paths. `S` is the status that the path requires.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct VerificationBody<S> {
    /// The verification.
    #[schema(required = false)]
    verification_id: VerificationId,
    /// The user, who is looked up by this number.
    user_id: Id,
    /// The user's mailbox, for recipients without an e-mail address.
    email: Option<Mailbox>,
    /// The user's first name. Cleaned before it is shown.
    #[schema(required = false)]
    first_name: Name,
    /// Not used.
    #[schema(required = false)]
    last_name: Name,
    #[schema(inline)]
    status: S,
    /// Why the verification failed; absent or empty when it did not.
    #[schema(required = false)]
    reason: FailureReason,
}

impl<const INDEX: usize> WireBody for VerificationBody<Field<StatusFormat<INDEX>>> {
    fn read(self, kind: Kind, fields: &mut FieldReader) -> Result<Notified, Problem> {
        let user = fields.required("userId", self.user_id)?;
        fields.required("status", self.status)?;
        let status = match kind {
            Kind::VerificationRejected => {
                let reason = fields.noted("reason", self.reason);
                VerificationStatus::Rejected(reason.unwrap_or(RejectionReason::Other))
            }
            kind => {
                if !matches!(self.reason.0, JsonValue::Missing) {
                    fields.warn("reason", "given where none was expected");
                }
                let accepted = kind == Kind::VerificationAccepted;
                if accepted { VerificationStatus::Accepted } else { VerificationStatus::InProgress }
            }
        };
        let email = if let Some(email) = self.email {
            fields.required("email", email)?
        } else {
            fields.warn("email", "missing");
            None
        };
        let reference = fields.noted("verificationId", self.verification_id).unwrap_or_default();
        let first_name = fields.noted("firstName", self.first_name).unwrap_or_default();
        fields.noted("lastName", self.last_name);
        let content = Content::Verification(Verification { reference, status, first_name, email });
        Ok((vec![Identifier { kind: IdentifierKind::User, value: user }], content))
    }

    fn sample() -> Value {
        let (status, _) = STATUSES[INDEX];
        let mut sample = json!({
            "verificationId": "6faaa45a-41f6-4922-95fe-16e316ba7e91",
            "userId": "1337",
            "email": "alex@example.org",
            "firstName": "Alex",
            "lastName": "Example",
            "status": status,
        });
        if status == "REJECTED" {
            sample["reason"] = json!("INVALID_CUSTOMER_DATA");
        }
        sample
    }
}

/// The statuses of the three paths, and the names of their schemas.
const STATUSES: [(&str, &str); 3] =
    [("IN_PROGRESS", "InProgressStatus"), ("ACCEPTED", "AcceptedStatus"), ("REJECTED", "RejectedStatus")];

pub(super) type InProgressStatus = Field<StatusFormat<0>>;
pub(super) type AcceptedStatus = Field<StatusFormat<1>>;
pub(super) type RejectedStatus = Field<StatusFormat<2>>;

/// The status at this index of [`STATUSES`].
pub(super) struct StatusFormat<const INDEX: usize>;

impl<const INDEX: usize> Format for StatusFormat<INDEX> {
    type Value = ();
    const NAME: &'static str = STATUSES[INDEX].1;

    fn schema() -> RefOr<Schema> {
        schema::one_of(&[STATUSES[INDEX].0])
    }

    fn read(value: JsonValue, reading: &mut Reading<'_>) -> Result<(), &'static str> {
        let (expected, _) = STATUSES[INDEX];
        let given = text(value).filter(|text| text.eq_ignore_ascii_case(expected));
        if given.ok_or("expected the status that belongs to this path")? != expected {
            reading.warn("not in capitals");
        }
        Ok(())
    }
}

/// Any spelling of a UUID is the same verification.
type VerificationId = Field<VerificationIdFormat>;

struct VerificationIdFormat;

impl Format for VerificationIdFormat {
    type Value = String;
    const NAME: &'static str = "VerificationId";

    fn schema() -> RefOr<Schema> {
        schema::text(format!("^{}$", schema::UUID), "A UUID of any version.").into()
    }

    fn read(value: JsonValue, reading: &mut Reading<'_>) -> Result<String, &'static str> {
        let expected = "expected a UUID of version 4 in lower case";
        let text = text(value).ok_or(expected)?;
        let id = uuid::Uuid::try_parse(&text).map_err(|_| expected)?;
        if id.to_string() != text || id.get_version_num() != 4 {
            reading.warn(expected);
        }
        Ok(id.to_string())
    }
}

type FailureReason = Field<FailureReasonFormat>;

struct FailureReasonFormat;

impl Format for FailureReasonFormat {
    type Value = RejectionReason;
    const NAME: &'static str = "FailureReason";

    fn schema() -> RefOr<Schema> {
        let known = RejectionReason::ALL.into_iter().filter(|reason| *reason != RejectionReason::Other);
        schema::known(known.map(RejectionReason::name))
    }

    fn read(value: JsonValue, _: &mut Reading<'_>) -> Result<RejectionReason, &'static str> {
        let known = text(value).and_then(|text| text.parse().ok());
        known.filter(|reason| *reason != RejectionReason::Other).ok_or("missing or unknown: described in general terms")
    }
}

/// One plain mailbox. Anything else may be an attempt to add recipients or headers to a message.
type Mailbox = Field<MailboxFormat>;

struct MailboxFormat;

impl Format for MailboxFormat {
    type Value = Option<Contact>;
    const NAME: &'static str = "Mailbox";

    fn schema() -> RefOr<Schema> {
        let beyond_ascii = r"\u0080-\uffff";
        let atom = format!(r"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~{beyond_ascii}-]+");
        let quoted = r#""[ !#$%&'*+./0-9=?A-Z^_`a-z{|}~-]{1,62}""#;
        let (end, inner) = (format!("[A-Za-z0-9{beyond_ascii}]"), format!("[A-Za-z0-9_{beyond_ascii}-]"));
        let label = format!("{end}({inner}{{0,61}}{end})?");
        let mailbox = format!(r#"^(?=[^@]{{1,64}}@)({atom}(\.{atom})*|{quoted})@({label}\.)+(?![0-9]+$){label}$"#);
        let description = "One plain mailbox, at most 254 bytes in UTF-8, with letters and digits beyond ASCII; empty is \
                           as if it were absent.";
        schema::text(format!("^$|{mailbox}"), description).max_length(Some(254)).into()
    }

    fn read(value: JsonValue, reading: &mut Reading<'_>) -> Result<Option<Contact>, &'static str> {
        let wrong = "expected one plain mailbox of at most 254 bytes";
        let JsonValue::Text(text) = value else { return Err(wrong) };
        if text.is_empty() {
            reading.warn("empty");
            return Ok(None);
        }
        Contact::parse(Channel::Email, &text).map(Some).map_err(|_| wrong)
    }
}
