//! `split`: further deliveries of the same notification, for other recipients or channels.

use super::lease::{Claimed, LEASE};
use super::outbox::lease_token;
use super::rows::{Split, SplitRow};
use super::{Error, Store, channel_list, retry};
use crate::domain::audit_event::AuditKind;
use crate::domain::contact::Channel;
use crate::domain::delivery::DeliveryId;
use crate::domain::recipient::RecipientId;

/// The recipient and channels of one of several deliveries of the same notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    pub recipient: RecipientId,
    /// The channels it may use; empty for all of its plan.
    pub channels: Vec<Channel>,
}

impl Store {
    /// Gives the delivery the first of `shares` and adds one for each of the others, all leased by this worker. They are
    /// on disk before any of them is sent.
    pub async fn split(&self, claimed: Claimed, shares: &[Share]) -> Result<Vec<Claimed>, Error> {
        let now = self.clock.now();
        let (Some((first, rest)), Some(content)) = (shares.split_first(), &claimed.content) else {
            return Ok(vec![claimed]);
        };
        let mut others = Vec::with_capacity(rest.len());
        for share in rest {
            let delivery = DeliveryId(self.next_id());
            let sealed = self.sealer.seal_content(content, &claimed.identifiers, delivery, now)?;
            let (recipient, channels) = (share.recipient.0, channel_list::write(&share.channels));
            others.push(SplitRow { delivery: delivery.0, recipient, channels, lease_token: lease_token()?, sealed });
        }
        let split = Split {
            delivery: claimed.id.0,
            lease_token: claimed.lease_token,
            recipient: first.recipient.0,
            channels: channel_list::write(&first.channels),
            others,
        };
        let event = claimed.event(AuditKind::Split, now).with("deliveries", shares.len());
        let leased_until = now.after(LEASE);
        if !retry::while_temporary(LEASE, || self.backend.split(&split, &event, leased_until)).await? {
            return Err(Error::LeaseLost(claimed.id));
        }
        let mut all = Vec::with_capacity(shares.len());
        for (row, share) in split.others.into_iter().zip(rest) {
            let (content, identifiers) = self.sealer.open_content(&row.sealed, DeliveryId(row.delivery))?;
            all.push(Claimed {
                id: DeliveryId(row.delivery),
                notification: claimed.notification,
                received_at: claimed.received_at,
                expires_at: claimed.expires_at,
                recipient: Some(share.recipient),
                channels: share.channels.clone(),
                identifiers,
                content: Some(content),
                attempts: Vec::new(),
                in_doubt: false,
                waited: false,
                wait_recorded: false,
                ordering_key: claimed.ordering_key,
                lease_token: row.lease_token,
                leased_until,
            });
        }
        let (recipient, channels) = (Some(first.recipient), first.channels.clone());
        all.push(Claimed { recipient, channels, wait_recorded: false, ..claimed });
        Ok(all)
    }
}
