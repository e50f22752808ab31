//! How much is stored below a prefix, counted as it is committed, and kept within a limit.
//!
//! The counts are [storage counters](coffer_storage::Op::AddWithin): the bound is checked where the batch is written, so
//! two commits that race for the last room never both get it, and two that have room never get in each other's way.

use std::collections::BTreeMap;
use std::ops::Bound;

use coffer_storage::{Index, Op, Snapshot, StorageError, counter};

use crate::BarrierError;
use crate::keyring::OVERHEAD;
use crate::transaction::Value;

/// What is counted, and how far it may grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meter {
    /// What the counted keys start with.
    pub prefix: String,
    /// Where the number of entries is kept.
    pub entries: String,
    /// Where their size is kept: keys below the prefix, and values.
    pub bytes: String,
    /// The most entries; None: any number.
    pub max_entries: Option<i64>,
    /// The most bytes; None: any number.
    pub max_bytes: Option<i64>,
}

/// How much is stored, or how much comes to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// How many keys.
    pub entries: i64,
    /// Keys below the prefix, and values, in bytes.
    pub bytes: i64,
}

impl Usage {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            entries: self.entries.saturating_add(other.entries),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    /// The same, taken away.
    #[must_use]
    pub fn negated(self) -> Self {
        Self {
            entries: self.entries.saturating_neg(),
            bytes: self.bytes.saturating_neg(),
        }
    }
}

impl Meter {
    /// The same counters without a limit.
    #[must_use]
    pub fn unlimited(&self) -> Self {
        Self {
            max_entries: None,
            max_bytes: None,
            ..self.clone()
        }
    }

    fn one(&self, key: &str, value: usize) -> Usage {
        let bytes = (key.len() - self.prefix.len()).saturating_add(value);
        Usage {
            entries: 1,
            bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
        }
    }

    /// What these writes add. What they replace becomes a condition of the commit.
    pub(crate) async fn growth(
        &self,
        snapshot: &dyn Snapshot,
        written: &BTreeMap<String, Option<Value>>,
        read: &mut BTreeMap<String, Option<Index>>,
    ) -> Result<Usage, BarrierError> {
        let mut growth = Usage::default();
        let counted = written
            .range::<str, _>((Bound::Included(self.prefix.as_str()), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(&self.prefix));
        for (key, value) in counted {
            let before = snapshot.get(key).await?;
            read.entry(key.clone())
                .or_insert_with(|| before.as_ref().map(|entry| entry.version));
            if let Some(before) = before {
                let length = before.value.len().saturating_sub(OVERHEAD);
                growth = growth.plus(self.one(key, length).negated());
            }
            if let Some(value) = value {
                growth = growth.plus(self.one(key, value.len()));
            }
        }
        Ok(growth)
    }

    /// What notes it in the counters.
    pub(crate) fn ops(&self, growth: Usage) -> impl Iterator<Item = Op> {
        [
            (&self.entries, growth.entries, self.max_entries),
            (&self.bytes, growth.bytes, self.max_bytes),
        ]
        .into_iter()
        .filter(|(_, delta, _)| *delta != 0)
        .map(|(key, delta, max)| {
            let key = key.clone();
            match max {
                Some(max) => Op::AddWithin { key, delta, max },
                None => Op::Add { key, delta },
            }
        })
    }

    /// Says which limit it was.
    pub(crate) fn refused(&self, error: StorageError, growth: Usage) -> BarrierError {
        let StorageError::Full { key, value } = &error else {
            return error.into();
        };
        let (limit, max, more) = if *key == self.entries {
            ("storage_entries", self.max_entries, growth.entries)
        } else {
            ("storage_bytes", self.max_bytes, growth.bytes)
        };
        BarrierError::Full {
            limit,
            max: max.unwrap_or_default(),
            used: *value,
            more,
        }
    }

    pub(crate) async fn measure(
        &self,
        snapshot: &dyn Snapshot,
        after: Option<&str>,
        page: usize,
    ) -> Result<(Usage, Option<String>), BarrierError> {
        let keys = snapshot.list(&self.prefix, after, page).await?;
        let mut usage = Usage::default();
        for key in &keys {
            if let Some(entry) = snapshot.get(key).await? {
                let length = entry.value.len().saturating_sub(OVERHEAD);
                usage = usage.plus(self.one(key, length));
            }
        }
        let more = keys.len() == page;
        Ok((usage, keys.into_iter().next_back().filter(|_| more)))
    }

    pub(crate) async fn read(&self, snapshot: &dyn Snapshot) -> Result<Usage, BarrierError> {
        let entries = snapshot.get(&self.entries).await?;
        let bytes = snapshot.get(&self.bytes).await?;
        Ok(Usage {
            entries: counter(entries.as_ref().map(|entry| &*entry.value)),
            bytes: counter(bytes.as_ref().map(|entry| &*entry.value)),
        })
    }
}
