//! One round after the other: starts what a row needs, sends the load, and notes what this side and the providers saw.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use rustix::process::Pid;

use super::figures::{Figures, What};
use super::rows::{Place, Row};
use super::sink::Sink;
use super::site::{CUSTOMERS, Site};
use super::{child, decrypt, gauge, limits, mail, render, stored};
use crate::sim::http_client::Target;
use crate::sim::load::{self, LoadPlan};

/// Sent before measuring, and counted all the same when it comes to losses.
const WARM_UP: Duration = Duration::from_secs(1);

/// How long to wait for an answer; longer than the disk stalls.
const PATIENCE: Duration = Duration::from_secs(10);

/// Syncs are alike; a row of them need not be long.
const SYNC_MAX: Duration = Duration::from_secs(3);

/// What the rows share.
pub(super) struct Bench {
    pub(super) sink: Sink,
    pub(super) sites: Vec<(Place, Site)>,
    pub(super) span: Duration,
    pub(super) figures: Figures,
}

/// Requests over some connections; a rate of zero sends the next when the last was answered.
#[derive(Clone, Copy)]
struct Load {
    connections: usize,
    rate: f64,
}

/// What a load did, and the server's processor time when it began.
struct Driven {
    report: load::LoadReport,
    began: Option<Began>,
}

#[derive(Clone, Copy)]
struct Began {
    cpu: Duration,
    taken: u64,
}

impl Driven {
    // Processor time for each message since the connections were open.
    fn cpu(&self, pid: Pid) -> anyhow::Result<Option<f64>> {
        let Some(began) = self.began else { return Ok(None) };
        let spent = gauge::processor_time(pid)?.saturating_sub(began.cpu);
        let messages = u32::try_from(self.report.taken.saturating_sub(began.taken)).unwrap_or(u32::MAX);
        Ok((messages > 0).then(|| spent.as_secs_f64() * 1e6 / f64::from(messages)))
    }
}

impl Bench {
    /// Measures one row once.
    pub(super) async fn run(&mut self, row: Row, place: Place) -> anyhow::Result<()> {
        let closed = |connections| Load { connections, rate: 0.0 };
        let at = |rate| Load { connections: 16, rate };
        match row {
            Row::Sync => self.sync(place).await,
            Row::Bare => self.bare(closed(64)).await,
            Row::Group => self.group(place).await,
            Row::Intake | Row::Stored => self.intake(row, place, closed(64)).await,
            Row::Full32 => self.full(row, place, closed(32)).await,
            Row::Full128 => self.full(row, place, closed(128)).await,
            Row::Rate50 => self.full(row, place, at(50.0)).await,
            Row::Rate200 | Row::Purge => self.full(row, place, at(200.0)).await,
            Row::Rate1000 => self.full(row, place, at(1_000.0)).await,
            Row::Mail => self.mail().await,
            Row::Jwe => self.jwe().await,
            Row::Render => self.render().await,
        }
        .with_context(|| format!("{} ({})", row.name(), place.name()))
    }

    async fn sync(&mut self, place: Place) -> anyhow::Result<()> {
        let (append, overwrite) = limits::sync(self.site(place)?, self.span.min(SYNC_MAX)).await?;
        let found = [(What::Append, append.0), (What::AppendP50, append.1.p50_ms), (What::Overwrite, overwrite.0)];
        self.figures.note(Row::Sync, place, found);
        Ok(())
    }

    async fn group(&mut self, place: Place) -> anyhow::Result<()> {
        let (rate, took) = limits::group(self.site(place)?, self.span).await?;
        let found = [(What::Rate, rate), (What::AcceptP50, took.p50_ms), (What::AcceptP99, took.p99_ms)];
        self.figures.note(Row::Group, place, found);
        Ok(())
    }

    async fn bare(&mut self, load: Load) -> anyhow::Result<()> {
        let (_, site) = self.sites.first().context("there is no workspace")?;
        let (server, address) = child::bare(&site.workspace().config()).await?;
        drive(site, address, server.pid(), load, WARM_UP).await?;
        let driven = drive(site, address, server.pid(), load, self.span).await?;
        let cpu = driven.cpu(server.pid())?;
        self.figures.remarks.extend(server.stop().await?);
        self.note(Row::Bare, Place::Nowhere, &driven.report, cpu);
        Ok(())
    }

    /// Delivery paused: what is answered with 204 must be in the database, once, and nothing else.
    async fn intake(&mut self, row: Row, place: Place, load: Load) -> anyhow::Result<()> {
        let site = self.site(place)?;
        let fresh = site.fresh()?;
        let file = if row == Row::Stored { site.stored().context("no database was filled")? } else { fresh.file() };
        let before = stored::count(file).await?;
        let (gateway, address) = child::gateway(&site.workspace().config(), file, true).await?;
        let warm = drive(site, address, gateway.pid(), load, WARM_UP).await?;
        let driven = drive(site, address, gateway.pid(), load, self.span).await?;
        let cpu = driven.cpu(gateway.pid())?;
        let memory = gateway.peak_memory()?;
        let said = gateway.stop().await?;
        let found = stored::count(file).await?.saturating_sub(before);

        let taken = warm.report.taken + driven.report.taken;
        if found != taken && (found < taken || clean(&warm.report) && clean(&driven.report)) {
            let text = format!("{} ({}): {taken} were answered with 204, {found} are there", row.name(), place.name());
            self.figures.losses.push(text);
        }
        self.figures.remarks.extend(said);
        self.note(row, place, &driven.report, cpu);
        self.figures.note(row, place, [(What::Memory, memory)]);
        Ok(())
    }

    /// With delivery: what is answered with 204 must reach the provider, once.
    async fn full(&mut self, row: Row, place: Place, load: Load) -> anyhow::Result<()> {
        self.sink.reset().await?;
        let site = self.site(place)?;
        let fresh = if row == Row::Purge { site.aged().await? } else { site.fresh()? };
        let (gateway, address) = child::gateway(&site.workspace().config(), fresh.file(), false).await?;
        let warm = drive(site, address, gateway.pid(), load, WARM_UP).await?;
        let before = stored::count(fresh.file()).await?;
        self.sink.settle(warm.report.taken).await?;
        self.count(row, place, &warm.report).await?;
        self.sink.reset().await?;

        let driven = drive(self.site(place)?, address, gateway.pid(), load, self.span).await?;
        self.sink.settle(driven.report.taken).await?;
        let cpu = driven.cpu(gateway.pid())?;
        let memory = gateway.peak_memory()?;
        let removed = (before + driven.report.taken).saturating_sub(stored::count(fresh.file()).await?);
        self.figures.remarks.extend(gateway.stop().await?);
        self.count(row, place, &driven.report).await?;

        let sink = self.sink.report().await?;
        let end = sink.end_to_end;
        self.note(row, place, &load::LoadReport { rate: sink.rate, ..driven.report.clone() }, cpu);
        self.figures.note(row, place, [(What::EndP50, end.p50_ms), (What::EndP99, end.p99_ms), (What::Memory, memory)]);
        if row == Row::Purge {
            let removed = f64::from(u32::try_from(removed).unwrap_or(u32::MAX)) / self.span.as_secs_f64();
            self.figures.note(row, place, [(What::Removed, removed)]);
        } else if load.rate > 0.0 {
            let beyond = end.p50_ms - driven.report.latency.p50_ms;
            self.figures.note(row, place, [(What::EndOverAccept, beyond)]);
        }
        Ok(())
    }

    async fn mail(&mut self) -> anyhow::Result<()> {
        self.sink.reset().await?;
        let took = mail::send(self.sink.relay(), self.span).await?;
        let arrived = self.sink.mails().await?.total;
        if arrived != took.count {
            self.figures.losses.push(format!("mail: {} were taken by the relay, {arrived} are there", took.count));
        }
        self.figures.note(Row::Mail, Place::Nowhere, [(What::MailP50, took.p50_ms), (What::MailP99, took.p99_ms)]);
        Ok(())
    }

    async fn jwe(&mut self) -> anyhow::Result<()> {
        let found = decrypt::measure(self.span).await?;
        self.figures.note(Row::Jwe, Place::Nowhere, found);
        Ok(())
    }

    async fn render(&mut self) -> anyhow::Result<()> {
        let found = render::measure(self.span).await?;
        self.figures.note(Row::Render, Place::Nowhere, found);
        Ok(())
    }

    async fn count(&mut self, row: Row, place: Place, report: &load::LoadReport) -> anyhow::Result<()> {
        let sink = self.sink.report().await?;
        if sink.distinct < report.taken || sink.duplicates > 0 {
            self.figures.losses.push(format!(
                "{} ({}): {} were answered with 204, {} arrived, {} of them twice",
                row.name(),
                place.name(),
                report.taken,
                sink.distinct,
                sink.duplicates
            ));
        }
        Ok(())
    }

    fn note(&mut self, row: Row, place: Place, report: &load::LoadReport, cpu: Option<f64>) {
        if !clean(report) {
            let refused: Vec<_> = report.statuses.iter().filter(|(status, _)| **status != 204).collect();
            let (row, place, errors) = (row.name(), place.name(), &report.errors);
            self.figures.remarks.push(format!("{row} ({place}): not answered with 204: {refused:?} {errors:?}"));
        }
        let latency = &report.latency;
        let found = [(What::Rate, report.rate), (What::AcceptP50, latency.p50_ms), (What::AcceptP99, latency.p99_ms)];
        self.figures.note(row, place, found);
        self.figures.note(row, place, cpu.map(|cpu| (What::Cpu, cpu)));
    }

    fn site(&self, place: Place) -> anyhow::Result<&Site> {
        let found = self.sites.iter().find(|(at, _)| *at == place);
        found.map(|(_, site)| site).with_context(|| format!("there is no workspace on {}", place.name()))
    }
}

fn clean(report: &load::LoadReport) -> bool {
    report.all_taken()
}

async fn drive(site: &Site, address: SocketAddr, pid: Pid, load: Load, span: Duration) -> anyhow::Result<Driven> {
    let plan = LoadPlan {
        target: Target::new(&format!("https://{address}"), Some(&site.identity()?))?,
        rate: load.rate,
        warm_up: Duration::ZERO,
        duration: span,
        connections: load.connections,
        customers: 1..=CUSTOMERS,
        patience: PATIENCE,
    };
    let began: Arc<Mutex<Option<Began>>> = Arc::default();
    let noted = Arc::clone(&began);
    // The first word comes when all connections are open, so that handshakes are not counted.
    let report = load::run(plan, move |progress| {
        let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.is_none() {
            *noted = gauge::processor_time(pid).ok().map(|cpu| Began { cpu, taken: progress.taken });
        }
    });
    let report = report.await?;
    let began = *began.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Driven { report, began })
}
