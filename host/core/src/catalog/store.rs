//! The bytes of components, and what the compiler made of them, behind the barrier: in pieces, each stored by itself, so
//! that a large component neither fills one transaction nor holds up the others.

use std::sync::Arc;

use async_trait::async_trait;
use coffer_barrier::Barrier;
use coffer_runtime::ComponentStore;

use crate::{Error, keys};

/// Bytes of one piece.
const PIECE: usize = 256 << 10;

/// Where the pieces are.
#[derive(Clone)]
pub struct Pieces(Arc<Barrier>);

impl Pieces {
    pub(super) fn new(barrier: Arc<Barrier>) -> Self {
        Self(barrier)
    }

    /// Stores a component. It counts once an entry names its digest.
    pub(super) async fn keep(&self, sha256: &str, component: &[u8]) -> Result<(), Error> {
        self.write(&keys::plugin_bytes(sha256), component).await
    }

    /// Removes a component, and what was compiled of it.
    pub(super) async fn remove(&self, sha256: &str) -> Result<(), Error> {
        for prefix in [keys::plugin_code(sha256, ""), keys::plugin_bytes(sha256)] {
            self.clear(prefix.trim_end_matches('/')).await?;
        }
        Ok(())
    }

    /// The digests of all that is stored.
    pub(super) async fn digests(&self) -> Result<Vec<String>, Error> {
        let txn = self.0.begin()?;
        let mut names = Vec::new();
        for prefix in [keys::PLUGIN_BYTES, keys::PLUGIN_CODE] {
            let found = txn.children(prefix, None, usize::MAX).await?;
            names.extend(
                found
                    .iter()
                    .map(|name| name.trim_end_matches('/').to_owned()),
            );
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    async fn write(&self, prefix: &str, bytes: &[u8]) -> Result<(), Error> {
        for (at, piece) in bytes.chunks(PIECE).enumerate() {
            let mut txn = self.0.begin()?;
            txn.put(format!("{prefix}{at:08x}"), piece);
            txn.commit().await?;
        }
        Ok(())
    }

    async fn read(&self, prefix: &str) -> Result<Vec<u8>, Error> {
        let mut txn = self.0.begin()?;
        let mut bytes = Vec::new();
        for key in txn.list(prefix, None, usize::MAX).await? {
            if let Some(piece) = txn.get(&key).await? {
                bytes.extend_from_slice(&piece);
            }
        }
        Ok(bytes)
    }

    async fn clear(&self, prefix: &str) -> Result<(), Error> {
        let mut txn = self.0.begin()?;
        let prefix = format!("{prefix}/");
        for key in txn.list(&prefix, None, usize::MAX).await? {
            txn.delete(key);
        }
        txn.commit().await?;
        Ok(())
    }
}

#[async_trait]
impl ComponentStore for Pieces {
    async fn component(&self, sha256: &str) -> Result<Vec<u8>, String> {
        let bytes = self
            .read(&keys::plugin_bytes(sha256))
            .await
            .map_err(|error| format!("{sha256}: {error}"))?;
        if bytes.is_empty() {
            return Err(format!("{sha256} is not stored here"));
        }
        Ok(bytes)
    }

    async fn compiled(&self, sha256: &str, engine: &str) -> Option<Vec<u8>> {
        let prefix = keys::plugin_code(sha256, engine);
        let mut bytes = self.read(&prefix).await.ok()?;
        // The length stands at the end, and was written last: what is not whole is not used.
        let length = bytes.split_off(bytes.len().checked_sub(8)?);
        let length = u64::from_le_bytes(length.try_into().ok()?);
        (length == bytes.len() as u64).then_some(bytes)
    }

    async fn keep_compiled(&self, sha256: &str, engine: &str, code: &[u8]) {
        let prefix = keys::plugin_code(sha256, engine);
        let kept = async {
            // What another engine left is of no use any more.
            self.clear(keys::plugin_code(sha256, "").trim_end_matches('/'))
                .await?;
            let length = (code.len() as u64).to_le_bytes();
            self.write(&prefix, &[code, &length].concat()).await
        };
        if let Err(error) = kept.await {
            tracing::warn!(sha256, %error, "compiled code is not kept: the next start compiles again");
        }
    }
}
