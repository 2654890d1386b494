//! The overview: what happened in the last hour and day, and what is wrong now.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, ServiceConfig};
use serde::Serialize;

use super::{PageError, require};
use crate::console::Console;
use crate::console::access::SignedIn;
use crate::domain::access::Action;

pub(super) fn routes(service: &mut ServiceConfig) {
    service.route("/", web::get().to(overview));
}

#[derive(Serialize)]
struct Overview {
    alarms: usize,
}

async fn overview(console: Data<Console>, user: SignedIn) -> Result<HttpResponse, PageError> {
    require(&console, &user, Action::ViewOverview).await?;
    let page = Overview { alarms: console.alarms.active().len() };
    Ok(console.views.page("overview", "Overview", &user, &page))
}
