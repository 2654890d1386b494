//! What the configuration asks for: logs, plans, texts, providers, and who may speak.

use std::fmt::Display;

use super::findings::{CheckReport, Severity};
use crate::app;
use crate::app::{Parts, environment};
use crate::cli::output::counted;
use crate::config::Config;
use crate::domain::chain;
use crate::domain::notification::Kind;
use crate::flow::limits::SendLimits;
use crate::render::{self, Renderer};
use crate::route::{Plan, Plans};
use crate::{channel, ingest, ops, receipts, telemetry};

/// Tries each of them as the gateway would.
pub(super) fn look(config: &Config, findings: &mut CheckReport) {
    if let Err(error) = environment::check(config) {
        findings.error("environment", error);
    }
    match telemetry::check(&config.log) {
        Ok(_) => findings.ok("log", &config.log.level),
        Err(error) => findings.error("log", error),
    }
    match Plans::new(config.plan.clone()) {
        Ok(plans) => {
            Kind::ALL.into_iter().filter_map(|kind| plans.of(kind)).for_each(|of| findings.ok("plan", plan(of)));
        }
        Err(error) => findings.error("plan", chain(&error)),
    }
    texts(config, findings);
    match SendLimits::new(config.limits.clone()) {
        Ok(_) => findings.ok("limits", countries(&config.limits.sms_countries)),
        Err(error) => findings.error("limits", error),
    }
    providers(config, findings);
    door(&config.ingest, findings);
    providers_door(config, findings);
    operators_door(&config.ops, findings);
}

fn texts(config: &Config, findings: &mut CheckReport) {
    let (wrong, before) = (render::review_folder(&config.templates), findings.errors());
    match wrong {
        Ok(wrong) => wrong.iter().for_each(|wrong| {
            findings.note(if wrong.refused { Severity::Error } else { Severity::Warning }, "templates", wrong);
        }),
        Err(error) => findings.error("templates", chain(&error)),
    }
    if findings.errors() == before {
        match Renderer::load(&config.templates) {
            Ok(renderer) => findings.ok("templates", joined(renderer.locales(), " ")),
            Err(error) => findings.error("templates", chain(&error)),
        }
    }
}

fn countries(allowed: &[String]) -> String {
    if allowed.is_empty() {
        return "text messages go to all countries".to_owned();
    }
    format!("text messages go to {} alone", joined(allowed, " "))
}

fn plan(plan: &Plan) -> String {
    let span = |span| format!("{:#}", jiff::SignedDuration::try_from(span).unwrap_or(jiff::SignedDuration::MAX));
    let steps = format!("{}: {} within {}", plan.kind, joined(&plan.steps, ", then "), span(plan.ttl));
    let hedge = plan.hedge_after.map(|wait| format!("the next step {} after an unconfirmed push", span(wait)));
    let quiet = plan.quiet.map(|quiet| format!("not at {quiet}"));
    joined([Some(steps), hedge, quiet].into_iter().flatten(), ", ")
}

fn providers(config: &Config, findings: &mut CheckReport) {
    if config.provider.is_empty() {
        return findings.warning("provider", "none: nobody can be told anything; add a [[provider]]");
    }
    let before = findings.errors();
    for provider in &config.provider {
        match channel::connect(provider) {
            Ok(_) => findings.ok("provider", format_args!("{}: {}", provider.name(), provider.channel())),
            Err(error) => findings.error("provider", chain(&error)),
        }
        if let Err(error) = channel::hear(provider) {
            findings.error("provider", chain(&error));
        }
    }
    match Parts::assemble(config) {
        Ok(parts) => {
            for kind in parts.untold() {
                let text = format!("{kind}: no provider serves a channel of its plan, nobody can be told");
                findings.warning("provider", text);
            }
        }
        // What one part alone got wrong has been told.
        Err(app::Error::Render(_)) => {}
        Err(error) if findings.errors() == before && !findings.complained_about(&error.to_string()) => {
            findings.error("provider", chain(&error));
        }
        Err(_) => {}
    }
}

fn door(settings: &ingest::Settings, findings: &mut CheckReport) {
    match ingest::check(settings) {
        Ok(()) => findings.ok("ingest", format_args!("will listen on {}", settings.listen)),
        Err(error) => findings.error("ingest", chain(&error)),
    }
    if settings.client.is_empty() {
        findings.warning("client", "none: every request will be refused; add an [[ingest.client]]");
    }
    for client in &settings.client {
        let subject = client.subject.as_ref().map(|subject| format!("subject {subject}"));
        let pins = (!client.spki.is_empty()).then(|| counted(client.spki.len(), "pin"));
        let known: Vec<String> = pins.into_iter().chain(subject).collect();
        findings.ok("client", format_args!("{}: {}", client.name, known.join(" and ")));
    }
}

fn providers_door(config: &Config, findings: &mut CheckReport) {
    let reporting = config.provider.iter().filter(|provider| matches!(channel::hear(provider), Ok(Some(_))));
    let reporting: Vec<_> = reporting.map(channel::Settings::name).collect();
    if !config.receipts.is_open() {
        if !reporting.is_empty() {
            let who = joined(&reporting, " and ");
            findings.warning("receipts", format_args!("{who}: nobody listens to receipts; set receipts.listen"));
        }
        return;
    }
    match receipts::check(&config.receipts) {
        Ok(()) => findings.ok("receipts", format_args!("will listen on {}", config.receipts.listen)),
        Err(error) => findings.error("receipts", chain(&error)),
    }
    if reporting.is_empty() {
        findings.warning("receipts", "no provider sends any; add receipt to a [[provider]]");
    }
}

fn operators_door(settings: &ops::Settings, findings: &mut CheckReport) {
    if !settings.is_open() {
        return findings.ok("ops", "nobody can ask whether the gateway is well");
    }
    findings.ok("ops", format_args!("will listen on {}", settings.listen));
    if !settings.is_local() {
        findings.warning("ops", "plain HTTP that other machines can reach; keep it in a protected network");
    }
}

fn joined<T: Display>(items: impl IntoIterator<Item = T>, between: &str) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(between)
}
