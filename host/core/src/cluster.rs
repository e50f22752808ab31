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
    /// What is stored; made and stored, if nothing is.
    pub async fn load(core: &Core) -> Result<Self, Error> {
        core.transact(|mut txn| async move {
            if let Some(cluster) = stored::load(&mut txn, KEY).await? {
                return Ok((cluster, txn));
            }
            let cluster = Self {
                name: format!("coffer-cluster-{}", hex::encode(core.random.bytes::<4>())),
                id: core.random.uuid(),
            };
            txn.put(KEY, serde_json::to_vec(&cluster).unwrap_or_default());
            Ok((cluster, txn))
        })
        .await
    }
}
