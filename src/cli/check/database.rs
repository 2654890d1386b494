//! Checks the encryption keys, the database, and the free disk space.

use std::sync::Arc;
use std::time::Duration;

use indicatif::BinaryBytes;

use super::certificates::key_permissions;
use super::report::CheckReport;
use crate::cli::output::counted;
use crate::config::Config;
use crate::domain::chain;
use crate::domain::clock::{Clock, SystemClock};
use crate::file_access::{self, Purpose};
use crate::flow::recipients::OtpAmbiguous;
use crate::store::nodes::SILENT_AFTER;
use crate::store::seal::{self, Sealer};
use crate::store::users::UserRow;
use crate::store::{self, OpenMode, Store};

/// How often old audit events should be archived.
const ARCHIVED_EVERY: Duration = Duration::from_hours(24 * 31);

/// Opens the keys and the database, but creates neither.
pub(super) async fn check(config: &Config, report: &mut CheckReport) {
    key_permissions("seal.key", &config.seal.key_file, report);
    match Sealer::open(&config.seal).and_then(|sealer| sealer.check_epoch_keys()) {
        // Without the database it is unknown which of the two keys is the wrong one.
        Ok(()) | Err(seal::Error::ForeignEpochKey { .. }) => {}
        Err(error) => report.error("seal.key", chain(&error)),
    }
    match config.store.local_path() {
        Err(error) => report.error("database", chain(&error)),
        Ok(_) if config.store.is_shared() => match open(config, report).await {
            Ok(()) => {}
            Err(error @ store::Error::SchemaOlder) => report.warning("database", chain(&error)),
            Err(error) => report.error("database", chain(&error)),
        },
        Ok(path) if !path.exists() && file_access::denial(&path, Purpose::Read).is_none() => {
            let text = format!("{} does not exist; `otpost serve` creates it", path.display());
            report.warning("database", text);
        }
        Ok(path) => match open(config, report).await {
            Ok(()) => {}
            Err(error @ store::Error::SchemaOlder) => {
                report.warning("database", format_args!("{}: {}", path.display(), chain(&error)));
            }
            // These name the file that they are about.
            Err(error @ (store::Error::Denied { .. } | store::Error::Seal(_))) => {
                let text = chain(&error);
                if !report.has_error_about(&text) {
                    report.error("database", text);
                }
            }
            Err(error) => report.error("database", format_args!("{}: {}", path.display(), chain(&error))),
        },
    }
}

async fn open(config: &Config, report: &mut CheckReport) -> Result<(), store::Error> {
    let store = Store::open(&config.store, &config.seal, OpenMode::ReadOnly, Arc::new(SystemClock)).await?;
    let figures = store.reports().figures().await?;
    let (recipients, open) = (figures.recipients, figures.open);
    report.ok(
        "database",
        format_args!("{} {}, {recipients} recipients, {open} open deliveries", config.store.kind(), figures.version),
    );
    if recipients == 0 {
        report.warning("recipients", "no recipients; no notification can be delivered. Run `otpost recipient import`");
    }
    let shared = store.reports().shared_identifiers().await?;
    if shared > 0 {
        let sent = match config.recipients.otp_ambiguous {
            OtpAmbiguous::Reject => "is not sent",
            OtpAmbiguous::All => "is sent to each of them",
        };
        let text = format!(
            "{shared} identifiers name several recipients each; an OTP with no other identifier {sent} \
             (recipients.otp_ambiguous)"
        );
        report.warning("recipients", text);
    }
    if config.console.address().is_open() {
        let users = store.users().all().await?;
        let active = users.iter().filter(|user| !user.disabled && user.password.is_some()).count();
        report.ok("console", format_args!("{} can sign in", counted(active, "user")));
        if !users.iter().any(UserRow::is_active_admin) {
            report.warning("console", "no admin; run `otpost user add NAME --role admin`");
        }
    }
    let oldest = store.audit_tree().logged_events(0, 1).await?.pop();
    let kept = config.audit.archive_after + ARCHIVED_EVERY;
    if let Some(oldest) = oldest.filter(|oldest| SystemClock.now().since(oldest.line.at) > kept) {
        let text =
            format!("events since {} are in the database; run `otpost audit archive` once a month", oldest.line.at);
        report.warning("audit log", text);
    }
    report.ok("epoch keys", counted(store.epoch_keys(), "key"));
    if config.store.is_shared() {
        report_nodes(&store, report).await?;
        return store.close().await;
    }
    let (free, min) = (store.update_free_space().await?, config.store.min_free);
    let text = format!("{} free, store.min_free is {}", BinaryBytes(free), BinaryBytes(min));
    if free < min {
        report.error("disk", format_args!("{text}: the gateway would reject all notifications"));
    } else {
        report.ok("disk", text);
    }
    store.close().await
}

// The space on the disk of a server is not known here.
async fn report_nodes(store: &Store, report: &mut CheckReport) -> Result<(), store::Error> {
    let Some(now) = store.nodes().database_time().await? else { return Ok(()) };
    let nodes = store.nodes().nodes().await?;
    let alive = nodes.iter().filter(|node| now.since(node.seen_at) < SILENT_AFTER);
    report.ok("nodes", format_args!("{} alive", counted(alive.clone().count(), "node")));
    for node in alive.filter(|node| !node.has_right_clock()) {
        let text = format!(
            "the clock of {} is {} ms from that of the database: it takes over no deliveries of other nodes",
            node.name,
            node.clock_offset_us / 1000
        );
        report.error("nodes", text);
    }
    Ok(())
}
