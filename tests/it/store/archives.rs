//! Archives of the audit log: what leaves the database, and what stays for the proofs of later events.

use otpost::audit::checkpoint::Checkpoint;
use otpost::audit::edge::TreeEdge;
use otpost::audit::leaf::ClockState;
use otpost::audit::note::NoteSigner;
use otpost::audit::proof::{consistency, inclusion, is_consistent, root_of_inclusion};
use otpost::audit::tile::{TileId, TileMap, decode_hashes, encode_hashes, range_root};
use otpost::audit::tree::TreeHash;
use otpost::domain::audit_event::{AuditEvent, AuditKind};
use otpost::flow::tasks::notary::leaf_of;
use otpost::store::Store;
use otpost::store::audit_archives::AuditArchive;
use otpost::store::audit_events::{EventFilter, EventScope};
use otpost::store::audit_tree::{StoredCheckpoint, StoredTile, StoredTimestamp};

use super::{Fixture, Promise};

pub(super) const PROMISES: &[Promise] = &[
    ("archived events leave the log in steps, and the others keep their numbers", |it| Box::pin(leaves_in_steps(it))),
    ("nothing that was not archived is removed", |it| Box::pin(nothing_else(it))),
    ("an archive begins where the last one ends", |it| Box::pin(no_gap(it))),
    ("an archive without a signed checkpoint is refused", |it| Box::pin(no_unsigned(it))),
    ("proofs of later events work without the archived ones", |it| Box::pin(proofs(it))),
    ("what was published last is remembered for each place", |it| Box::pin(publications(it))),
    ("timestamps are kept beside their checkpoints", |it| Box::pin(timestamps(it))),
];

/// A log whose events are signed in steps of `step`, and its leaves.
struct SignedLog {
    edge: TreeEdge,
    leaves: Vec<TreeHash>,
    roots: Vec<(u64, TreeHash)>,
}

impl SignedLog {
    fn new() -> Self {
        Self { edge: TreeEdge::default(), leaves: Vec::new(), roots: Vec::new() }
    }

    async fn grow(&mut self, it: &Fixture, events: u64, step: u64) {
        let event = |number: u64| AuditEvent::gateway(AuditKind::Reloaded, it.now()).with("number", number);
        let written: Vec<_> = (0..events).map(event).collect();
        it.store.audit_events().record(&written).await.unwrap();
        self.sign(it, step).await;
    }

    async fn sign(&mut self, it: &Fixture, step: u64) {
        let clock = ClockState { source: "test".to_owned(), offset_us: 0 };
        let limit = u32::try_from(step).unwrap();
        loop {
            let previous = self.edge.size();
            let page = it.store.audit_tree().logged_events(previous, limit).await.unwrap();
            if page.is_empty() {
                return;
            }
            for (event, index) in page.iter().zip(previous..) {
                let leaf = leaf_of(index, event, &clock).hash().unwrap();
                self.edge.push(leaf);
                self.leaves.push(leaf);
            }
            let (size, root) = (self.edge.size(), self.edge.root());
            let stored = |(tile, hashes): (TileId, Vec<TreeHash>)| StoredTile {
                level: tile.level.unwrap(),
                number: tile.number,
                hashes: encode_hashes(&hashes),
            };
            let tiles: Vec<_> = self.edge.take_changed().into_iter().map(stored).collect();
            let signed = StoredCheckpoint {
                size,
                at: it.now(),
                clock_source: clock.source.clone(),
                clock_offset_us: 0,
                note: note(size, root),
            };
            assert!(it.store.audit_tree().grow(previous, &tiles, &signed).await.unwrap());
            self.roots.push((size, root));
        }
    }

    fn archive(&self, it: &Fixture, first: u64, size: u64) -> AuditArchive {
        let root = self.roots.iter().find(|(signed, _)| *signed == size).map_or(TreeHash::empty(), |(_, root)| *root);
        let (from, to) = (it.now(), it.now());
        AuditArchive {
            first,
            until: size / 256 * 256,
            size,
            root: root.0.to_vec(),
            bundle: format!("audit-{first:012}"),
            from,
            to,
            at: it.now(),
        }
    }
}

fn note(size: u64, root: TreeHash) -> String {
    let key = openssl::pkey::PKey::generate_ed25519().unwrap();
    let signer = NoteSigner::new("log.example", key).unwrap();
    Checkpoint { size, root }.sign("log.example", &signer).unwrap()
}

async fn remove_all(store: &Store) -> Vec<u64> {
    let mut steps = Vec::new();
    loop {
        match store.audit_archives().remove_archived().await.unwrap() {
            0 => return steps,
            removed => steps.push(removed),
        }
    }
}

async fn sizes(it: &Fixture) -> Vec<u64> {
    it.store.audit_tree().checkpoints(0, 1_000).await.unwrap().iter().map(|checkpoint| checkpoint.size).collect()
}

async fn leaves_in_steps(it: Fixture) {
    let mut log = SignedLog::new();
    log.grow(&it, 1_100, 250).await;
    let archive = log.archive(&it, 0, 1_000);
    it.store.audit_archives().record_archive(&archive).await.unwrap();

    assert_eq!(remove_all(&it.store).await, [500, 268], "768 events, three full tiles");
    assert_eq!(it.store.audit_archives().archives().await.unwrap(), [archive]);
    let left = it.store.audit_tree().logged_events(0, 10_000).await.unwrap();
    assert_eq!((left.len(), left[0].line.seq), (1_101 - 768, 769));
    let last = &left.last().unwrap().line;
    assert_eq!((last.seq, last.kind.as_str()), (1_101, "audit_archived"));
    assert!(last.actor.starts_with("operator:") && last.detail.contains("audit-000000000000"), "{last:?}");
    let page = it.store.audit_tree().logged_events(800, 2).await.unwrap();
    assert_eq!(page.iter().map(|event| event.line.seq).collect::<Vec<_>>(), [801, 802]);

    // The next event has the next number.
    log.grow(&it, 1, 250).await;
    let newest = it.store.audit_events().find(&EventFilter::newest(EventScope::Operations, 1)).await.unwrap().events;
    assert_eq!(newest[0].line.seq, 1_102);
}

async fn nothing_else(it: Fixture) {
    let mut log = SignedLog::new();
    log.grow(&it, 600, 256).await;

    assert_eq!(remove_all(&it.store).await, [0; 0]);

    assert_eq!(it.store.audit_tree().logged_events(0, 1_000).await.unwrap().len(), 600);
    assert_eq!(sizes(&it).await, [256, 512, 600]);
}

async fn no_gap(it: Fixture) {
    let mut log = SignedLog::new();
    log.grow(&it, 1_024, 256).await;
    it.store.audit_archives().record_archive(&log.archive(&it, 0, 512)).await.unwrap();

    it.store.audit_archives().record_archive(&log.archive(&it, 768, 1_024)).await.unwrap_err();

    let it = it.reopened().await;
    assert_eq!(it.store.audit_archives().archives().await.unwrap().len(), 1);
    assert_eq!(remove_all(&it.store).await.iter().sum::<u64>(), 512);
}

async fn no_unsigned(it: Fixture) {
    let mut log = SignedLog::new();
    log.grow(&it, 600, 256).await;

    it.store.audit_archives().record_archive(&log.archive(&it, 0, 550)).await.unwrap_err();

    let it = it.reopened().await;
    assert_eq!(remove_all(&it.store).await, [0; 0]);
    assert_eq!(it.store.audit_tree().logged_events(0, 1_000).await.unwrap().len(), 600);
}

async fn proofs(it: Fixture) {
    let mut log = SignedLog::new();
    log.grow(&it, 1_300, 100).await;
    for (first, size) in [(0, 600), (512, 1_100)] {
        it.store.audit_archives().record_archive(&log.archive(&it, first, size)).await.unwrap();
        assert!(remove_all(&it.store).await.iter().sum::<u64>() >= 512);
    }
    log.grow(&it, 400, 100).await;

    assert_eq!(
        sizes(&it).await[..3],
        [600, 1_100, 1_200],
        "the checkpoints of archives stay, others before them do not"
    );
    let tiles = tiles(&it.store).await;
    let numbers: Vec<_> = tiles.0.keys().filter(|tile| tile.level == Some(0)).map(|tile| tile.number).collect();
    assert_eq!(numbers, [2, 4, 5, 6], "of the first level, those at a boundary and behind the last");
    let (size, root) = (log.edge.size(), log.edge.root());
    assert_eq!(range_root(&tiles, 0, size), Ok(root));
    for index in [1_024, 1_100, 1_300, size - 1] {
        let proof = inclusion(&tiles, index, size).unwrap();
        let leaf = log.leaves[usize::try_from(index).unwrap()];
        assert_eq!(root_of_inclusion(leaf, index, size, &proof), Some(root), "{index}");
    }
    let later = |signed: &&(u64, TreeHash)| [600, 1_100].contains(&signed.0) || signed.0 > 1_100;
    for earlier in log.roots.iter().filter(later) {
        let proof = consistency(&tiles, earlier.0, size).unwrap();
        assert!(is_consistent(*earlier, (size, root), &proof), "{earlier:?}");
    }
    let restored = TreeEdge::read(&tiles, size).unwrap();
    assert_eq!(restored.root(), root, "a notary starts");
}

async fn tiles(store: &Store) -> TileMap {
    let mut tiles = TileMap::default();
    for tile in (0..3).flat_map(|level| (0..10).map(move |number| TileId::hashes(level, number))) {
        if let Some(hashes) = store.audit_tree().tile(tile.level.unwrap(), tile.number).await.unwrap() {
            tiles.0.insert(tile, decode_hashes(&hashes).unwrap());
        }
    }
    tiles
}

async fn publications(it: Fixture) {
    let later = it.now().after(std::time::Duration::from_hours(1));
    for (place, size, at) in [("mail", 7, it.now()), ("other", 8, it.now()), ("mail", 9, later)] {
        it.store.audit_tree().keep_publication(place, size, at).await.unwrap();
    }

    let it = it.reopened().await;
    let last = async |place| it.store.audit_tree().last_publication(place).await.unwrap();
    assert_eq!((last("mail").await, last("none").await), (Some((9, later)), None));
}

async fn timestamps(it: Fixture) {
    let mut log = SignedLog::new();
    log.grow(&it, 600, 100).await;
    let tree = it.store.audit_tree();
    assert_eq!(tree.last_timestamp().await.unwrap(), None);
    let timestamp = |size, token: &[u8]| StoredTimestamp { size, at: it.now(), token: token.to_vec() };
    for (size, token) in [(200, b"one"), (600, b"two"), (600, b"not")] {
        tree.keep_timestamp(&timestamp(size, token)).await.unwrap();
    }

    assert_eq!(tree.last_timestamp().await.unwrap(), Some(timestamp(600, b"two")));
    assert_eq!(tree.timestamps(0, 1).await.unwrap(), [timestamp(200, b"one")]);
    it.store.audit_archives().record_archive(&log.archive(&it, 0, 600)).await.unwrap();
    remove_all(&it.store).await;
    assert_eq!(tree.timestamps(0, 10).await.unwrap(), [timestamp(600, b"two")]);
}
