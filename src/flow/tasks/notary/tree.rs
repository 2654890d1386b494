//! The tree in the database, as the audit library reads it.

use super::Error;
use crate::audit::checkpoint::Checkpoint;
use crate::audit::leaf::{ClockState, FORMAT, Leaf, LeafHead};
use crate::audit::tile::{TileMap, decode_hashes, edge_tiles, range_root};
use crate::store::audit_tree::LoggedEvent;
use crate::store::{self, Store};

/// The leaf of an event that entered the log at `index` with this clock.
pub fn leaf_of(index: u64, event: &LoggedEvent, clock: &ClockState) -> Leaf {
    let head = LeafHead {
        format: FORMAT.to_owned(),
        index,
        at: event.line.at,
        actor: event.line.actor.clone(),
        kind: event.line.kind.clone(),
        notification: event.notification.clone(),
        delivery: event.delivery.clone(),
    };
    Leaf { head, detail: event.line.detail.clone(), clock: clock.clone() }
}

/// The tiles that give the root of the first `size` events.
pub async fn load_tiles(store: &Store, size: u64) -> Result<TileMap, store::Error> {
    let mut tiles = TileMap::default();
    for tile in edge_tiles(size) {
        let hashes = store.audit_tree().tile(tile.level.unwrap_or(0), tile.number).await?;
        if let Some(hashes) = hashes.as_deref().and_then(decode_hashes) {
            tiles.0.insert(tile, hashes);
        }
    }
    Ok(tiles)
}

/// Fails unless the tree of `size` events begins with the tree that was published.
pub(super) async fn continues(store: &Store, place: &str, published: Checkpoint, size: u64) -> Result<(), Error> {
    let place = place.to_owned();
    if published.size > size {
        return Err(Error::RolledBack { place, published: published.size, size });
    }
    let tiles = load_tiles(store, published.size).await?;
    match range_root(&tiles, 0, published.size) {
        Ok(root) if root == published.root => Ok(()),
        Ok(_) => Err(Error::Forked { place, size: published.size }),
        Err(missing) => {
            let archives = store.audit_archives().archives().await?;
            let Some(archive) = archives.iter().find(|archive| archive.until > published.size) else {
                return Err(missing.into());
            };
            // The root of the database's own checkpoint was compared, and covers the archive.
            tracing::warn!(
                place,
                size = published.size,
                bundle = archive.bundle,
                "this published checkpoint is of archived events; compare it with otpost audit verify BUNDLE --checkpoint FILE"
            );
            Ok(())
        }
    }
}
