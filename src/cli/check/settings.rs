//! Checks the settings: logs, plans, templates, limits, providers, clients and listeners.

use std::fmt::Display;

use super::report::{CheckReport, Severity};
use crate::app;
use crate::app::{Parts, environment};
use crate::channel::receipt_feed::ReceiptSource;
use crate::cli::output::counted;
use crate::config::{Config, Environment};
use crate::domain::chain;
use crate::domain::country_prefix::CountryPrefix;
use crate::domain::notification::Kind;
use crate::flow::tasks::notary::mail::CheckpointMail;
use crate::flow::tasks::notary::timestamp::TimestampAuthority;
use crate::flow::tasks::status_events;
use crate::flow::users::SecondFactor;
use crate::render::{self, Renderer};
use crate::route::{Plan, Plans};
use crate::{channel, console, ingest, ops, receipts, telemetry};

pub(super) fn check(config: &Config, report: &mut CheckReport) {
    if let Err(error) = environment::check(config) {
        report.error("environment", error);
    }
    for provider in environment::unencrypted_providers(config) {
        // In production those that are not marked are the error above.
        if config.environment == Environment::Dev || provider.is_allowed {
            report.warning("provider", format_args!("{provider}; codes can be read on the way"));
        }
    }
    match telemetry::check(&config.log) {
        Ok(_) => report.ok("log", &config.log.level),
        Err(error) => report.error("log", error),
    }
    match Plans::new(config.plan.clone()) {
        Ok(plans) => {
            Kind::ALL.into_iter().filter_map(|kind| plans.of(kind)).for_each(|of| report.ok("plan", plan(of)));
        }
        Err(error) => report.error("plan", chain(&error)),
    }
    templates(config, report);
    report.ok("limits", countries(&config.limits.sms_countries));
    providers(config, report);
    ingest(&config.ingest, report);
    receipts(config, report);
    console(&config.console, report);
    ops(&config.ops, report);
    publishers(config, report);
    match status_events::configured(&config.events) {
        Ok(None) => {}
        Ok(Some(_)) => {
            let host = config.events.endpoint().map(|it| it.host).unwrap_or_default();
            report.ok("events", format_args!("status events are sent to {host}"));
        }
        Err(error) => report.error("events", error),
    }
}

fn publishers(config: &Config, report: &mut CheckReport) {
    if let Err(error) = TimestampAuthority::configured(&config.audit.timestamp) {
        report.error("audit", error);
    }
    if let Err(error) =
        CheckpointMail::check(&config.audit.mail, config.provider.iter().map(channel::Settings::profile))
    {
        report.error("audit", error);
    }
}

fn templates(config: &Config, report: &mut CheckReport) {
    let brand = &config.templates.brand;
    if !config.provider.is_empty() && *brand == render::Settings::default().brand {
        let text = format!("templates.brand is {brand:?}, the default: recipients read it as the name of their bank");
        report.warning("templates", text);
    }
    let (diagnostics, errors) = (render::validate_folder(&config.templates), report.errors());
    match diagnostics {
        Ok(diagnostics) => diagnostics.iter().for_each(|it| {
            report.add(if it.is_error { Severity::Error } else { Severity::Warning }, "templates", it);
        }),
        Err(error) => report.error("templates", chain(&error)),
    }
    if report.errors() == errors {
        match Renderer::load(&config.templates) {
            Ok(renderer) => report.ok("templates", joined(renderer.locales(), " ")),
            Err(error) => report.error("templates", chain(&error)),
        }
    }
}

fn countries(allowed: &[CountryPrefix]) -> String {
    if allowed.is_empty() {
        return "SMS allowed to all countries".to_owned();
    }
    format!("SMS allowed only to {}", joined(allowed, " "))
}

fn plan(plan: &Plan) -> String {
    let span = |span| format!("{:#}", jiff::SignedDuration::try_from(span).unwrap_or(jiff::SignedDuration::MAX));
    let steps = format!("{}: {} within {}", plan.kind, joined(&plan.steps, ", then "), span(plan.ttl));
    let hedge = plan.hedge_after.map(|wait| format!("the next step {} after an unconfirmed push", span(wait)));
    let quiet = plan.quiet_hours.map(|quiet| format!("not during {quiet}"));
    joined([Some(steps), hedge, quiet].into_iter().flatten(), ", ")
}

fn providers(config: &Config, report: &mut CheckReport) {
    if config.provider.is_empty() {
        return report
            .warning("providers", "no providers configured; no notification can be delivered. Add a [[provider]]");
    }
    let before = report.errors();
    for (at, provider) in config.provider.iter().enumerate() {
        // What else is wrong with it cannot be known before its secrets are.
        if config.missing_secrets.iter().any(|missing| missing.provider() == Some(at)) {
            continue;
        }
        match provider.connect() {
            Ok(_) => report.ok("provider", format_args!("{}: {}", provider.name(), provider.profile().channel)),
            Err(error) => report.error("provider", chain(&error)),
        }
    }
    match Parts::assemble(config) {
        Ok(parts) => {
            for kind in parts.unserved_kinds() {
                let text = format!(
                    "{kind}: no provider serves a channel of its plan; these notifications cannot be delivered"
                );
                report.warning("provider", text);
            }
        }
        // Errors of the templates were reported above.
        Err(app::Error::Render(_)) => {}
        Err(error) if report.errors() == before && !report.has_error_about(&error.to_string()) => {
            report.error("provider", chain(&error));
        }
        Err(_) => {}
    }
}

fn ingest(settings: &ingest::Settings, report: &mut CheckReport) {
    match ingest::check(settings) {
        Ok(()) => {}
        Err(error) => report.error("ingest", chain(&error)),
    }
    if settings.client.is_empty() {
        report.warning("clients", "no clients configured; every request will be rejected. Add an [[ingest.client]]");
    }
    for client in &settings.client {
        let subject = client.subject.as_ref().map(|subject| format!("subject {subject}"));
        let pins = (!client.spki_pins.is_empty()).then(|| counted(client.spki_pins.len(), "pin"));
        let identified_by: Vec<String> = pins.into_iter().chain(subject).collect();
        report.ok("client", format_args!("{}: {}", client.name, identified_by.join(" and ")));
    }
}

fn receipts(config: &Config, report: &mut CheckReport) {
    let source = |it: &channel::Settings| it.connect().ok().and_then(|adapter| adapter.receipts);
    let calls = |it: &&channel::Settings| matches!(source(it), Some(ReceiptSource::Callbacks(_)));
    let reporting = config.provider.iter().filter(calls);
    let reporting: Vec<_> = reporting.map(channel::Settings::name).collect();
    if !config.receipts.address().is_open() {
        if !reporting.is_empty() {
            let names = joined(&reporting, " and ");
            report.warning("receipts", format_args!("{names}: receipts cannot be received; set receipts.listen"));
        }
        return;
    }
    match receipts::check(&config.receipts) {
        Ok(()) => {}
        Err(error) => report.error("receipts", chain(&error)),
    }
    if reporting.is_empty() {
        report.warning("receipts", "no provider sends receipts; add [provider.receipt] to a [[provider]]");
    }
}

fn console(settings: &console::Settings, report: &mut CheckReport) {
    if !settings.address().is_open() {
        return;
    }
    if let Err(error) = console::check(settings) {
        report.error("console", chain(&error));
    }
    if settings.oidc.is_on() {
        let groups = counted(settings.oidc.group.len(), "group");
        report.ok("console", format_args!("single sign-on at {}, {groups} with roles", settings.oidc.issuer));
    }
    if settings.second_factor == SecondFactor::Optional {
        let text =
            "console.second_factor is \"optional\": users without an authenticator app sign in by password alone";
        report.warning("console", text);
    }
}

fn ops(settings: &ops::Settings, report: &mut CheckReport) {
    if !settings.is_open() {
        return report.ok("ops", "disabled: no metrics and no health checks");
    }
    if !settings.is_local() {
        report.warning("ops", "plain HTTP, reachable from other machines; restrict it to a protected network");
    }
}

fn joined<T: Display>(items: impl IntoIterator<Item = T>, between: &str) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(between)
}
