use std::sync::{Arc, PoisonError, RwLock};

use crate::{Batch, Index};

/// A commit, as subscribers see it.
pub struct Change<'a> {
    /// Its number.
    pub index: Index,
    batch: &'a Batch,
}

impl Change<'_> {
    /// The keys it wrote.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.batch.ops.iter().map(crate::Op::key)
    }
}

/// Somebody who wants to know of every commit.
pub type Subscriber = Arc<dyn Fn(&Change<'_>) + Send + Sync>;

#[derive(Default)]
pub(crate) struct Feed(RwLock<Vec<Subscriber>>);

impl Feed {
    pub(crate) fn subscribe(&self, subscriber: Subscriber) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(subscriber);
    }

    pub(crate) fn publish(&self, index: Index, batch: &Batch) {
        let change = Change { index, batch };
        for subscriber in self.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
            subscriber(&change);
        }
    }
}
