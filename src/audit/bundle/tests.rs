//! The tamper matrix: whatever is done to a bundle, the verifier finds it and says where.

use std::fs;
use std::path::{Path, PathBuf};

use openssl::pkey::PKey;
use tempfile::TempDir;

use super::*;
use crate::audit::bundle_writer::BundleWriter;
use crate::audit::edge::TreeEdge;
use crate::audit::leaf::{ClockState, FORMAT, LeafHead};
use crate::audit::note::NoteSigner;
use crate::audit::tile::tests::Whole;
use crate::audit::tile::{encode_entry, encode_hashes, tiles_from};

const LOG: &str = "otpost.example/audit";
/// 256 full tiles and a part of the next, so that a full tile of level 1 stands above them.
const SIZE: u64 = 65_536 + 300;

struct Log {
    signer: NoteSigner,
    leaves: Vec<Leaf>,
    folder: TempDir,
}

impl Log {
    fn new(size: u64) -> Self {
        let signer = NoteSigner::new(LOG, PKey::generate_ed25519().unwrap()).unwrap();
        Self { signer, leaves: (0..size).map(leaf).collect(), folder: TempDir::new().unwrap() }
    }

    fn signed(&self, size: u64) -> String {
        let leaves = &self.leaves[..usize::try_from(size).unwrap()];
        self.sign(size, &leaves.iter().map(|leaf| leaf.hash().unwrap()).collect::<Vec<_>>())
    }

    fn sign(&self, size: u64, hashes: &[TreeHash]) -> String {
        let mut edge = TreeEdge::default();
        hashes.iter().take(usize::try_from(size).unwrap()).for_each(|hash| edge.push(*hash));
        Checkpoint { size, root: edge.root() }.sign(LOG, &self.signer).unwrap()
    }

    /// A bundle from `first`, with these checkpoints beside the newest.
    fn bundle(&self, name: &str, first: u64, earlier: &[u64]) -> PathBuf {
        let (folder, size) = (self.folder.path().join(name), self.leaves.len() as u64);
        let writer = BundleWriter::create(&folder, size).unwrap();
        for (number, leaves) in (0..).zip(self.leaves.chunks(256)).skip(usize::try_from(first / WIDTH).unwrap()) {
            writer.entries(number, leaves).unwrap();
        }
        let hashes: Vec<_> = self.leaves.iter().map(|leaf| leaf.hash().unwrap()).collect();
        let whole = Whole::of(&hashes);
        for tile in tiles_from(first, size) {
            writer.tile(tile, &encode_hashes(&whole.0[&tile])).unwrap();
        }
        for size in earlier.iter().chain([&size]) {
            writer.checkpoint(*size, &self.sign(*size, &hashes)).unwrap();
        }
        writer.finish(&self.signer.verifier().unwrap().to_text().unwrap()).unwrap();
        folder
    }
}

/// A name, what is done to the bundle, and what the verifier says.
type Case<'a> = (&'a str, &'a dyn Fn(&Path), &'a str);

fn leaf(index: u64) -> Leaf {
    let head = LeafHead {
        format: FORMAT.to_owned(),
        index,
        at: Timestamp::from_micros(1_790_000_000_000_000 + i64::try_from(index).unwrap() * 1_000),
        actor: "gateway".to_owned(),
        kind: "sent".to_owned(),
        notification: None,
        delivery: None,
    };
    Leaf { head, detail: "{}".to_owned(), clock: ClockState { source: "chrony".to_owned(), offset_us: 0 } }
}

fn by_operator(mut leaf: Leaf) -> Leaf {
    leaf.head.actor = "operator".to_owned();
    leaf
}

fn found(folder: &Path) -> String {
    verify(folder, None, &[], |_, _| ()).unwrap_err().to_string()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(path, to).unwrap();
        }
    }
}

fn change(folder: &Path, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let path = folder.join(file);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// The entries of a file, changed.
fn rewrite(folder: &Path, file: &str, rewrite: impl FnOnce(&mut Vec<Vec<u8>>)) {
    change(folder, file, |bytes| {
        let mut entries: Vec<_> = decode_entries(bytes).unwrap().into_iter().map(<[u8]>::to_vec).collect();
        rewrite(&mut entries);
        bytes.clear();
        for entry in &entries {
            encode_entry(bytes, entry).unwrap();
        }
    });
}

#[test]
fn a_bundle_as_it_was_written_is_valid() {
    let log = Log::new(SIZE);
    let whole = log.bundle("whole", 0, &[1, 256, 40_000, 65_536]);
    let mut progress = Vec::new();
    let verified = verify(&whole, Some(&log.signer.verifier().unwrap()), &[log.signed(300)], |done, all| {
        progress.push((done, all));
    });
    let verified = verified.unwrap();
    assert_eq!((verified.first, verified.events, verified.size, verified.checkpoints), (0, SIZE, SIZE, 6));
    assert_eq!(progress.last(), Some(&(SIZE, SIZE)));
    let part = verify(&log.bundle("part", 1_024, &[2_000]), None, &[], |_, _| ()).unwrap();
    assert_eq!((part.first, part.events, part.checkpoints), (1_024, SIZE - 1_024, 2));
    let times = part.times.unwrap();
    assert_eq!((times.0, times.1), (log.leaves[1_024].head.at, log.leaves.last().unwrap().head.at));
}

#[test]
fn whatever_is_changed_is_found_with_its_index() {
    let log = Log::new(SIZE);
    let cases: [Case<'_>; 12] = [
        ("flip", &|at| change(at, "tile/entries/004", |bytes| bytes[30] ^= 1), "event 1024"),
        ("delete", &|at| rewrite(at, "tile/entries/004", |entries| drop(entries.remove(7))), "found 255"),
        ("insert", &|at| rewrite(at, "tile/entries/004", |entries| entries.insert(7, b"{}".to_vec())), "found 257"),
        ("replace", &|at| rewrite(at, "tile/entries/004", |entries| entries[7] = b"{}".to_vec()), "event 1031"),
        ("reorder", &|at| rewrite(at, "tile/entries/004", |entries| entries.swap(7, 9)), "event 1031"),
        (
            "cut",
            &|at| change(at, "tile/entries/004", |bytes| bytes.truncate(bytes.len() - 1)),
            "in the middle of an event",
        ),
        ("missing entries", &|at| fs::remove_file(at.join("tile/entries/006")).unwrap(), "event 1791 is missing"),
        ("missing tile", &|at| fs::remove_file(at.join("tile/0/006")).unwrap(), "tile/0/006"),
        ("flipped tile", &|at| change(at, "tile/0/006", |bytes| bytes[0] ^= 1), "event 1536"),
        ("flipped tile above", &|at| change(at, "tile/1/000", |bytes| bytes[33] ^= 1), "events 0 to 65535"),
        ("flipped edge", &|at| change(at, "tile/0/257.p/44", |bytes| bytes[33] ^= 1), "another root"),
        ("short tile", &|at| change(at, "tile/0/006", |bytes| bytes.truncate(32)), "expected 256 hashes, found 1"),
    ];
    let untouched = log.bundle("untouched", 0, &[]);
    for (name, tamper, expected) in cases {
        let folder = log.folder.path().join(name);
        copy(&untouched, &folder);
        tamper(&folder);
        let found = found(&folder);
        assert!(found.contains(expected), "{name}: {found}");
        fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn a_consistent_forgery_is_found_by_what_is_above_it() {
    let log = Log::new(SIZE);
    // The event and its hash are changed, in the first tile of a bundle that begins in the middle of the log.
    let folder = log.bundle("forged", 1_024, &[]);
    let forged = by_operator(log.leaves[1_024].clone());
    rewrite(&folder, "tile/entries/004", |entries| entries[0] = forged.to_bytes().unwrap());
    change(&folder, "tile/0/004", |bytes| bytes[..32].copy_from_slice(&forged.hash().unwrap().0));
    assert!(found(&folder).contains("events 1024 to 1279"), "{}", found(&folder));
    // The tile above is changed too.
    let tile = decode_hashes(&fs::read(folder.join("tile/0/004")).unwrap()).unwrap();
    change(&folder, "tile/1/000", |bytes| bytes[4 * 32..5 * 32].copy_from_slice(&perfect_root(&tile).0));
    assert!(found(&folder).contains("events 0 to 65535"), "{}", found(&folder));
}

#[test]
fn another_key_a_fork_and_a_rollback_are_found() {
    let mut log = Log::new(600);
    let honest = log.signed(600);
    let verifier = log.signer.verifier().unwrap();
    let back = Log { signer: NoteSigner::new(LOG, PKey::generate_ed25519().unwrap()).unwrap(), ..Log::new(500) };
    let resigned = back.bundle("resigned", 0, &[]);
    assert!(matches!(verify(&resigned, Some(&verifier), &[], |_, _| ()), Err(Error::OtherKey { .. })));
    log.leaves.truncate(500);
    let rolled_back = log.bundle("rolled back", 0, &[]);
    let error = verify(&rolled_back, Some(&verifier), std::slice::from_ref(&honest), |_, _| ()).unwrap_err();
    assert!(matches!(error, Error::RolledBack { size: 500, published: 600 }), "{error}");
    log.leaves.extend((500..700).map(|index| by_operator(leaf(index))));
    let forked = log.bundle("forked", 0, &[]);
    let error = verify(&forked, Some(&verifier), &[honest], |_, _| ()).unwrap_err();
    assert!(matches!(error, Error::Forked { size: 600 }), "{error}");
}

#[test]
fn events_out_of_order_and_under_a_wrong_index_are_found_although_they_are_signed() {
    let mut log = Log::new(300);
    log.leaves[200].head.at = log.leaves[200].head.at.before(std::time::Duration::from_hours(1));
    assert!(found(&log.bundle("late", 0, &[])).starts_with("event 200 is 3599 s older"));
    log.leaves[199].head.at = log.leaves[200].head.at;
    leaf::CLOCK_SET.clone_into(&mut log.leaves[199].head.kind);
    log.leaves.truncate(201);
    assert!(verify(&log.bundle("explained", 0, &[]), None, &[], |_, _| ()).is_ok(), "the clock was set");
    log.leaves[100].head.index = 101;
    assert_eq!(found(&log.bundle("index", 0, &[])), "event 100 says that it is event 101");
}

#[test]
fn an_empty_or_foreign_directory_is_named() {
    let folder = TempDir::new().unwrap();
    assert!(found(folder.path()).contains("key"));
    assert!(BundleWriter::create(folder.path(), 1).is_err(), "it exists");
}
