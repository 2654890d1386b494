//! Runs a scenario: starts the processes that it needs, sends the load, and records the results.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use rustix::process::Pid;

use super::mock_providers::MockProviders;
use super::results::{Quantity, Results};
use super::scenarios::{Scenario, Storage};
use super::workspace::{BenchWorkspace, CUSTOMERS};
use super::{child, decrypt, limits, mail, proc_stats, render, search, smpp, stored};
use otpost::sim::http_client::Target;
use otpost::sim::load::{self, LoadPlan};

/// Load before the measurement. Its notifications count as losses too if they are missing.
const WARM_UP: Duration = Duration::from_secs(1);

/// Longer than a disk stalls.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Syncs vary little, so they need not be measured for long.
const SYNC_MAX: Duration = Duration::from_secs(3);

/// The state that all scenarios share.
pub(super) struct Bench {
    pub(super) providers: MockProviders,
    pub(super) workspaces: Vec<(Storage, BenchWorkspace)>,
    pub(super) span: Duration,
    /// Deliveries that are searched through.
    pub(super) rows: u32,
    pub(super) results: Results,
}

/// With a rate of zero, each connection sends its next request when the last one was answered.
#[derive(Clone, Copy)]
struct Load {
    connections: usize,
    rate: f64,
}

/// The report of a load, and the counters of the server when it began.
struct LoadResult {
    report: load::LoadReport,
    start: Option<Start>,
}

#[derive(Clone, Copy)]
struct Start {
    cpu: Duration,
    accepted: u64,
}

impl LoadResult {
    // CPU time per message since all connections were open.
    fn cpu(&self, pid: Pid) -> anyhow::Result<Option<f64>> {
        let Some(start) = self.start else { return Ok(None) };
        let spent = proc_stats::cpu_time(pid)?.saturating_sub(start.cpu);
        let messages = u32::try_from(self.report.accepted.saturating_sub(start.accepted)).unwrap_or(u32::MAX);
        Ok((messages > 0).then(|| spent.as_secs_f64() * 1e6 / f64::from(messages)))
    }
}

impl Bench {
    pub(super) async fn run(&mut self, scenario: Scenario, storage: Storage) -> anyhow::Result<()> {
        let closed = |connections| Load { connections, rate: 0.0 };
        let at = |rate| Load { connections: 16, rate };
        match scenario {
            Scenario::Sync => self.sync(storage).await,
            Scenario::Baseline => self.baseline(closed(64)).await,
            Scenario::Group => self.store(storage).await,
            Scenario::Intake | Scenario::Stored => self.intake(scenario, storage, closed(64)).await,
            Scenario::Full32 => self.full(scenario, storage, closed(32)).await,
            Scenario::Full128 => self.full(scenario, storage, closed(128)).await,
            Scenario::Rate50 => self.full(scenario, storage, at(50.0)).await,
            Scenario::Rate200 | Scenario::Purge => self.full(scenario, storage, at(200.0)).await,
            Scenario::Rate1000 => self.full(scenario, storage, at(1_000.0)).await,
            Scenario::Search => self.search(storage).await,
            Scenario::Mail => self.mail().await,
            Scenario::Smpp => self.smpp().await,
            Scenario::Jwe => self.jwe().await,
            Scenario::Render => self.render().await,
        }
        .with_context(|| format!("{} ({})", scenario.name(), storage.name()))
    }

    async fn sync(&mut self, storage: Storage) -> anyhow::Result<()> {
        let (append, overwrite) = limits::sync(self.workspace(storage)?, self.span.min(SYNC_MAX)).await?;
        let found =
            [(Quantity::Append, append.0), (Quantity::AppendP50, append.1.p50_ms), (Quantity::Overwrite, overwrite.0)];
        self.results.add(Scenario::Sync, storage, found);
        Ok(())
    }

    async fn store(&mut self, storage: Storage) -> anyhow::Result<()> {
        let (rate, took) = limits::store(self.workspace(storage)?, self.span).await?;
        let found = [(Quantity::Rate, rate), (Quantity::AcceptP50, took.p50_ms), (Quantity::AcceptP99, took.p99_ms)];
        self.results.add(Scenario::Group, storage, found);
        Ok(())
    }

    async fn baseline(&mut self, load: Load) -> anyhow::Result<()> {
        let (_, workspace) = self.workspaces.first().context("no workspace")?;
        let (server, address) = child::baseline(&workspace.config()).await?;
        send(workspace, address, server.pid(), load, WARM_UP).await?;
        let measured = send(workspace, address, server.pid(), load, self.span).await?;
        let cpu = measured.cpu(server.pid())?;
        self.results.remarks.extend(server.stop().await?);
        self.record(Scenario::Baseline, Storage::None, &measured.report, cpu);
        Ok(())
    }

    /// Delivery is paused. Every notification answered with 204 must be in the database once, and no other.
    async fn intake(&mut self, scenario: Scenario, storage: Storage, load: Load) -> anyhow::Result<()> {
        let workspace = self.workspace(storage)?;
        let fresh = workspace.fresh()?;
        let file = if scenario == Scenario::Stored {
            workspace.stored().context("the database was not filled")?
        } else {
            fresh.file()
        };
        let before = stored::count(file).await?;
        let (gateway, address) = child::gateway(&workspace.config(), file, true).await?;
        let warm = send(workspace, address, gateway.pid(), load, WARM_UP).await?;
        let measured = send(workspace, address, gateway.pid(), load, self.span).await?;
        let cpu = measured.cpu(gateway.pid())?;
        let memory = gateway.peak_memory()?;
        let output = gateway.stop().await?;
        let found = stored::count(file).await?.saturating_sub(before);

        let accepted = warm.report.accepted + measured.report.accepted;
        if found != accepted && (found < accepted || clean(&warm.report) && clean(&measured.report)) {
            let text = format!(
                "{} ({}): {accepted} answered with 204, {found} in the database",
                scenario.name(),
                storage.name()
            );
            self.results.losses.push(text);
        }
        self.results.remarks.extend(output);
        self.record(scenario, storage, &measured.report, cpu);
        self.results.add(scenario, storage, [(Quantity::Memory, memory)]);
        Ok(())
    }

    /// Every notification answered with 204 must reach the provider once.
    async fn full(&mut self, scenario: Scenario, storage: Storage, load: Load) -> anyhow::Result<()> {
        self.providers.reset().await?;
        let workspace = self.workspace(storage)?;
        let fresh = if scenario == Scenario::Purge { workspace.aged().await? } else { workspace.fresh()? };
        let (gateway, address) = child::gateway(&workspace.config(), fresh.file(), false).await?;
        let warm = send(workspace, address, gateway.pid(), load, WARM_UP).await?;
        let before = stored::count(fresh.file()).await?;
        self.providers.wait_for(warm.report.accepted).await?;
        self.check_losses(scenario, storage, &warm.report).await?;
        self.providers.reset().await?;

        let measured = send(self.workspace(storage)?, address, gateway.pid(), load, self.span).await?;
        self.providers.wait_for(measured.report.accepted).await?;
        let cpu = measured.cpu(gateway.pid())?;
        let memory = gateway.peak_memory()?;
        let removed = (before + measured.report.accepted).saturating_sub(stored::count(fresh.file()).await?);
        self.results.remarks.extend(gateway.stop().await?);
        self.check_losses(scenario, storage, &measured.report).await?;

        let providers = self.providers.report().await?;
        let end = providers.end_to_end;
        self.record(scenario, storage, &load::LoadReport { rate: providers.rate, ..measured.report.clone() }, cpu);
        self.results.add(
            scenario,
            storage,
            [(Quantity::EndP50, end.p50_ms), (Quantity::EndP99, end.p99_ms), (Quantity::Memory, memory)],
        );
        if scenario == Scenario::Purge {
            let removed = f64::from(u32::try_from(removed).unwrap_or(u32::MAX)) / self.span.as_secs_f64();
            self.results.add(scenario, storage, [(Quantity::Removed, removed)]);
        } else if load.rate > 0.0 {
            let beyond = end.p50_ms - measured.report.latency.p50_ms;
            self.results.add(scenario, storage, [(Quantity::EndOverAccept, beyond)]);
        }
        Ok(())
    }

    async fn search(&mut self, storage: Storage) -> anyhow::Result<()> {
        let rows = self.rows;
        let shown = |done: u32| {
            if done.is_multiple_of(1_000_000) {
                eprintln!("{done} of {rows} deliveries inserted");
            }
        };
        let found = search::measure(self.workspace(storage)?, rows, shown).await?;
        self.results.add(Scenario::Search, storage, found);
        Ok(())
    }

    async fn mail(&mut self) -> anyhow::Result<()> {
        self.providers.reset().await?;
        let took = mail::send(self.providers.relay(), self.span).await?;
        let arrived = self.providers.mails().await?.total;
        if arrived != took.count {
            self.results.losses.push(format!("mail: {} accepted by the relay, {arrived} counted", took.count));
        }
        self.results.add(
            Scenario::Mail,
            Storage::None,
            [(Quantity::MailP50, took.p50_ms), (Quantity::MailP99, took.p99_ms)],
        );
        Ok(())
    }

    async fn smpp(&mut self) -> anyhow::Result<()> {
        let (submitted, bare) = smpp::measure(self.span).await?;
        let found = [(Quantity::Submitted, submitted), (Quantity::BareSubmitted, bare)];
        self.results.add(Scenario::Smpp, Storage::None, found);
        Ok(())
    }

    async fn jwe(&mut self) -> anyhow::Result<()> {
        let found = decrypt::measure(self.span).await?;
        self.results.add(Scenario::Jwe, Storage::None, found);
        Ok(())
    }

    async fn render(&mut self) -> anyhow::Result<()> {
        let found = render::measure(self.span).await?;
        self.results.add(Scenario::Render, Storage::None, found);
        Ok(())
    }

    async fn check_losses(
        &mut self,
        scenario: Scenario,
        storage: Storage,
        report: &load::LoadReport,
    ) -> anyhow::Result<()> {
        let providers = self.providers.report().await?;
        if providers.distinct < report.accepted || providers.duplicates > 0 {
            self.results.losses.push(format!(
                "{} ({}): {} answered with 204, {} delivered, {} duplicates",
                scenario.name(),
                storage.name(),
                report.accepted,
                providers.distinct,
                providers.duplicates
            ));
        }
        Ok(())
    }

    fn record(&mut self, scenario: Scenario, storage: Storage, report: &load::LoadReport, cpu: Option<f64>) {
        if !clean(report) {
            let others: Vec<_> = report.statuses.iter().filter(|(status, _)| **status != 204).collect();
            let (scenario, storage, errors) = (scenario.name(), storage.name(), &report.errors);
            self.results.remarks.push(format!("{scenario} ({storage}): not answered with 204: {others:?} {errors:?}"));
        }
        let latency = &report.latency;
        let found = [
            (Quantity::Rate, report.rate),
            (Quantity::AcceptP50, latency.p50_ms),
            (Quantity::AcceptP99, latency.p99_ms),
        ];
        self.results.add(scenario, storage, found);
        self.results.add(scenario, storage, cpu.map(|cpu| (Quantity::Cpu, cpu)));
    }

    fn workspace(&self, storage: Storage) -> anyhow::Result<&BenchWorkspace> {
        let found = self.workspaces.iter().find(|(at, _)| *at == storage);
        found.map(|(_, workspace)| workspace).with_context(|| format!("no workspace on {}", storage.name()))
    }
}

fn clean(report: &load::LoadReport) -> bool {
    report.all_accepted()
}

async fn send(
    workspace: &BenchWorkspace,
    address: SocketAddr,
    pid: Pid,
    load: Load,
    span: Duration,
) -> anyhow::Result<LoadResult> {
    let plan = LoadPlan {
        target: Target::new(&format!("https://{address}"), Some(&workspace.identity()?))?,
        rate: load.rate,
        warm_up: Duration::ZERO,
        duration: span,
        connections: load.connections,
        customers: 1..=CUSTOMERS,
        timeout: RESPONSE_TIMEOUT,
    };
    let start: Arc<Mutex<Option<Start>>> = Arc::default();
    let recorded = Arc::clone(&start);
    // The first progress report comes when all connections are open, so that handshakes are not counted.
    let report = load::run(plan, move |progress| {
        let mut recorded = recorded.lock().unwrap_or_else(PoisonError::into_inner);
        if recorded.is_none() {
            *recorded = proc_stats::cpu_time(pid).ok().map(|cpu| Start { cpu, accepted: progress.accepted });
        }
    });
    let report = report.await?;
    let start = *start.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(LoadResult { report, start })
}
