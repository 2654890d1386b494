//! Starts the listeners: ingest, and those that a gateway can work without: receipts, the console, and the local socket.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::delivery::Delivery;
use super::{Base, Error, trust_error};
use crate::console;
use crate::domain::chain;
use crate::flow::audit::AuditLog;
use crate::flow::inspector::Inspector;
use crate::flow::intake::Intake;
use crate::flow::receipts::Receipts;
use crate::flow::tasks::certificate_expiry::ExpiryMonitor;
use crate::ingest::{self, Listener};
use crate::ops::hand_over::HandOver;
use crate::ops::socket::{self, LocalSocket};
use crate::receipts;
use crate::server::{HttpListener, ListenSockets};
use crate::store;

/// Answers what commands ask. The gateway works without the socket; then they show what is stored.
pub(super) fn answer_questions(
    settings: &store::Settings,
    inspector: Arc<Inspector>,
    hand_over: &Arc<HandOver>,
) -> Result<Option<JoinHandle<()>>, Error> {
    let path = socket::path_of(&settings.local_path()?);
    match LocalSocket::bind(path.clone()) {
        Ok(socket) => Ok(Some(tokio::spawn(socket.serve(inspector, Arc::clone(hand_over))))),
        Err(error) => {
            let (error, path) = (chain(&error), path.display());
            tracing::warn!(error, %path, "local socket cannot be opened; otpost provider list shows stored figures only");
            Ok(None)
        }
    }
}

pub(super) fn listen_for_processors(
    (settings, sockets): (&ingest::Settings, &ListenSockets),
    base: &Base,
    delivery: &Delivery,
    expiry: &Arc<ExpiryMonitor>,
) -> Result<(Listener, JoinHandle<()>), Error> {
    let Base { store, clocks, alarms } = base;
    let (worker, setup, clock) = (&delivery.worker, &delivery.setup, &clocks.steady);
    let intake = Intake::new(Arc::clone(store), Arc::clone(worker), Arc::clone(setup), Arc::clone(clock));
    let audit_log = AuditLog::new(Arc::clone(store), Arc::clone(clock));
    let (expiry, clocks) = (Arc::clone(expiry), clocks.clone());
    let started = ingest::listen((settings, sockets), intake, audit_log, expiry, clocks, alarms);
    let (listener, serving) = started.map_err(trust_error::explain)?;
    let serving = tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(error = chain(&error), "ingest listener stopped unexpectedly");
        }
    });
    Ok((listener, serving))
}

pub(super) fn listen_for_receipts(
    (settings, sockets): (&receipts::Settings, &ListenSockets),
    receipts: &Arc<Receipts>,
    expiry: &Arc<ExpiryMonitor>,
) -> Result<Option<(HttpListener, JoinHandle<()>)>, Error> {
    if !settings.address().is_open() {
        return Ok(None);
    }
    let (listener, serving) = receipts::listen((settings, sockets), Arc::clone(receipts), Arc::clone(expiry))?;
    tracing::info!(receipts = %listener.address, "receipts listener started");
    let serving = tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(error = chain(&error), "receipts listener stopped unexpectedly");
        }
    });
    Ok(Some((listener, serving)))
}

pub(super) fn listen_for_console(
    (settings, sockets): (&console::Settings, &ListenSockets),
    parts: console::ConsoleParts,
    expiry: &Arc<ExpiryMonitor>,
) -> Result<Option<(HttpListener, JoinHandle<()>)>, Error> {
    if !settings.address().is_open() {
        return Ok(None);
    }
    let (listener, serving) =
        console::listen((settings, sockets), parts, Arc::clone(expiry)).map_err(Error::Console)?;
    tracing::info!(console = %listener.address, "console started");
    let serving = tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(error = chain(&error), "console stopped unexpectedly");
        }
    });
    Ok(Some((listener, serving)))
}
