//! The proof of each event in a dossier, against the newest signed checkpoint.

use super::Error;
use crate::audit::checkpoint::Checkpoint;
use crate::audit::leaf::ClockState;
use crate::audit::note::NoteVerifier;
use crate::audit::proof::inclusion;
use crate::audit::tile::{MissingTile, TileMap, decode_hashes};
use crate::audit::tlog_proof::TlogProof;
use crate::audit::tree::TreeHash;
use crate::dossier::SignedLog;
use crate::flow::tasks::notary;
use crate::store::Store;

/// Makes the proofs of one dossier.
pub(super) struct Proofs<'a> {
    store: &'a Store,
    signed: Option<(SignedLog, NoteVerifier)>,
    // Grows by the tiles that proofs need: a few for each.
    tiles: TileMap,
}

impl<'a> Proofs<'a> {
    /// Reads the newest checkpoint, and verifies it with the key of the log.
    pub(super) async fn read(store: &'a Store, settings: &notary::Settings) -> Result<Self, Error> {
        let signed = match store.audit_tree().last_checkpoint().await? {
            None => None,
            Some(last) => {
                let verifier = notary::signer(settings, false).map_err(Error::Key)?.verifier()?;
                let checkpoint = Checkpoint::open(&last.note, &verifier).map_err(Error::Checkpoint)?;
                let log = SignedLog {
                    name: verifier.name().to_owned(),
                    key: verifier.to_text()?,
                    size: checkpoint.size,
                    root: format!("{:?}", checkpoint.root),
                    signed_at: last.at.to_string(),
                    checkpoint: last.note,
                };
                Some((log, verifier))
            }
        };
        Ok(Self { store, signed, tiles: TileMap::default() })
    }

    pub(super) fn log(&self) -> Option<&SignedLog> {
        self.signed.as_ref().map(|(log, _)| log)
    }

    /// The clock with which the event entered the log; nothing until it is signed.
    pub(super) async fn clock(&self, index: u64) -> Result<Option<ClockState>, Error> {
        let covering = self.store.audit_tree().checkpoints(index, 1).await?.pop();
        Ok(covering.map(|it| ClockState { source: it.clock_source, offset_us: it.clock_offset_us }))
    }

    /// The proof file of an event; nothing until it is signed. Fails when the event is not the one that was logged: a
    /// dossier never holds what is not proven.
    pub(super) async fn of(&mut self, index: u64) -> Result<Option<String>, Error> {
        let Some((log, verifier)) = self.signed.clone().filter(|(log, _)| index < log.size) else { return Ok(None) };
        let clock = self.clock(index).await?;
        let clock = clock.ok_or_else(|| Error::Missing(format!("the checkpoint of event {index}")))?;
        let event = self.store.audit_tree().logged_events(index, 1).await?.pop();
        let event = event.ok_or_else(|| Error::Missing(format!("event {index}")))?;
        let event = notary::leaf_of(index, &event, &clock).to_bytes();
        let event = event.map_err(|source| Error::Leaf { index, source })?;
        let hashes = self.inclusion(index, log.size).await?;
        let proof = TlogProof { event: Some(event), index, hashes, checkpoint: log.checkpoint };
        proof.verify(None, &verifier).map_err(|source| Error::Changed { index, source })?;
        Ok(Some(proof.to_text()))
    }

    async fn inclusion(&mut self, index: u64, size: u64) -> Result<Vec<TreeHash>, Error> {
        loop {
            let MissingTile(tile) = match inclusion(&self.tiles, index, size) {
                Ok(hashes) => return Ok(hashes),
                Err(missing) => missing,
            };
            let stored = self.store.audit_tree().tile(tile.level.unwrap_or(0), tile.number).await?;
            let hashes = stored.as_deref().and_then(decode_hashes);
            match hashes {
                Some(hashes) if !self.tiles.0.contains_key(&tile) => drop(self.tiles.0.insert(tile, hashes)),
                _ => return Err(Error::Missing(tile.path(size))),
            }
        }
    }
}
