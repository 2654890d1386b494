//! Verifies a bundle of the audit log with `tlog_tiles` and `signed_note`, which share no code with otpost: they are ports of
//! Go's golang.org/x/mod/sumdb. Nothing of our library is used here.

use std::fs;
use std::path::{Path, PathBuf};

use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{Checkpoint, Error, Hash, HashReader, Tile, TileHashReader, TileReader};

/// Hashes in a full tile, as a power of two.
const HEIGHT: u8 = 8;

struct Folder {
    path: PathBuf,
}

impl TileReader for Folder {
    fn height(&self) -> u8 {
        HEIGHT
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let read = |tile: &Tile| {
            let path = self.path.join(c2sp_path(tile));
            fs::read(&path).map_err(|error| Error::InvalidInput(format!("{}: {error}", path.display())))
        };
        tiles.iter().map(read).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// Go writes `tile/8/0/000` and `tile/8/data/000`; C2SP leaves the height out and calls the data `entries`.
fn c2sp_path(tile: &Tile) -> String {
    tile.path().replacen("tile/8/", "tile/", 1).replacen("tile/data/", "tile/entries/", 1)
}

/// Verifies the signature, each event and each earlier checkpoint of a bundle that begins with the first event.
pub(crate) fn verify(folder: &Path, key: &str, size: u64) -> Result<(), String> {
    let newest = opened(&folder.join("checkpoint"), key)?;
    if newest.size() != size {
        return Err(format!("{} events are signed, expected {size}", newest.size()));
    }
    let reader = Folder { path: folder.to_owned() };
    let tiles = TileHashReader::new(size, *newest.hash(), &reader);
    // What this reader returns is proven to be in the signed tree.
    let indexes: Vec<_> = (0..size).map(|index| tlog_tiles::stored_hash_index(0, index)).collect();
    let hashes = tiles.read_hashes(&indexes).map_err(|error| error.to_string())?;
    for (index, hash) in (0..).zip(hashes) {
        if tlog_tiles::record_hash(&entry(folder, index, size)?) != hash {
            return Err(format!("event {index} is not in the tree"));
        }
    }
    for index in [0, size / 2, size - 1] {
        let leaf = tlog_tiles::record_hash(&entry(folder, index, size)?);
        let proof = tlog_tiles::prove_record(size, index, &tiles).map_err(|error| error.to_string())?;
        tlog_tiles::check_record(&proof, size, *newest.hash(), index, leaf).map_err(|error| error.to_string())?;
    }
    for file in fs::read_dir(folder.join("checkpoints")).into_iter().flatten() {
        let earlier = opened(&file.map_err(|error| error.to_string())?.path(), key)?;
        let proof = tlog_tiles::prove_tree(size, earlier.size(), &tiles).map_err(|error| error.to_string())?;
        tlog_tiles::check_tree(&proof, size, *newest.hash(), earlier.size(), *earlier.hash())
            .map_err(|error| format!("the checkpoint of {} events is of another log: {error}", earlier.size()))?;
    }
    Ok(())
}

/// Verifies a `c2sp.org/tlog-proof@v1` file. Returns the event in it.
pub(crate) fn verify_proof(file: &str, key: &str) -> Result<String, String> {
    let (head, checkpoint) = file.split_once("\n\n").ok_or("no checkpoint")?;
    let mut lines = head.lines();
    if lines.next() != Some("c2sp.org/tlog-proof@v1") {
        return Err("not a proof".to_owned());
    }
    let event = lines.next().and_then(|line| line.strip_prefix("extra ")).ok_or("no event")?;
    let event = openssl::base64::decode_block(event).map_err(|error| error.to_string())?;
    let index: u64 = lines.next().and_then(|line| line.strip_prefix("index ")?.parse().ok()).ok_or("no index")?;
    let hashes = lines.map(Hash::parse_hash).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let checkpoint = read_checkpoint(checkpoint.as_bytes(), key)?;
    let leaf = tlog_tiles::record_hash(&event);
    tlog_tiles::check_record(&hashes, checkpoint.size(), *checkpoint.hash(), index, leaf)
        .map_err(|error| error.to_string())?;
    String::from_utf8(event).map_err(|error| error.to_string())
}

fn opened(file: &Path, key: &str) -> Result<Checkpoint, String> {
    read_checkpoint(&fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?, key)
}

fn read_checkpoint(note: &[u8], key: &str) -> Result<Checkpoint, String> {
    let verifier = StandardVerifier::new(key).map_err(|error| error.to_string())?;
    let note = Note::from_bytes(note).map_err(|error| error.to_string())?;
    let (signed, _) = note.verify(&VerifierList::new(vec![Box::new(verifier)])).map_err(|error| error.to_string())?;
    if signed.is_empty() {
        return Err("not signed by this key".to_owned());
    }
    Checkpoint::from_bytes(note.text()).map_err(|error| format!("{error:?}"))
}

fn entry(folder: &Path, index: u64, size: u64) -> Result<Vec<u8>, String> {
    let (number, place) = (index / 256, usize::try_from(index % 256).unwrap());
    let width = u32::try_from((size - number * 256).min(256)).unwrap();
    let path = folder.join(c2sp_path(&Tile::new(HEIGHT, 0, number, width, true)));
    let file = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut rest = &file[..];
    for at in 0..=place {
        let (length, behind) = rest.split_first_chunk::<2>().ok_or("the file of entries is cut")?;
        let (event, behind) = behind.split_at(u16::from_be_bytes(*length).into());
        if at == place {
            return Ok(event.to_vec());
        }
        rest = behind;
    }
    Err("no such entry".to_owned())
}
