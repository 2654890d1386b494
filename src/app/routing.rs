//! Plans, limits and providers that are edited in the console: which configuration the texts of the database make, and how
//! others take their place.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::delivery::Delivery;
use super::parts::{Built, build};
use super::{Base, Error};
use crate::config::Config;
use crate::config::routing::located;
use crate::domain::chain;
use crate::domain::routing_text::{RoutingProblem, RoutingTexts};
use crate::flow::routing_publishing::{PendingSetup, Prepare, RoutingPublisher, RoutingSource, source};
use crate::store;

/// The configuration with the live plans, limits and providers, and their texts. The first start with the console as their
/// source takes those of the file, whose secrets must be kept elsewhere.
pub(super) async fn live(config: &Config, base: &Base) -> Result<(Config, RoutingTexts), Error> {
    let of_file = config.routing_texts();
    if config.routing.source == RoutingSource::Files {
        return Ok((config.clone(), RoutingTexts::new()));
    }
    let has_texts = base.store.routing_changes().last_text().await? != 0;
    let problems = if has_texts { Vec::new() } else { config.secrets_in(&of_file, &of_file) };
    refuse(&problems, "they are to be edited in the console")?;
    let texts = source::load(&base.store, &of_file, base.clocks.wall.now()).await?;
    let live = config.with_routing(&texts);
    let live =
        live.or_else(|problems| refuse(&problems, "those of the database cannot be used").map(|()| config.clone()))?;
    Ok((live, texts))
}

/// The configuration of a reload: the file's, with the live texts if the console is their source.
pub(super) fn overlaid(config: Config, publisher: &RoutingPublisher) -> Result<Config, Error> {
    if !publisher.is_source() {
        return Ok(config);
    }
    let live = config.with_routing(&publisher.live());
    live.or_else(|problems| refuse(&problems, "those of the database cannot be used").map(|()| config))
}

/// The way of drafts into use; `file` is the configuration file as it was read last.
pub(super) async fn publisher(
    config: &Config,
    texts: RoutingTexts,
    base: &Base,
    delivery: &Arc<Delivery>,
    file: &Arc<ArcSwap<Config>>,
) -> Result<RoutingPublisher, store::Error> {
    let (delivery_in_use, file) = (Arc::clone(delivery), Arc::clone(file));
    let prepare: Arc<Prepare> = Arc::new(move |texts, live| prepare(&file.load(), texts, live, &delivery_in_use));
    let (store, registry) = (Arc::clone(&base.store), Arc::clone(&delivery.registry));
    RoutingPublisher::new(store, registry, Arc::clone(&base.clocks.wall), config.routing.source, texts, prepare).await
}

fn prepare(
    file: &Config,
    texts: &RoutingTexts,
    live: &RoutingTexts,
    delivery: &Arc<Delivery>,
) -> Result<PendingSetup, Vec<RoutingProblem>> {
    let problems = file.secrets_in(texts, live);
    if !problems.is_empty() {
        return Err(problems);
    }
    let config = file.with_routing(texts)?;
    let built = build(&config, &delivery.providers());
    let built: Built = built.map_err(|error| vec![located(&chain(&error), texts)])?;
    let changes = delivery.changes(&config, &built);
    let delivery = Arc::clone(delivery);
    let apply = Box::new(move |stored: &_| drop(delivery.replace(&config, built, stored)));
    Ok(PendingSetup { changes, apply })
}

fn refuse(problems: &[RoutingProblem], why: &str) -> Result<(), Error> {
    if problems.is_empty() {
        return Ok(());
    }
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    Err(Error::Routing(format!("plans, limits and providers: {why}: {}", problems.join("; "))))
}
