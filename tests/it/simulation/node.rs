//! One process of the engine: store, dispatch, worker, intake, receipts. It can be suspended or killed whenever it waits for
//! the simulation.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use otpost::flow::alarms::Alarms;
use otpost::flow::delivery_setup::{ConfiguredProvider, DeliverySetup, DispatchPolicy, LiveSetup};
use otpost::flow::dispatch::Dispatch;
use otpost::flow::intake::Intake;
use otpost::flow::limits;
use otpost::flow::limits::SendLimits;
use otpost::flow::receipts::Receipts;
use otpost::flow::recipients;
use otpost::flow::tasks::{cleanup, clock_monitor};
use otpost::flow::worker::{self, Worker};
use otpost::route::Plans;
use otpost::store::memory::{FaultInjector, InjectedFault};
use otpost::store::{Error, Store};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::providers::Line;
use super::world::{TEXTS, World, clocks};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Frozen,
    Dead,
}

/// The gate for every call between a process and the simulation. Calls pass in the order of arrival.
pub(super) struct ClientAuthorizer {
    phase: Mutex<Phase>,
    changed: Notify,
}

impl ClientAuthorizer {
    pub(super) fn open() -> Arc<Self> {
        Arc::new(Self { phase: Mutex::new(Phase::Running), changed: Notify::new() })
    }

    /// Returns when the process runs. It never returns in a dead process.
    pub(super) async fn pass(&self) {
        self.until(Phase::Running).await;
    }

    pub(super) async fn dead(&self) {
        self.until(Phase::Dead).await;
    }

    pub(super) fn freeze(&self) {
        self.change(Phase::Running, Phase::Frozen);
    }

    pub(super) fn thaw(&self) {
        self.change(Phase::Frozen, Phase::Running);
    }

    pub(super) fn kill(&self) {
        *self.phase.lock().unwrap() = Phase::Dead;
        self.changed.notify_waiters();
    }

    fn change(&self, from: Phase, to: Phase) {
        let mut phase = self.phase.lock().unwrap();
        if *phase == from {
            *phase = to;
            self.changed.notify_waiters();
        }
    }

    async fn until(&self, wanted: Phase) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if *self.phase.lock().unwrap() == wanted {
                return;
            }
            changed.await;
        }
    }
}

/// The database connection of one process.
struct Road {
    world: Arc<World>,
    gate: Arc<ClientAuthorizer>,
}

impl Road {
    async fn go(&self, act: &'static str, candidate: &str) -> Result<(), InjectedFault> {
        self.gate.pass().await;
        let world = &self.world;
        let slow = !world.is_calm() && world.happens(world.nature.slow);
        if slow {
            world.disturbed(format_args!("{act} takes its time"));
        }
        tokio::time::sleep(if slow { world.millis(50..3000) } else { world.millis(0..3) }).await;
        self.gate.pass().await;
        // Only tasks of deliveries ask for these. Without a message: the standard hook would print it.
        if ["newer", "predecessor", "is_delivered"].contains(&act)
            && !world.is_calm()
            && world.happens(world.nature.panics)
        {
            world.disturbed(format_args!("{act} panics"));
            std::panic::resume_unwind(Box::new("practice"));
        }
        if world.is_calm() || !world.happens(world.nature.mishaps) {
            return Ok(());
        }
        // A process that does not know whether a commit succeeded must not go on: this fault is never transient.
        if act == "commit" && candidate == "back" && !world.happens(world.nature.final_ones) {
            return Ok(());
        }
        let mishap = if act == "commit" && candidate == "back" || world.happens(world.nature.final_ones) {
            InjectedFault::Final
        } else {
            InjectedFault::Temporary
        };
        world.disturbed(format_args!("{act} fails on the way {candidate}: {mishap:?}"));
        Err(mishap)
    }
}

#[async_trait]
impl FaultInjector for Road {
    async fn before(&self, act: &'static str) -> Result<(), InjectedFault> {
        self.go(act, "there").await
    }

    async fn after(&self, act: &'static str) -> Result<(), InjectedFault> {
        self.go(act, "back").await
    }
}

/// A running process.
pub(super) struct Node {
    pub(super) intake: Intake,
    pub(super) receipts: Arc<Receipts>,
    pub(super) store: Arc<Store>,
}

impl Node {
    async fn start(world: &Arc<World>, gate: &Arc<ClientAuthorizer>, plans: &Arc<Plans>) -> Result<Self, Error> {
        let clocks = clocks(world);
        let clock = Arc::clone(&clocks.steady);
        let road = Arc::new(Road { world: Arc::clone(world), gate: Arc::clone(gate) });
        let ids = {
            let world = Arc::clone(world);
            Box::new(move || world.next_id())
        };
        let sealing = world.sealing();
        let store = Store::in_memory(&world.memory, road, &sealing, Arc::clone(&clock), 0, ids).await?;
        let store = Arc::new(store);
        if world.nature.nodes == 1 {
            store.resume().await?;
        }
        let rules = DispatchPolicy {
            recipients: recipients::Settings::default(),
            plans: Plans::clone(plans),
            max_age: Duration::from_hours(24),
            limits: SendLimits::new(limits::Settings::default()),
        };
        let routes = world.stations.iter().map(|station| {
            let line: ConfiguredProvider = (station.profile(), Arc::new(Line::new(world, gate, station)));
            line
        });
        let library = Arc::clone(&TEXTS.1);
        let setup = Arc::new(LiveSetup::new(DeliverySetup::new(rules, routes.collect())));
        let dispatch = Dispatch::new(Arc::clone(&store), library, Arc::clone(&setup), clocks.clone());
        let (registry, ended) = (Arc::clone(dispatch.registry()), dispatch.ended());
        registry.refresh().await?;
        let readers = world.stations.iter().map(|station| (station.name(), station.reader()));
        let readers = readers.collect();
        let receipts = Arc::new(Receipts::new(Arc::clone(&store), readers, Arc::clone(&registry), clocks.clone()));
        let settings = worker::Settings::default();
        let worker = Worker::new(&settings, dispatch, Arc::clone(&store), Arc::clone(&clock), Handle::current());
        let intake = Intake::new(Arc::clone(&store), Arc::clone(&worker), setup, Arc::clone(&clock));
        tokio::spawn(worker.run());
        let alarms = Arc::<Alarms>::default();
        tokio::spawn(registry.run(Arc::clone(&alarms)));
        tokio::spawn(Arc::clone(&receipts).run(ended));
        tokio::spawn(clock_monitor::run(Arc::clone(&store), clocks, Arc::clone(&alarms)));
        let longest = Duration::from_mins(10);
        tokio::spawn(cleanup::run(Arc::clone(&store), clock, cleanup::Settings::default(), move || longest, alarms));
        Ok(Self { intake, receipts, store })
    }
}

/// Keeps one process running like a supervisor: it restarts the process whenever it ends.
pub(super) async fn keep(world: Arc<World>, place: usize, plans: Arc<Plans>) {
    loop {
        let gate = ClientAuthorizer::open();
        world.gates.lock().unwrap()[place] = Arc::clone(&gate);
        let living = async {
            match Node::start(&world, &gate, &plans).await {
                Ok(node) => {
                    world.tell(format_args!("node {place} is up"));
                    let node = Arc::new(node);
                    world.nodes.lock().unwrap()[place] = Some(Arc::clone(&node));
                    node.store.failed().await
                }
                Err(error) => error.to_string(),
            }
        };
        let why = tokio::select! {
            biased;
            () = gate.dead() => "killed".to_owned(),
            why = living => why,
        };
        gate.kill();
        world.nodes.lock().unwrap()[place] = None;
        world.disturbed(format_args!("node {place} is down: {why}"));
        tokio::time::sleep(world.millis(10..3000)).await;
    }
}
