//! `POST /notifications/verificationInProgress`, `…Accepted` and `…Rejected`: a check of an identity reached a status.

use super::form::{self, Form, Member};
use super::{Read, value};
use crate::domain::address::{Address, Channel};
use crate::domain::notification::{Content, RejectionReason, Verification, VerificationStatus};
use crate::domain::person::IdentifierKind;
use crate::ingest::answer::Problem;
use crate::ingest::fields::{Field, Fields};

const WANTED: &[&str] = &form::names(&members(Path::InProgress));

/// Which of the three paths it came to; the status has to agree.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    InProgress,
    Accepted,
    Rejected,
}

impl Path {
    const fn status(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Accepted => "ACCEPTED",
            Self::Rejected => "REJECTED",
        }
    }
}

/// The fields of a body that comes to `path`.
pub(super) const fn members(path: Path) -> [Member; 7] {
    let [status, reason]: [&[&str]; 2] = match path {
        Path::InProgress => [&["IN_PROGRESS"], &[""]],
        Path::Accepted => [&["ACCEPTED"], &[""]],
        Path::Rejected => [&["REJECTED"], &["INVALID_CUSTOMER_DATA"]],
    };
    [
        Member::noted("verificationId", Form::Uuid, "6faaa45a-41f6-4922-95fe-16e316ba7e91", "Names the check."),
        Member::required("userId", Form::Digits(value::ID_DIGITS_MAX), "1337", "The user, found by this number."),
        Member::optional(
            "email",
            Form::Mailbox,
            "somebody@example.org",
            "Their mailbox, for those whom the directory knows none of.",
        ),
        Member::noted("firstName", Form::Name, "Alex", "What they are called. Cleaned before it is shown."),
        Member::noted("lastName", Form::Name, "Example", "Not used."),
        Member::required("status", Form::Closed(status), status[0], "The status that belongs to this path."),
        Member::noted("reason", Form::Open(reasons), reason[0], "Why the check failed; empty when it did not."),
    ]
}

/// Reads a body.
pub(super) fn read(body: &[u8], path: Path) -> Result<Read, Problem> {
    let mut fields = Fields::read(body, WANTED)?;
    let user = value::identifier(&mut fields, "userId", IdentifierKind::User)?;
    let status = status(&mut fields, path)?;
    let email = email(&mut fields)?;
    let reference = reference(&mut fields);
    let first_name = value::name(&mut fields, "firstName");
    // Nobody is addressed by it: it is only looked at.
    value::name(&mut fields, "lastName");
    let content = Content::Verification(Verification { reference, status, first_name, email });
    Ok((vec![user], content, fields.warnings))
}

fn status(fields: &mut Fields, path: Path) -> Result<VerificationStatus, Problem> {
    let wrong = "expected the status that belongs to this path";
    let text = value::word(fields, "status", wrong)?;
    if !text.eq_ignore_ascii_case(path.status()) {
        return Err(Problem::Invalid("status", wrong));
    }
    if text != path.status() {
        fields.warn("status", "not in capitals");
    }
    let reason = reason(fields, path);
    Ok(match path {
        Path::InProgress => VerificationStatus::InProgress,
        Path::Accepted => VerificationStatus::Accepted,
        Path::Rejected => VerificationStatus::Rejected(reason),
    })
}

fn reasons() -> Vec<&'static str> {
    value::names(&RejectionReason::ALL, RejectionReason::Other, RejectionReason::name)
}

fn reason(fields: &mut Fields, path: Path) -> RejectionReason {
    let given = fields.take("reason");
    if path != Path::Rejected {
        if given.is_some() {
            fields.warn("reason", "given where none was expected");
        }
        return RejectionReason::Other;
    }
    let known = match &given {
        Some(Field::Text(text)) => {
            value::known(&RejectionReason::ALL, RejectionReason::Other, RejectionReason::name, text)
        }
        _ => None,
    };
    if known.is_none() {
        fields.warn("reason", "missing or unknown: told in general words");
    }
    known.unwrap_or(RejectionReason::Other)
}

// Missing, the directory may know one. Given, it has to be one plain mailbox: anything else is somebody's trick.
fn email(fields: &mut Fields) -> Result<Option<Address>, Problem> {
    let wrong = Problem::Invalid("email", "expected one plain mailbox of at most 254 bytes");
    match fields.take("email") {
        None => {
            fields.warn("email", "missing");
            Ok(None)
        }
        Some(Field::Text(ref text)) if text.is_empty() => {
            fields.warn("email", "empty");
            Ok(None)
        }
        Some(Field::Text(ref text)) => Address::parse(Channel::Email, text).map(Some).map_err(|_| wrong),
        Some(Field::Integer(_) | Field::Null | Field::Other) => Err(wrong),
    }
}

fn reference(fields: &mut Fields) -> String {
    let id = match fields.take("verificationId") {
        Some(Field::Text(ref text)) => uuid::Uuid::try_parse(text).ok().map(|id| (id, id.to_string() == *text)),
        _ => None,
    };
    // Any way of writing it is the same check.
    if !id.is_some_and(|(id, plain)| plain && id.get_version_num() == 4) {
        fields.warn("verificationId", "expected a UUID of version 4 in small letters");
    }
    id.map(|(id, _)| id.to_string()).unwrap_or_default()
}
