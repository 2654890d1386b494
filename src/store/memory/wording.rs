//! Words and when they went live.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::Door;
use crate::domain::delivery::DeliveryId;
use crate::domain::event::Event;
use crate::domain::wording::{Topic, Wording, Words, WordsChange};
use crate::store::Error;
use crate::store::wording::Lexicon;

#[async_trait]
impl Lexicon for Door {
    async fn keep_words(&self, words: &[&Words], changes: &[WordsChange], event: Option<&Event>) -> Result<(), Error> {
        self.ask("keep_words", |tables| {
            for words in words {
                tables.words.entry(words.wording).or_insert_with(|| (*words).clone());
            }
            for change in changes {
                let seq = i64::try_from(tables.words_changes.len()).unwrap_or(i64::MAX).saturating_add(1);
                tables.words_changes.push(WordsChange { seq, ..change.clone() });
            }
            if let Some(event) = event {
                tables.log(event);
            }
        })
        .await
    }

    async fn words_in_force(&self) -> Result<Vec<WordsChange>, Error> {
        self.ask("words_in_force", |tables| {
            let last: BTreeMap<&Topic, &WordsChange> =
                tables.words_changes.iter().map(|change| (&change.topic, change)).collect();
            let mut last: Vec<_> = last.into_values().cloned().collect();
            last.sort_by_key(|change| std::cmp::Reverse(change.seq));
            last
        })
        .await
    }

    async fn words_changes(&self) -> Result<Vec<WordsChange>, Error> {
        self.ask("words_changes", |tables| tables.words_changes.iter().rev().cloned().collect()).await
    }

    async fn words(&self, names: &[Wording]) -> Result<Vec<Words>, Error> {
        self.ask("words", |tables| {
            let mut names = names.to_vec();
            names.sort_unstable();
            names.dedup();
            names.iter().filter_map(|name| tables.words.get(name)).cloned().collect()
        })
        .await
    }

    async fn words_between(&self, low: Wording, high: Wording, limit: u32) -> Result<Vec<Words>, Error> {
        self.ask("words_between", |tables| {
            tables.words.range(low..=high).map(|(_, words)| words.clone()).take(limit as usize).collect()
        })
        .await
    }

    async fn sealed(&self, delivery: DeliveryId) -> Result<Option<Vec<u8>>, Error> {
        self.ask("sealed", |tables| tables.deliveries.get(&delivery.0).and_then(|row| row.sealed.clone())).await
    }
}
