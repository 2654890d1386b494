//! The outbox: `accept`, `claim`, `split`, and the leases between them.
//!
//! What goes in is sealed here and committed by the writer; what comes out is a [`Claimed`]. How it goes on or ends is
//! in `settle`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Map, json};

use super::backend::ClaimedRow;
use super::lease::{Claimed, LEASE, Lease, gateway_event};
use super::rows::{AcceptResult, AcceptRows, IdempotencyRow, Split, SplitRow};
use super::seal::{Fingerprint, LookupHash};
use super::{Error, Store, channel_list};
use crate::domain::audit_event::{Actor, AuditEvent, AuditKind};
use crate::domain::chain;
use crate::domain::clock::Timestamp;
use crate::domain::contact::Channel;
use crate::domain::delivery::DeliveryId;
use crate::domain::notification::{Content, Notification, NotificationId, Priority};
use crate::domain::recipient::{Identifier, RecipientId};

/// A notification to be accepted.
pub struct Acceptance {
    /// What arrived.
    pub notification: Notification,
    /// When telling it is of no use any more.
    pub expires_at: Timestamp,
    /// What makes a second request the same as this one.
    pub dedupe: Dedupe,
    /// The path it came to, part of what a key is good for.
    pub endpoint: &'static str,
    /// Whether this process works on it at once; else the next scan takes it.
    pub leased: bool,
}

/// What makes a second request the same as a first.
#[derive(Debug, Clone)]
pub enum Dedupe {
    /// Nothing: each is new.
    Never,
    /// The key the sender gave, for so long.
    ByKey(String, Duration),
    /// All its fields, for so long.
    ByFields(Duration),
}

/// What came of an acceptance.
#[derive(Debug)]
pub enum Accepted {
    /// New and committed; the work on it, when it was to be leased.
    New(Option<Box<Claimed>>),
    /// The same was committed before.
    Replay(NotificationId),
    /// The key was used for something else.
    KeyReused(NotificationId),
}

/// A delivery that must be over before another may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Predecessor {
    /// Somebody is working on it.
    InHand,
    /// It waits for this time.
    Waits(Timestamp),
}

/// What one of several deliveries of the same news is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Whom it tells.
    pub recipient: RecipientId,
    /// The channels it may use; empty for all of its plan.
    pub channels: Vec<Channel>,
}

impl Store {
    /// Takes a notification once: commits it, or finds that it was there. It is on disk when this returns.
    ///
    /// # Errors
    /// Nothing is accepted then, except after [`Error::Stopped`], when nobody knows.
    pub async fn accept(&self, acceptance: Acceptance) -> Result<Accepted, Error> {
        if !self.roomy.load(Ordering::Relaxed) {
            return Err(Error::DiskNearlyFull);
        }
        let Acceptance { notification, expires_at, dedupe, endpoint, leased } = acceptance;
        let now = self.clock.now();
        let id = DeliveryId(self.next_id());
        let lease_token = token()?;
        let lane = self.lane(Some(&notification.content), &notification.subjects)?;
        let rows = AcceptRows {
            notification: notification.id.0,
            delivery: id.0,
            client: notification.client.0.clone(),
            kind: notification.content.kind(),
            received_at: notification.received_at,
            expires_at,
            idempotency_key: match &dedupe {
                Dedupe::ByKey(key, _) => Some(key.clone()),
                Dedupe::Never | Dedupe::ByFields(_) => None,
            },
            warnings: warnings(&notification),
            once: self.once(&notification, &dedupe, endpoint, now)?,
            due_at: if leased { now.after(LEASE) } else { now },
            lane,
            purchase: self.purchase(&notification.content, &notification.subjects)?,
            lease_token: leased.then_some(lease_token),
            sealed: self.sealer.seal_content(&notification.content, &notification.subjects, id, now)?,
            event: accepted_event(&notification, id),
        };
        match self.writer.accept(rows).await? {
            AcceptResult::New if leased => Ok(Accepted::New(Some(Box::new(Claimed {
                id,
                notification: notification.id,
                received_at: notification.received_at,
                expires_at,
                recipient: None,
                channels: Vec::new(),
                subjects: notification.subjects,
                content: Some(notification.content),
                attempts: Vec::new(),
                in_doubt: false,
                waited: false,
                lane,
                lease_token,
                held_until: now.after(LEASE),
            })))),
            AcceptResult::New => Ok(Accepted::New(None)),
            AcceptResult::Known { notification: first, fingerprint } => {
                let first = NotificationId(first);
                let print = Fingerprint::from_bytes(&fingerprint).ok_or(Error::Inconsistent {
                    table: "idempotency",
                    id: first.to_string(),
                    what: "fingerprint",
                })?;
                let same = self.sealer.same(&print, &notification, now)?;
                Ok(if same { Accepted::Replay(first) } else { Accepted::KeyReused(first) })
            }
        }
    }

    fn once(
        &self,
        notification: &Notification,
        dedupe: &Dedupe,
        endpoint: &str,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRow>, Error> {
        let (key, kept) = match dedupe {
            Dedupe::Never => return Ok(None),
            Dedupe::ByKey(key, kept) => (Some(key.as_str()), *kept),
            Dedupe::ByFields(kept) => (None, *kept),
        };
        let print = self.sealer.fingerprint(notification, now)?;
        let scope = self.sealer.scope(&notification.client.0, endpoint, key, &print)?;
        Ok(Some(IdempotencyRow { scope, fingerprint: print.to_bytes(), expires_at: now.after(kept) }))
    }

    /// Takes up to `limit` deliveries of one lane that are due: retries, and what a crash left.
    pub async fn claim(&self, lane: Priority, limit: usize) -> Result<Vec<Claimed>, Error> {
        // Among what is due may be what this process has sent and could not write down, on a disk that was full.
        if self.writer.is_behind() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let tokens = (0..limit).map(|_| token()).collect::<Result<Vec<_>, _>>()?;
        let until = now.after(LEASE);
        let rows = self.backend.claim(lane, now, until, &tokens).await?;
        Ok(rows.into_iter().map(|row| self.claimed(row, until)).collect())
    }

    fn claimed(&self, row: ClaimedRow, held_until: Timestamp) -> Claimed {
        let id = DeliveryId(row.delivery);
        // One row that does not open must not keep the others from being worked on.
        let opened = row.sealed.and_then(|sealed| {
            let opened = self.sealer.open_content(&sealed, id);
            opened.inspect_err(|error| tracing::error!(delivery.id = %id, error = chain(error), "unreadable")).ok()
        });
        let (content, subjects) = opened.map_or((None, Vec::new()), |(content, subjects)| (Some(content), subjects));
        let lane = self.lane(content.as_ref(), &subjects).unwrap_or_default();
        Claimed {
            id,
            notification: NotificationId(row.notification),
            received_at: row.received_at,
            expires_at: row.expires_at,
            recipient: row.recipient.map(RecipientId),
            // Of a list that this version cannot read, two messages are better than none.
            channels: channel_list::read(row.channels.as_deref()).unwrap_or_default(),
            subjects,
            content,
            attempts: row.attempts,
            in_doubt: row.in_doubt,
            waited: true,
            lane,
            lease_token: row.lease_token,
            held_until,
        }
    }

    // Codes are told at once, each of them. All other news of one card, person, company or payment are told in order.
    fn lane(&self, content: Option<&Content>, subjects: &[Identifier]) -> Result<Option<LookupHash>, Error> {
        let lane = match (content, subjects.first()) {
            (None | Some(Content::Otp(_)), _) | (_, None) => None,
            (Some(Content::Transaction(payment)), _) => Some(format!("transaction:{}", payment.reference)),
            (Some(Content::CardLocked(_) | Content::CardUnlocked(_)), Some(card)) => Some(card.value.clone()),
            (Some(Content::Verification(_)), Some(user)) => Some(format!("verification:{}", user.value)),
            (Some(Content::TransactionalLock(_)), Some(holder)) => Some(format!("{}:{}", holder.kind, holder.value)),
        };
        Ok(lane.map(|lane| self.sealer.lookup_hash("lane", &lane)).transpose()?)
    }

    /// What must be over before `claimed` may be told.
    pub async fn ahead(&self, claimed: &Claimed) -> Result<Option<Predecessor>, Error> {
        let Some(lane) = claimed.lane else { return Ok(None) };
        let found = self.backend.ahead(lane, claimed.notification.0).await?;
        Ok(found.map(|(due, held)| if held { Predecessor::InHand } else { Predecessor::Waits(due) }))
    }

    /// When the next open delivery is due, or the next lease ends.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        self.backend.next_due().await
    }

    /// Makes what a dead process held due at once; for the start of a gateway that owns its database alone.
    pub async fn take_over(&self) -> Result<u64, Error> {
        self.backend.release(None, self.clock.now()).await
    }

    /// Keeps the named deliveries for another lease.
    pub async fn renew(&self, held: &[Lease]) -> Result<(), Error> {
        let leases: Vec<_> = held.iter().map(|lease| (lease.0.0, lease.1)).collect();
        self.backend.renew(&leases, self.clock.now().after(LEASE)).await.map(drop)
    }

    /// Makes sure that the delivery is held for at least another `span`. A process that stood still for long finds out
    /// here that somebody else has it by now. False when it was so long in hand that it had to be renewed: what was
    /// found out about it may have changed.
    pub async fn hold(&self, claimed: &mut Claimed, span: Duration) -> Result<bool, Error> {
        let now = self.clock.now();
        if claimed.held_until >= now.after(span) {
            return Ok(true);
        }
        let until = now.after(LEASE);
        if self.backend.renew(&[(claimed.id.0, claimed.lease_token)], until).await? == 0 {
            return Err(Error::LeaseLost(claimed.id));
        }
        claimed.held_until = until;
        claimed.waited = true;
        Ok(false)
    }

    /// Frees the named deliveries at once, for the end of a process.
    pub async fn release(&self, held: &[Lease]) -> Result<(), Error> {
        let leases: Vec<_> = held.iter().map(|lease| (lease.0.0, lease.1)).collect();
        self.backend.release(Some(&leases), self.clock.now()).await.map(drop)
    }

    /// Gives the delivery the first of `shares` and adds one for each of the others, all held by this worker. They are
    /// on disk before any of them is sent.
    pub async fn split(&self, claimed: Claimed, shares: &[Share]) -> Result<Vec<Claimed>, Error> {
        let now = self.clock.now();
        let (Some((first, rest)), Some(content)) = (shares.split_first(), &claimed.content) else {
            return Ok(vec![claimed]);
        };
        let mut others = Vec::with_capacity(rest.len());
        for share in rest {
            let delivery = DeliveryId(self.next_id());
            let sealed = self.sealer.seal_content(content, &claimed.subjects, delivery, now)?;
            let (recipient, channels) = (share.recipient.0, channel_list::write(&share.channels));
            others.push(SplitRow { delivery: delivery.0, recipient, channels, lease_token: token()?, sealed });
        }
        let (delivery, lease_token) = (claimed.id.0, claimed.lease_token);
        let split = Split {
            delivery,
            lease_token,
            recipient: first.recipient.0,
            channels: channel_list::write(&first.channels),
            others,
        };
        let mut detail = Map::new();
        detail.insert("deliveries".to_owned(), json!(shares.len()));
        let event = gateway_event(AuditKind::Split, &claimed, now, detail);
        if !self.backend.split(&split, &event, now.after(LEASE)).await? {
            return Err(Error::LeaseLost(claimed.id));
        }
        let mut all = Vec::with_capacity(shares.len());
        for (row, share) in split.others.into_iter().zip(rest) {
            let (content, subjects) = self.sealer.open_content(&row.sealed, DeliveryId(row.delivery))?;
            all.push(Claimed {
                id: DeliveryId(row.delivery),
                notification: claimed.notification,
                received_at: claimed.received_at,
                expires_at: claimed.expires_at,
                recipient: Some(share.recipient),
                channels: share.channels.clone(),
                subjects,
                content: Some(content),
                attempts: Vec::new(),
                in_doubt: false,
                waited: false,
                lane: claimed.lane,
                lease_token: row.lease_token,
                held_until: now.after(LEASE),
            });
        }
        all.push(Claimed { recipient: Some(first.recipient), channels: first.channels.clone(), ..claimed });
        Ok(all)
    }
}

fn token() -> Result<i64, Error> {
    let mut bytes = [0; 8];
    openssl::rand::rand_bytes(&mut bytes).map_err(super::seal::Error::from)?;
    Ok(i64::from_be_bytes(bytes))
}

fn warnings(notification: &Notification) -> Option<String> {
    let told: Vec<String> = notification.warnings.iter().map(|w| format!("{}: {}", w.field, w.what)).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

fn accepted_event(notification: &Notification, delivery: DeliveryId) -> AuditEvent {
    let mut detail = Map::new();
    detail.insert("kind".to_owned(), json!(notification.content.kind().name()));
    AuditEvent {
        at: notification.received_at,
        actor: Actor::Client(notification.client.0.clone()),
        kind: AuditKind::Accepted,
        notification: Some(notification.id),
        delivery: Some(delivery),
        detail,
    }
}
