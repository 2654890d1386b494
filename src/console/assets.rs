//! The stylesheet and htmx, compiled into the program. A browser keeps them for as long as their hash is in the address, and
//! asks again otherwise.

use std::fmt::Write as _;

use actix_web::http::header::{self, ETag, EntityTag, IfNoneMatch};
use actix_web::web::{self, Header, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use include_dir::{Dir, File, include_dir};
use openssl::sha::sha256;
use serde::Deserialize;

static ASSETS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates/console/assets");

/// For an address with the right hash.
const FOR_A_YEAR: &str = "public, max-age=31536000, immutable";

pub(super) fn routes(service: &mut ServiceConfig) {
    service.route("/assets/{name}", web::get().to(asset));
}

/// The address of a file, which changes with its content.
pub(super) fn address(name: &str) -> String {
    format!("/assets/{name}?v={}", ASSETS.get_file(name).map(hash).unwrap_or_default())
}

fn hash(file: &File<'_>) -> String {
    sha256(file.contents())[..8].iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[derive(Deserialize)]
struct AskedVersion {
    #[serde(default)]
    v: String,
}

async fn asset(request: HttpRequest, asked: Query<AskedVersion>, known: Header<IfNoneMatch>) -> HttpResponse {
    let name = request.match_info().query("name");
    let Some(file) = ASSETS.get_file(name) else { return HttpResponse::NotFound().finish() };
    let hash = hash(file);
    let content_type = match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    };
    let tag = EntityTag::new_strong(hash.clone());
    let is_known = match &*known {
        IfNoneMatch::Any => true,
        IfNoneMatch::Items(tags) => tags.iter().any(|it| it.weak_eq(&tag)),
    };
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header(ETag(tag))
        .insert_header((header::CONTENT_TYPE, content_type))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CACHE_CONTROL, if asked.v == hash { FOR_A_YEAR } else { "no-cache" }));
    if is_known { response.finish() } else { response.body(file.contents()) }
}
