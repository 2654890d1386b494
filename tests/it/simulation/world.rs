//! The environment of one simulation: one random source, one clock, one order of events, and a record of them.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use otpost::domain::clock::{Clock, Clocks, Timestamp};
use otpost::render::{self, LiveTemplates};
use otpost::store::memory::Memory;
use otpost::store::seal;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

use super::node::{ClientAuthorizer, Node};
use super::providers::{Message, MessageLog};
use super::record::IssuedCertificate;

/// A Monday morning.
const BEGINNING: Timestamp = Timestamp::from_micros(1_772_445_600_000_000);

/// The same with every seed, or hashes of recipients would sort differently each time.
const KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// The built-in templates, loaded once for all seeds.
pub(super) static TEXTS: LazyLock<(TempDir, Arc<LiveTemplates>)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    render::write_shipped(folder.path()).unwrap();
    let settings = render::Settings {
        dir: folder.path().to_owned(),
        brand: "Test Bank".to_owned(),
        time_zone: "Europe/Warsaw".to_owned(),
        ..render::Settings::default()
    };
    let library = LiveTemplates::open(&settings).unwrap();
    (folder, Arc::new(library))
});

/// Everything that the processes of one simulation share, and the judge.
pub(super) struct World {
    pub(super) memory: Arc<Memory>,
    pub(super) stations: Vec<Arc<MessageLog>>,
    pub(super) nodes: Mutex<Vec<Option<Arc<Node>>>>,
    pub(super) gates: Mutex<Vec<Arc<ClientAuthorizer>>>,
    pub(super) record: Mutex<IssuedCertificate>,
    pub(super) nature: Nature,
    folder: TempDir,
    calm: AtomicBool,
    chance: Mutex<StdRng>,
    born: Instant,
    jumped: AtomicI64,
    ids: AtomicU64,
    reports: mpsc::UnboundedSender<Message>,
}

/// The rates of faults, in thousandths.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nature {
    /// Database calls that fail without effect, or take effect and fail to report it.
    pub(super) mishaps: u64,
    /// Of these, calls after which the database must not be trusted.
    pub(super) final_ones: u64,
    /// Database calls that take up to three seconds.
    pub(super) slow: u64,
    /// Changes of a provider's mood per minute.
    pub(super) moods: u64,
    /// Crashes, freezes.
    pub(super) crashes: u64,
    pub(super) freezes: u64,
    /// The wall clock is set, by an hour or a day. Only where no process restarts, because a start adopts the new time.
    pub(super) jumps: u64,
    /// Database calls of a delivery that panic.
    pub(super) panics: u64,
    /// Processes that share the work.
    pub(super) nodes: usize,
}

impl Nature {
    /// One process, and no faults.
    pub(super) const CALM: Self =
        Self { mishaps: 0, final_ones: 0, slow: 0, moods: 0, crashes: 0, freezes: 0, jumps: 0, panics: 0, nodes: 1 };

    pub(super) fn random(chance: &mut StdRng) -> Self {
        let rough = |chance: &mut StdRng, odds: u32, most: u64| {
            if chance.random_ratio(odds, 100) { chance.random_range(0..=most) } else { 0 }
        };
        let crashes = rough(chance, 50, 4);
        let final_ones = rough(chance, 30, 200);
        let mishaps = rough(chance, 50, 15);
        // A start that fails is another start.
        let starts_once = crashes == 0 && mishaps == 0;
        Self {
            mishaps,
            final_ones,
            slow: rough(chance, 40, 10),
            moods: rough(chance, 80, 20),
            crashes,
            jumps: if starts_once { rough(chance, 60, 8) } else { 0 },
            freezes: rough(chance, 30, 3),
            panics: rough(chance, 20, 40),
            nodes: if chance.random_ratio(1, 3) { 2 } else { 1 },
        }
    }
}

impl World {
    pub(super) fn new(
        seed: u64,
        nature: impl FnOnce(&mut StdRng) -> Nature,
        stations: impl FnOnce(&mut StdRng) -> Vec<Arc<MessageLog>>,
        reports: mpsc::UnboundedSender<Message>,
    ) -> Arc<Self> {
        let mut chance = StdRng::seed_from_u64(seed);
        let nature = nature(&mut chance);
        let folder = tempfile::Builder::new().prefix("otpost-seed").tempdir_in(memory_folder()).unwrap();
        fs::write(folder.path().join("seal.key"), KEY).unwrap();
        let stations = stations(&mut chance);
        Arc::new(Self {
            memory: Memory::new(),
            stations,
            nodes: Mutex::new(vec![None; nature.nodes]),
            gates: Mutex::new((0..nature.nodes).map(|_| ClientAuthorizer::open()).collect()),
            record: Mutex::default(),
            nature,
            folder,
            calm: AtomicBool::new(false),
            chance: Mutex::new(chance),
            born: Instant::now(),
            jumped: AtomicI64::new(0),
            ids: AtomicU64::new(0),
            reports,
        })
    }

    pub(super) fn sealing(&self) -> seal::Settings {
        seal::Settings { key_file: self.folder.path().join("seal.key") }
    }

    /// True in `per_mille` of all cases.
    pub(super) fn happens(&self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// A number below `end`.
    pub(super) fn below(&self, end: u64) -> u64 {
        self.chance.lock().unwrap().random_range(0..end)
    }

    pub(super) fn millis(&self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.chance.lock().unwrap().random_range(range))
    }

    pub(super) fn pick<'a, T>(&self, among: &'a [T]) -> &'a T {
        &among[usize::try_from(self.below(among.len() as u64)).unwrap()]
    }

    /// From now on no fault is injected.
    pub(super) fn calm_down(&self) {
        self.calm.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::SeqCst)
    }

    /// In the form of version 7: ids sort in the order of creation, whatever the clocks show.
    pub(super) fn next_id(&self) -> Uuid {
        let number = u128::from(self.ids.fetch_add(1, Ordering::SeqCst));
        let millis = u128::try_from(self.now().micros() / 1000).unwrap();
        Uuid::from_u128((millis << 80) | (0x7 << 76) | (0b10 << 62) | number)
    }

    /// The true time, which never jumps.
    pub(super) fn now(&self) -> Timestamp {
        BEGINNING.after(self.born.elapsed())
    }

    /// Sets the wall clock of all processes.
    pub(super) fn jump(&self, micros: i64) {
        self.jumped.fetch_add(micros, Ordering::SeqCst);
    }

    /// A provider will send a receipt for this message.
    pub(super) fn will_report(&self, message: Message) {
        self.reports.send(message).unwrap();
    }

    /// Records an event.
    pub(super) fn tell(&self, what: impl std::fmt::Display) {
        let at = self.born.elapsed().as_millis();
        self.record.lock().unwrap().trace.push(format!("{at:>7} {what}"));
    }

    /// Records a fault that excuses a delay.
    pub(super) fn disturbed(&self, what: impl std::fmt::Display) {
        self.tell(what);
        let now = self.now();
        self.record.lock().unwrap().disturbances.push(now);
    }

    /// A node that is running, if any is.
    pub(super) fn one(&self) -> Option<Arc<Node>> {
        let up: Vec<_> = self.nodes.lock().unwrap().iter().flatten().cloned().collect();
        (!up.is_empty()).then(|| Arc::clone(self.pick(&up)))
    }
}

/// The wall clock of every process.
struct Wall(Arc<World>);

/// The steady clock of a process that started when the wall clock was this far ahead.
struct Steady(Arc<World>, i64);

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.now().micros() + self.0.jumped.load(Ordering::SeqCst))
    }
}

impl Clock for Steady {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.now().micros() + self.1)
    }
}

/// The clocks of a process that starts now.
pub(super) fn clocks(world: &Arc<World>) -> Clocks {
    let ahead = world.jumped.load(Ordering::SeqCst);
    Clocks { steady: Arc::new(Steady(Arc::clone(world), ahead)), wall: Arc::new(Wall(Arc::clone(world))) }
}

/// The true time.
pub(super) fn true_clock(world: &Arc<World>) -> Arc<dyn Clock> {
    Arc::new(Steady(Arc::clone(world), 0))
}

fn memory_folder() -> PathBuf {
    let shared = PathBuf::from("/dev/shm");
    if shared.is_dir() { shared } else { std::env::temp_dir() }
}
