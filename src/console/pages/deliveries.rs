//! Deliveries: finding them, what happened to one, and what may be done with it.

mod actions;
mod explanations;
mod export;
mod list;
mod search;
mod show;
mod steps;

use actix_web::web::{self, ServiceConfig};

pub(in crate::console) use actions::dossier_of;
pub(super) use list::{ListedDelivery, rows};

pub(super) fn routes(service: &mut ServiceConfig) {
    service
        .route("/deliveries", web::get().to(list::list))
        .route("/deliveries/export", web::post().to(export::export))
        .route("/deliveries/{id}", web::get().to(show::show))
        .route("/deliveries/{id}/resend", web::post().to(actions::resend))
        .route("/deliveries/{id}/dossier", web::post().to(actions::dossier));
}
