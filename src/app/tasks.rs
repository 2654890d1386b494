//! Starts what runs in the background until the process ends.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::delivery::Delivery;
use super::parts::publishers;
use super::templates::Texts;
use super::{Base, Error};
use crate::config::Config;
use crate::flow::limits;
use crate::flow::pause::DeliveryPause;
use crate::flow::tasks::certificate_expiry::{self, ExpiryMonitor};
use crate::flow::tasks::daily_report::DailyReport;
use crate::flow::tasks::status_events::{self, StatusSender};
use crate::flow::tasks::{cleanup, clock_monitor, heartbeat, notary, report_keeper, search_index};
use crate::flow::users::Users;

/// What tasks work on, apart from the store.
pub(super) struct TaskParts<'a> {
    pub(super) delivery: &'a Delivery,
    pub(super) pause: &'a Arc<DeliveryPause>,
    pub(super) texts: &'a Texts,
    pub(super) users: &'a Arc<Users>,
    pub(super) expiry: &'a Arc<ExpiryMonitor>,
}

/// Starts all tasks. Fails before any has begun.
pub(super) fn start(config: &Config, base: &Base, parts: &TaskParts<'_>) -> Result<Vec<JoinHandle<()>>, Error> {
    let setup = &parts.delivery.setup;
    let (authority, mail) = publishers(config, setup)?;
    let daily_report = DailyReport::new(&config.report, Arc::clone(setup))?;
    let endpoint = status_events::configured(&config.events).map_err(Error::Events)?;
    let Base { store, clocks, alarms } = base;
    let sender = endpoint.map(|it| StatusSender::new(Arc::clone(store), clocks.clone(), it, &config.events));
    let mut tasks = delivery_tasks(base, parts.delivery);
    tasks.extend(housekeeping(config, base, parts));
    tasks.push(if parts.texts.publisher.is_source() {
        tokio::spawn(Arc::clone(&parts.texts.publisher).run())
    } else {
        tokio::spawn(Arc::clone(&parts.texts.reloader).run())
    });
    tasks.extend(authority.map(|it| tokio::spawn(notary::timestamp::run(Arc::clone(store), clocks.clone(), it))));
    tasks.extend(mail.map(|it| tokio::spawn(notary::mail::run(Arc::clone(store), clocks.clone(), it))));
    tasks.extend(sender.map(|it| tokio::spawn(it.run())));
    tasks.push(tokio::spawn(Arc::clone(parts.pause).run()));
    tasks.push(tokio::spawn(Arc::clone(parts.users).watch(Arc::clone(alarms))));
    tasks.extend(daily_report.map(|daily| tokio::spawn(daily.run(Arc::clone(store), Arc::clone(&clocks.wall)))));
    Ok(tasks)
}

fn delivery_tasks(base: &Base, delivery: &Delivery) -> Vec<JoinHandle<()>> {
    vec![
        tokio::spawn(Arc::clone(&delivery.worker).run()),
        tokio::spawn(Arc::clone(&delivery.registry).run(Arc::clone(&base.alarms))),
        tokio::spawn(Arc::clone(&delivery.receipts).run(Arc::clone(&delivery.ended))),
        tokio::spawn(Arc::clone(&delivery.receipts).listen()),
        tokio::spawn(limits::run(Arc::clone(&delivery.setup), Arc::clone(&base.clocks.steady))),
    ]
}

fn housekeeping(config: &Config, base: &Base, parts: &TaskParts<'_>) -> Vec<JoinHandle<()>> {
    let Base { store, clocks, alarms } = base;
    let (steady, setup) = (&clocks.steady, Arc::clone(&parts.delivery.setup));
    let longest_life = move || setup.longest_otp_life();
    let cleanup =
        cleanup::run(Arc::clone(store), Arc::clone(steady), config.retention, longest_life, Arc::clone(alarms));
    vec![
        tokio::spawn(clock_monitor::run(Arc::clone(store), clocks.clone(), Arc::clone(alarms))),
        tokio::spawn(notary::run(Arc::clone(store), clocks.clone(), config.audit.clone())),
        tokio::spawn(search_index::run(Arc::clone(store))),
        tokio::spawn(heartbeat::run(Arc::clone(store), Arc::clone(steady))),
        tokio::spawn(report_keeper::run(Arc::clone(store), Arc::clone(steady))),
        tokio::spawn(certificate_expiry::run(Arc::clone(parts.expiry), Arc::clone(&clocks.wall))),
        tokio::spawn(cleanup),
    ]
}
