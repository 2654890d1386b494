//! The outbox: `claim` and the leases of claimed deliveries.
//!
//! What enters it is in `accept`, how a delivery goes on or ends in `settle`, several deliveries of one notification in
//! `split`, their order in `ordering`.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::lease::{Claimed, LEASE, Lease};
use super::resend::{EndedRow, Resend};
use super::rows::{ClaimedRow, Split};
use super::seal::LookupHash;
use super::supersede::Newer;
use super::{Error, Predecessor, Store, channel_list, retry, seal};
use crate::domain::audit_event::AuditEvent;
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::DeliveryId;
use crate::domain::notification::{Content, NotificationId, Priority};
use crate::domain::recipient::RecipientId;

/// Open deliveries and their leases.
#[async_trait]
pub(super) trait Outbox: Send + Sync {
    /// Leases as many due deliveries of the priority as there are tokens, earliest first, until `until`.
    async fn claim(
        &self,
        priority: Priority,
        now: Timestamp,
        until: Timestamp,
        tokens: &[i64],
    ) -> Result<Vec<ClaimedRow>, Error>;
    /// Gives a leased delivery its recipient and channels and adds the others, all leased until `until`. `false`, and
    /// nothing written, when the lease is lost.
    async fn split(&self, split: &Split, event: &AuditEvent, until: Timestamp) -> Result<bool, Error>;
    /// Moves the end of those leases that are still held; returns how many.
    async fn renew(&self, leases: &[Lease], until: Timestamp) -> Result<u64, Error>;
    /// Makes all leased deliveries due: their workers are dead. The tokens stay, which marks an attempt as in doubt.
    async fn resume(&self, now: Timestamp) -> Result<u64, Error>;
    /// Ends a lease at `until` and takes the delivery out of its ordering key; nothing when the lease is lost.
    async fn abandon(&self, lease: Lease, until: Timestamp) -> Result<(), Error>;
    /// The first open delivery of an earlier notification with the same ordering key that no provider has accepted yet.
    async fn predecessor(&self, ordering_key: LookupHash, notification: Uuid) -> Result<Option<Predecessor>, Error>;
    /// The newest notification that replaces what has this hash, if it is newer than `notification`.
    async fn newer(&self, replaced: LookupHash, notification: Uuid) -> Result<Option<Newer>, Error>;
    /// When the next open delivery is due, or the next lease ends.
    async fn next_due(&self) -> Result<Option<Timestamp>, Error>;
    /// What a resend of this delivery depends on; `None` when there is none.
    async fn ended(&self, delivery: Uuid) -> Result<Option<EndedRow>, Error>;
    /// Adds a delivery like one that has ended. `false`, and nothing written, when that one has no content any more.
    async fn resend(&self, resend: &Resend) -> Result<bool, Error>;
    /// The sealed content of an open delivery.
    async fn sealed_content(&self, delivery: DeliveryId) -> Result<Option<Vec<u8>>, Error>;
}

impl Store {
    /// Claims up to `limit` due deliveries of one priority: retries, and what a crashed process left.
    pub async fn claim(&self, priority: Priority, limit: usize) -> Result<Vec<Claimed>, Error> {
        // While the disk is full, a due delivery may be one that this process has sent and could not settle.
        if self.writer.is_behind() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let tokens = (0..limit).map(|_| lease_token()).collect::<Result<Vec<_>, _>>()?;
        let until = now.after(LEASE);
        let rows = self.backend.claim(priority, now, until, &tokens).await?;
        Ok(rows.into_iter().map(|row| self.claimed(row, until)).collect())
    }

    fn claimed(&self, row: ClaimedRow, leased_until: Timestamp) -> Claimed {
        let id = DeliveryId(row.delivery);
        // One row that does not open must not stop the others.
        let opened = row.sealed.and_then(|sealed| {
            let opened = self.sealer.open_content(&sealed, id);
            opened
                .inspect_err(|error| {
                    tracing::error!(delivery.id = %id, error = chain(error), "sealed content cannot be opened");
                })
                .ok()
        });
        let (content, identifiers) =
            opened.map_or((None, Vec::new()), |(content, identifiers)| (Some(content), identifiers));
        let ordering_key = self.ordering_key(content.as_ref(), &identifiers).unwrap_or_default();
        Claimed {
            id,
            notification: NotificationId(row.notification),
            received_at: row.received_at,
            expires_at: row.expires_at,
            recipient: row.recipient.map(RecipientId),
            // When this version cannot read the list, two messages are better than none.
            channels: channel_list::read(row.channels.as_deref()).unwrap_or_default(),
            identifiers,
            content,
            attempts: row.attempts,
            in_doubt: row.in_doubt,
            waited: true,
            wait_recorded: row.wait_recorded && !row.in_doubt,
            ordering_key,
            lease_token: row.lease_token,
            leased_until,
        }
    }

    /// When the next open delivery is due, or the next lease ends.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        self.backend.next_due().await
    }

    /// Makes all leased deliveries due, for the start of a gateway that owns its database alone; returns how many.
    pub async fn resume(&self) -> Result<u64, Error> {
        self.backend.resume(self.clock.now()).await
    }

    /// Renews the leases that are still held.
    pub async fn renew(&self, leases: &[Lease]) -> Result<(), Error> {
        self.backend.renew(leases, self.clock.now().after(LEASE)).await.map(drop)
    }

    /// Ends the leases at once, before a process exits: their deliveries become due.
    pub async fn release(&self, leases: &[Lease]) -> Result<(), Error> {
        self.backend.renew(leases, self.clock.now()).await.map(drop)
    }

    /// Ends the lease of a delivery whose run ended in a panic at `until`. It no longer holds back others with its ordering
    /// key: it may never succeed.
    pub async fn abandon(&self, lease: Lease, until: Timestamp) -> Result<(), Error> {
        self.backend.abandon(lease, until).await
    }

    /// Ensures that the lease lasts for at least `span`. A process that was suspended learns here that another worker
    /// has claimed the delivery. `false` when the lease had to be renewed: what was read about the delivery may be old.
    pub async fn ensure_lease(&self, claimed: &mut Claimed, span: Duration) -> Result<bool, Error> {
        let now = self.clock.now();
        if claimed.leased_until >= now.after(span) {
            return Ok(true);
        }
        let until = now.after(LEASE);
        let lease = [claimed.lease()];
        if retry::while_temporary(LEASE, || self.backend.renew(&lease, until)).await? == 0 {
            return Err(Error::LeaseLost(claimed.id));
        }
        claimed.leased_until = until;
        claimed.waited = true;
        Ok(false)
    }

    /// The content of an open delivery; `None` when it has ended or its epoch key has been destroyed.
    pub async fn content(&self, delivery: DeliveryId) -> Result<Option<Content>, Error> {
        let Some(sealed) = self.backend.sealed_content(delivery).await? else { return Ok(None) };
        match self.sealer.open_content(&sealed, delivery) {
            Ok((content, _)) => Ok(Some(content)),
            Err(seal::Error::KeyDestroyed) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// A new fencing token.
pub(super) fn lease_token() -> Result<i64, Error> {
    let mut bytes = [0; 8];
    openssl::rand::rand_bytes(&mut bytes).map_err(seal::Error::from)?;
    Ok(i64::from_be_bytes(bytes))
}
