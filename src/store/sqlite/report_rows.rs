//! The rows of the read model as JSON objects, and read back. Each field has the name that `report_model` reads it by.

use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use super::json_rows::Hex;
use crate::domain::clock::Timestamp;
use crate::domain::report_line::hour_of;
use crate::store::report_model::{StoredCounts, StoredLine};

/// An hour and a key.
#[derive(Serialize)]
pub(super) struct CellObject {
    pub(super) hour: i64,
    pub(super) key: i64,
}

/// An hour and a delivery.
#[derive(Serialize)]
pub(super) struct PlaceObject<'a> {
    hour: i64,
    delivery: Hex<'a>,
}

impl<'a> PlaceObject<'a> {
    pub(super) fn of(hour: i64, delivery: &'a Uuid) -> Self {
        Self { hour, delivery: Hex(delivery.as_bytes()) }
    }
}

#[derive(Serialize)]
pub(super) struct LineObject<'a> {
    hour: i64,
    delivery: Hex<'a>,
    number: u32,
    key: i64,
    received_at: Timestamp,
    start: Option<u64>,
    send: Option<u64>,
    deliver: Option<u64>,
    segments: u64,
    cost: u64,
}

impl<'a> LineObject<'a> {
    pub(super) fn of(stored: &'a StoredLine) -> Self {
        let line = &stored.line;
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Self {
            hour: hour_of(line.received_at),
            delivery: Hex(line.delivery.as_bytes()),
            number: line.number,
            key: stored.key,
            received_at: line.received_at,
            start: line.start.map(micros),
            send: line.send.map(micros),
            deliver: line.deliver.map(micros),
            segments: line.segments,
            cost: line.cost,
        }
    }
}

#[derive(Serialize)]
pub(super) struct CountsObject<'a> {
    hour: i64,
    key: i64,
    deliveries: u64,
    attempts: u64,
    segments: u64,
    cost: u64,
    start: Hex<'a>,
    send: Hex<'a>,
    deliver: Hex<'a>,
}

impl<'a> CountsObject<'a> {
    pub(super) fn of(counts: &'a StoredCounts) -> Self {
        let StoredCounts { hour, key, deliveries, attempts, segments, cost, .. } = *counts;
        let (start, send, deliver) = (Hex(&counts.start), Hex(&counts.send), Hex(&counts.deliver));
        Self { hour, key, deliveries, attempts, segments, cost, start, send, deliver }
    }
}
