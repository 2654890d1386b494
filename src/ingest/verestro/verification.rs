//! `POST /notifications/verificationInProgress`, `…Accepted` and `…Rejected`: a check of an identity reached a status.

use super::field_spec;
use super::field_spec::{FieldSpec, FieldType};
use super::{ParsedBody, parse};
use crate::domain::contact::{Channel, Contact};
use crate::domain::notification::{Content, RejectionReason, Verification, VerificationStatus};
use crate::domain::recipient::IdentifierKind;
use crate::ingest::fields::{Field, Fields};
use crate::ingest::problem::Problem;

const WANTED: &[&str] = &field_spec::names(&members(VerificationEndpoint::InProgress));

/// Which of the three paths it came to; the status has to agree.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum VerificationEndpoint {
    InProgress,
    Accepted,
    Rejected,
}

impl VerificationEndpoint {
    const fn status(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Accepted => "ACCEPTED",
            Self::Rejected => "REJECTED",
        }
    }
}

/// The fields of a body that comes to `path`.
pub(super) const fn members(path: VerificationEndpoint) -> [FieldSpec; 7] {
    let [status, reason]: [&[&str]; 2] = match path {
        VerificationEndpoint::InProgress => [&["IN_PROGRESS"], &[""]],
        VerificationEndpoint::Accepted => [&["ACCEPTED"], &[""]],
        VerificationEndpoint::Rejected => [&["REJECTED"], &["INVALID_CUSTOMER_DATA"]],
    };
    [
        FieldSpec::noted("verificationId", FieldType::Uuid, "6faaa45a-41f6-4922-95fe-16e316ba7e91", "Names the check."),
        FieldSpec::required(
            "userId",
            FieldType::Digits(parse::ID_DIGITS_MAX),
            "1337",
            "The user, found by this number.",
        ),
        FieldSpec::optional(
            "email",
            FieldType::Mailbox,
            "somebody@example.org",
            "Their mailbox, for those whom the directory knows none of.",
        ),
        FieldSpec::noted("firstName", FieldType::Name, "Alex", "What they are called. Cleaned before it is shown."),
        FieldSpec::noted("lastName", FieldType::Name, "Example", "Not used."),
        FieldSpec::required("status", FieldType::Closed(status), status[0], "The status that belongs to this path."),
        FieldSpec::noted("reason", FieldType::Open(reasons), reason[0], "Why the check failed; empty when it did not."),
    ]
}

/// Reads a body.
pub(super) fn read(body: &[u8], path: VerificationEndpoint) -> Result<ParsedBody, Problem> {
    let mut fields = Fields::read(body, WANTED)?;
    let user = parse::identifier(&mut fields, "userId", IdentifierKind::User)?;
    let status = status(&mut fields, path)?;
    let email = email(&mut fields)?;
    let reference = reference(&mut fields);
    let first_name = parse::name(&mut fields, "firstName");
    // Nobody is addressed by it: it is only looked at.
    parse::name(&mut fields, "lastName");
    let content = Content::Verification(Verification { reference, status, first_name, email });
    Ok((vec![user], content, fields.warnings))
}

fn status(fields: &mut Fields, path: VerificationEndpoint) -> Result<VerificationStatus, Problem> {
    let wrong = "expected the status that belongs to this path";
    let text = parse::word(fields, "status", wrong)?;
    if !text.eq_ignore_ascii_case(path.status()) {
        return Err(Problem::Invalid("status", wrong));
    }
    if text != path.status() {
        fields.warn("status", "not in capitals");
    }
    let reason = reason(fields, path);
    Ok(match path {
        VerificationEndpoint::InProgress => VerificationStatus::InProgress,
        VerificationEndpoint::Accepted => VerificationStatus::Accepted,
        VerificationEndpoint::Rejected => VerificationStatus::Rejected(reason),
    })
}

fn reasons() -> Vec<&'static str> {
    parse::names(&RejectionReason::ALL, RejectionReason::Other, RejectionReason::name)
}

fn reason(fields: &mut Fields, path: VerificationEndpoint) -> RejectionReason {
    let given = fields.take("reason");
    if path != VerificationEndpoint::Rejected {
        if given.is_some() {
            fields.warn("reason", "given where none was expected");
        }
        return RejectionReason::Other;
    }
    let known = match &given {
        Some(Field::Template(text)) => {
            parse::known(&RejectionReason::ALL, RejectionReason::Other, RejectionReason::name, text)
        }
        _ => None,
    };
    if known.is_none() {
        fields.warn("reason", "missing or unknown: told in general words");
    }
    known.unwrap_or(RejectionReason::Other)
}

// Missing, the directory may know one. Given, it has to be one plain mailbox: anything else is somebody's trick.
fn email(fields: &mut Fields) -> Result<Option<Contact>, Problem> {
    let wrong = Problem::Invalid("email", "expected one plain mailbox of at most 254 bytes");
    match fields.take("email") {
        None => {
            fields.warn("email", "missing");
            Ok(None)
        }
        Some(Field::Template(ref text)) if text.is_empty() => {
            fields.warn("email", "empty");
            Ok(None)
        }
        Some(Field::Template(ref text)) => Contact::parse(Channel::Email, text).map(Some).map_err(|_| wrong),
        Some(Field::Integer(_) | Field::Null | Field::Other) => Err(wrong),
    }
}

fn reference(fields: &mut Fields) -> String {
    let id = match fields.take("verificationId") {
        Some(Field::Template(ref text)) => uuid::Uuid::try_parse(text).ok().map(|id| (id, id.to_string() == *text)),
        _ => None,
    };
    // Any way of writing it is the same check.
    if !id.is_some_and(|(id, plain)| plain && id.get_version_num() == 4) {
        fields.warn("verificationId", "expected a UUID of version 4 in small letters");
    }
    id.map(|(id, _)| id.to_string()).unwrap_or_default()
}
