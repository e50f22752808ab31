//! Which cluster this is: made once, and told by `sys/health` and `sys/seal-status` while the barrier is open.

use serde::{Deserialize, Serialize};

use crate::{Core, Error, stored};

const KEY: &str = "core/cluster";

/// A cluster's name and id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cluster {
    /// For people: `coffer-cluster-1a2b3c4d`.
    pub name: String,
    /// A UUID.
    pub id: String,
}

impl Cluster {
    /// What is stored, with the name that is configured; made and stored, if nothing is.
    pub async fn load(core: &Core) -> Result<Self, Error> {
        core.transact(|mut txn| async move {
            let stored: Option<Self> = stored::load(&mut txn, KEY).await?;
            let wanted = core.config.cluster_name.as_ref();
            let cluster = match (stored, wanted) {
                (Some(stored), None) => return Ok((stored, txn)),
                (Some(stored), Some(name)) if stored.name == *name => return Ok((stored, txn)),
                (stored, wanted) => Self {
                    name: wanted.cloned().unwrap_or_else(|| {
                        format!("coffer-cluster-{}", hex::encode(core.random.bytes::<4>()))
                    }),
                    id: stored.map_or_else(|| core.random.uuid(), |stored| stored.id),
                },
            };
            txn.put(KEY, serde_json::to_vec(&cluster).unwrap_or_default());
            Ok((cluster, txn))
        })
        .await
    }
}
