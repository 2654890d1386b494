//! Imports a file of recipients: checked first, and stored when somebody has seen what would happen.

use std::io::Cursor;

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use crate::console::Console;
use crate::console::access::SignedIn;
use crate::console::pages::{PageError, require};
use crate::console::upload::UploadForm;
use crate::domain::access::Action;
use crate::domain::audit_event::Actor;
use crate::domain::written::phone;
use crate::flow::recipient_import::{
    Error, FileIndex, HashKeys, ImportFormat, ImportOptions, ImportReport, Importer, RowReader,
};

/// The largest file. Larger ones are for `otpost recipient import`.
pub(super) const FILE_MAX: usize = 5 * 1024 * 1024;

#[derive(Serialize)]
struct ImportPage {
    file: Option<String>,
    report: Option<ImportReport>,
    unlisted_rejections: u64,
    unlisted_warnings: u64,
    default_locale: String,
    problem: Option<String>,
    country: String,
    allow_shared: bool,
}

pub(super) async fn form(console: Data<Console>, user: SignedIn) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ImportRecipients).await?;
    Ok(page(&console, &user, &empty(&console)))
}

pub(super) async fn import(
    console: Data<Console>,
    user: SignedIn,
    request: HttpRequest,
    body: Bytes,
) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ImportRecipients).await?;
    let unreadable = || PageError::Invalid("the form cannot be read".to_owned());
    let form = UploadForm::read(request.headers(), &body).ok_or_else(unreadable)?;
    let allow_shared = form.text("allow_shared") == "yes";
    let mut shown = ImportPage { country: form.text("country").to_owned(), allow_shared, ..empty(&console) };
    match run(&console, &user, &form, allow_shared).await? {
        Ok((name, report)) => {
            let unlisted = |count: u64, listed: usize| count.saturating_sub(listed as u64);
            shown.file = Some(name);
            shown.unlisted_rejections = unlisted(report.rejected, report.rejections.len());
            shown.unlisted_warnings = unlisted(report.warned, report.warnings.len());
            shown.report = Some(report);
            Ok(page(&console, &user, &shown))
        }
        Err(problem) => {
            shown.problem = Some(problem);
            let mut response = page(&console, &user, &shown);
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            Ok(response)
        }
    }
}

/// The name of the file and what was done; or what is wrong with the form or the file as a whole.
async fn run(
    console: &Console,
    user: &SignedIn,
    form: &UploadForm,
    allow_shared: bool,
) -> Result<Result<(String, ImportReport), String>, PageError> {
    let Some((name, content)) = form.file("file") else { return Ok(Err("choose a file".to_owned())) };
    let Some(format) = ImportFormat::of_name(name) else {
        return Ok(Err("expected a .csv or .jsonl file".to_owned()));
    };
    let dry_run = form.text("do") != "import";
    let file = FileImport { format, content: content.clone(), country: form.text("country"), dry_run, allow_shared };
    let report = import_file(console, user.actor(), file).await?;
    Ok(report.map(|report| (name.to_owned(), report)))
}

/// A file of recipients, and how its rows are taken.
pub(in crate::console) struct FileImport<'a> {
    pub(in crate::console) format: ImportFormat,
    pub(in crate::console) content: Bytes,
    /// Of phone numbers without a country code; empty for none.
    pub(in crate::console) country: &'a str,
    pub(in crate::console) dry_run: bool,
    pub(in crate::console) allow_shared: bool,
}

/// What was done; or what is wrong with the file as a whole.
pub(in crate::console) async fn import_file(
    console: &Console,
    actor: Actor,
    file: FileImport<'_>,
) -> Result<Result<ImportReport, String>, PageError> {
    let FileImport { format, content, country, dry_run, allow_shared } = file;
    let country = match country.trim() {
        "" => None,
        code => match phone::country(&code.to_ascii_uppercase()) {
            Ok(country) => Some(country),
            Err(error) => return Ok(Err(format!("country: {error}"))),
        },
    };
    let rows = || -> Result<RowReader, String> { format.rows(Cursor::new(content.clone())) };
    let (first, second) = match (rows(), rows()) {
        (Ok(first), Ok(second)) => (first, second),
        (Err(problem), _) | (_, Err(problem)) => return Ok(Err(problem)),
    };
    let directory = console.store.recipients().on_behalf_of(actor, None);
    let index = FileIndex::read(first, country, HashKeys::new(Some(directory.clone())), || ())?;
    let options = ImportOptions { dry_run, country, has_gateway: true, allow_shared };
    let renderer = console.inspector.templates.current();
    let mut importer = Importer::new(options, Some(directory), index, Some(&renderer), &*console.clocks.steady);
    match importer.run(second, || ()).await {
        Ok(()) => Ok(Ok(importer.report)),
        Err(Error::Store(error)) => Err(error.into()),
        Err(error) => Ok(Err(format!(
            "{}; {} recipients of the lines before were imported",
            crate::domain::chain(&error),
            if options.dry_run { 0 } else { importer.report.imported }
        ))),
    }
}

fn empty(console: &Console) -> ImportPage {
    ImportPage {
        file: None,
        report: None,
        unlisted_rejections: 0,
        unlisted_warnings: 0,
        default_locale: console.dossiers.templates.default_locale.to_string(),
        problem: None,
        country: String::new(),
        allow_shared: false,
    }
}

fn page(console: &Console, user: &SignedIn, page: &ImportPage) -> HttpResponse {
    console.views.page("recipient_import", "Import recipients", user, page)
}
