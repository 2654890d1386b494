//! The stylesheet and htmx, compiled into the program. A browser keeps them until their hash changes.

use actix_web::http::header;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use include_dir::{Dir, include_dir};

static ASSETS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates/console/assets");

pub(super) fn routes(service: &mut ServiceConfig) {
    service.route("/assets/{name}", web::get().to(asset));
}

async fn asset(request: HttpRequest) -> HttpResponse {
    let name = request.match_info().query("name");
    let Some(file) = ASSETS.get_file(name) else { return HttpResponse::NotFound().finish() };
    let content_type = match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    };
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, content_type))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(file.contents())
}
