//! Exports that take a while: a page that says how far one has come, and the file for the operator who asked.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::SizedStream;
use actix_web::http::header::{
    self, ContentDisposition, DispositionParam, DispositionType, HeaderValue, TryIntoHeaderValue as _,
};
use actix_web::web::{self, Bytes, Data, Path, ServiceConfig};
use futures_util::stream;
use serde::Serialize;
use uuid::Uuid;

use super::{PageError, require, see_other};
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::domain::access::Action;
use crate::domain::clock::Timestamp;
use crate::flow::exports::{self, ExportState, ExportView};

/// A file that is ready within this time is the answer to the request itself.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Bytes that are read from the disk at once.
const CHUNK: u64 = 64 * 1024;

pub(super) fn routes(service: &mut ServiceConfig) {
    service
        .route("/exports/{id}", web::get().to(show))
        .route("/exports/{id}/state", web::get().to(state))
        .route("/exports/{id}/file", web::get().to(file));
}

/// An export on a page.
#[derive(Serialize)]
pub(super) struct ShownExport {
    id: Uuid,
    title: String,
    preparing: bool,
    percent: u64,
    failed: Option<String>,
    size: String,
    asked_at: Timestamp,
    kept_until: Timestamp,
}

impl From<ExportView> for ShownExport {
    fn from(view: ExportView) -> Self {
        let (mut percent, mut failed, mut size) = (100, None, String::new());
        match view.state {
            ExportState::Preparing(done) => percent = done,
            ExportState::Ready(bytes) => size = bytes_in_words(bytes),
            ExportState::Failed(why) => failed = Some(why),
        }
        Self {
            id: view.id,
            title: view.order.title,
            preparing: size.is_empty() && failed.is_none(),
            percent,
            failed,
            size,
            asked_at: view.asked_at,
            kept_until: view.kept_until,
        }
    }
}

/// The exports of the user that need this right.
pub(super) fn own(console: &Console, user: &SignedIn, action: Action) -> Vec<ShownExport> {
    let own = console.exports.of(&user.user).into_iter();
    own.filter(|it| it.order.action == action).map(ShownExport::from).collect()
}

/// The file, if it is ready soon; otherwise the page of the export.
pub(super) async fn answer(
    console: &Console,
    user: &SignedIn,
    started: Result<Uuid, exports::Error>,
) -> Result<HttpResponse, PageError> {
    let id = match started {
        Ok(id) => id,
        Err(error @ (exports::Error::Busy | exports::Error::NoSpace)) => {
            return Err(PageError::Conflict(error.to_string()));
        }
        Err(error) => return Err(PageError::Export(error)),
    };
    console.exports.wait(id, AT_ONCE).await;
    match download(console, id, &user.user) {
        Some(answer) => Ok(answer),
        None => Ok(see_other(&format!("/exports/{id}"))),
    }
}

async fn asked(console: &Data<Console>, user: &SignedIn, id: Uuid) -> Result<ExportView, PageError> {
    let view = console.exports.view(id, &user.user).ok_or(PageError::NotFound)?;
    require(console, user, view.order.action).await?;
    Ok(view)
}

async fn show(console: Data<Console>, user: SignedIn, id: Path<Uuid>) -> Result<HttpResponse, PageError> {
    let export = ShownExport::from(asked(&console, &user, *id).await?);
    Ok(console.views.page("report_job", "Export", &user, &export))
}

async fn state(console: Data<Console>, user: SignedIn, id: Path<Uuid>) -> Result<HttpResponse, PageError> {
    let export = ShownExport::from(asked(&console, &user, *id).await?);
    Ok(console.views.fragment("report_job_state", &user, &export))
}

async fn file(console: Data<Console>, user: SignedIn, id: Path<Uuid>) -> Result<HttpResponse, PageError> {
    asked(&console, &user, *id).await?;
    download(&console, *id, &user.user).ok_or(PageError::NotFound)
}

/// The file, if it is ready and `owner` asked for it.
pub(in crate::console) fn download(console: &Console, id: Uuid, owner: &str) -> Option<HttpResponse> {
    let order = console.exports.view(id, owner)?.order;
    let (file, size) = console.exports.file(id, owner)?;
    let chunks = stream::try_unfold((file, 0), move |(file, at)| async move {
        if at >= size {
            return Ok(None);
        }
        let read = web::block(move || read_chunk(&file, at, size).map(|bytes| (bytes, file))).await;
        let (bytes, file) = read.map_err(io::Error::other)??;
        let next = at + bytes.len() as u64;
        Ok::<_, io::Error>(Some((bytes, (file, next))))
    });
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(order.file_name)],
    };
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((header::CONTENT_TYPE, order.content_type))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((
            header::CONTENT_DISPOSITION,
            disposition.try_into_value().unwrap_or(HeaderValue::from_static("attachment")),
        ));
    Some(answer.body(SizedStream::new(size, Box::pin(chunks))))
}

fn read_chunk(file: &File, at: u64, size: u64) -> io::Result<Bytes> {
    let length = usize::try_from((size - at).min(CHUNK)).unwrap_or(0);
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes.into())
}

fn bytes_in_words(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}
