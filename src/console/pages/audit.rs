//! The audit log: what happened and by whom, how far it is signed, its export and its check.

mod list;
mod log;
mod words;

pub(super) use list::LATE;

use actix_web::web::{self, ServiceConfig};

pub(super) fn routes(service: &mut ServiceConfig) {
    service
        .route("/audit", web::get().to(list::list))
        .route("/audit/log", web::get().to(log::log))
        .route("/audit/export", web::post().to(log::export));
}
