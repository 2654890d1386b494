//! Recipients: finding one, what is known of it, and the rights that it has: to see its data, and to be erased.

mod actions;
mod edit;
mod find;
mod import;
mod show;

pub(in crate::console) use import::{FileImport, import_file};

use actix_web::web::{self, PayloadConfig, ServiceConfig};

/// What a form with a file has besides the file, in bytes.
const FORM_OVERHEAD: usize = 64 * 1024;

pub(super) fn routes(service: &mut ServiceConfig) {
    service
        .route("/recipients", web::get().to(find::find))
        .service(
            web::resource("/recipients/import")
                .app_data(PayloadConfig::new(import::FILE_MAX + FORM_OVERHEAD))
                .route(web::get().to(import::form))
                .route(web::post().to(import::import)),
        )
        .route("/recipients/{id}", web::get().to(show::show))
        .route("/recipients/{id}/edit", web::get().to(edit::form))
        .route("/recipients/{id}/edit", web::post().to(edit::change))
        .route("/recipients/{id}/reveal", web::post().to(actions::show_in_clear))
        .route("/recipients/{id}/export", web::post().to(actions::export))
        .route("/recipients/{id}/erase", web::get().to(actions::confirm_erasure))
        .route("/recipients/{id}/erase", web::post().to(actions::erase));
}
