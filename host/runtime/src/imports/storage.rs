//! `storage`: a plugin's keys are put below its mount's prefix, and no key leads out of it.

use coffer_barrier::BarrierError;

use crate::bindings::plugin::coffer::plugin::storage;
use crate::error::plugin_error;
use crate::outside::StorageAccess;
use crate::state::State;
use crate::{CallError, ErrorKind, PluginError, limits};

type Answer<T> = wasmtime::Result<Result<T, PluginError>>;

fn invalid(message: String) -> PluginError {
    plugin_error(ErrorKind::InvalidRequest, message)
}

/// The rules for keys, as `wit/imports.wit` gives them.
pub(super) fn check(key: &str) -> Result<(), PluginError> {
    let refuse = |rule: &str| Err(invalid(format!("invalid storage key: {rule}")));
    if key.is_empty() {
        return refuse("it is empty");
    }
    if key.len() > limits::KEY {
        return refuse(&format!(
            "it has {} bytes; {} are allowed",
            key.len(),
            limits::KEY
        ));
    }
    check_prefix(key)
}

fn check_prefix(prefix: &str) -> Result<(), PluginError> {
    let refuse = |rule: &str| Err(invalid(format!("invalid storage key: {rule}")));
    if prefix.len() > limits::KEY {
        return refuse(&format!(
            "it has {} bytes; {} are allowed",
            prefix.len(),
            limits::KEY
        ));
    }
    if prefix.contains('\0') {
        return refuse("it contains NUL");
    }
    if prefix.starts_with('/') {
        return refuse("it starts with a slash");
    }
    if prefix
        .split('/')
        .any(|segment| segment == ".." || segment == ".")
    {
        return refuse("it contains a segment \".\" or \"..\"");
    }
    Ok(())
}

impl State {
    /// Under test, what the test has to say of it.
    fn accessed(&self, access: StorageAccess) -> Result<(), PluginError> {
        match &self.outside {
            Some(outside) => outside.storage(access),
            None => Ok(()),
        }
    }

    /// Counts what is read or written, and ends a guest for which that is too much: its transaction keeps all of it.
    pub(super) fn spend(&mut self, keys: usize, bytes: usize) -> wasmtime::Result<()> {
        self.spent.keys += keys;
        self.spent.stored += bytes;
        if self.spent.keys > limits::CALL_KEYS || self.spent.stored > limits::CALL_STORAGE {
            return Err(self.fail(CallError::Storage));
        }
        Ok(())
    }

    /// Names are not kept: a listing counts as one key, however long it is.
    fn listed(&mut self, names: Result<Vec<String>, BarrierError>) -> Answer<Vec<String>> {
        let bytes = names.iter().flatten().map(String::len).sum();
        self.spend(1, bytes)?;
        self.barrier(names)
    }

    pub(super) fn barrier<T>(&mut self, result: Result<T, BarrierError>) -> Answer<T> {
        match result {
            Ok(value) => Ok(Ok(value)),
            Err(BarrierError::TooLarge(message)) => Ok(Err(invalid(message))),
            Err(error) => Err(self.fail(CallError::Barrier(error))),
        }
    }
}

impl storage::Host for State {
    async fn get(&mut self, key: String) -> Answer<Option<Vec<u8>>> {
        answer!(check(&key));
        answer!(self.accessed(StorageAccess::Get));
        self.spend(1, key.len())?;
        let call = self.call()?;
        let key = call.mount.key(&key);
        // Moved out, not copied; wasmtime copies it into the guest.
        let value = call
            .txn
            .get(&key)
            .await
            .map(|value| value.map(|mut value| std::mem::take(&mut *value)));
        if let Ok(Some(value)) = &value {
            self.spend(0, value.len())?;
        }
        self.barrier(value)
    }

    async fn put(&mut self, key: String, value: Vec<u8>) -> Answer<()> {
        answer!(check(&key));
        answer!(self.accessed(StorageAccess::Put));
        if value.len() > limits::VALUE {
            let message = format!(
                "a value of {} bytes is too large; {} are allowed",
                value.len(),
                limits::VALUE
            );
            return Ok(Err(invalid(message)));
        }
        self.spend(1, key.len() + value.len())?;
        let call = self.call()?;
        let key = call.mount.key(&key);
        call.txn.put(key, value);
        Ok(Ok(()))
    }

    async fn delete(&mut self, key: String) -> Answer<()> {
        answer!(check(&key));
        answer!(self.accessed(StorageAccess::Delete));
        self.spend(1, key.len())?;
        let call = self.call()?;
        let key = call.mount.key(&key);
        call.txn.delete(key);
        Ok(Ok(()))
    }

    async fn scan(
        &mut self,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> Answer<Vec<String>> {
        answer!(check_prefix(&prefix));
        answer!(self.accessed(StorageAccess::List));
        let call = self.call()?;
        let root = call.mount.storage_prefix.len();
        let (full, after) = (
            call.mount.key(&prefix),
            after.map(|after| call.mount.key(&after)),
        );
        let limit = limit.min(limits::SCAN) as usize;
        let keys = call.txn.list(&full, after.as_deref(), limit).await;
        let keys = keys.map(|mut keys| {
            keys.iter_mut().for_each(|key| drop(key.drain(..root)));
            keys
        });
        self.listed(keys)
    }

    async fn children(
        &mut self,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> Answer<Vec<String>> {
        answer!(check_prefix(&prefix));
        answer!(self.accessed(StorageAccess::List));
        if !prefix.is_empty() && !prefix.ends_with('/') {
            return Ok(Err(invalid(format!(
                "invalid storage prefix: {prefix:?} does not end in a slash"
            ))));
        }
        let call = self.call()?;
        let full = call.mount.key(&prefix);
        let names = call
            .txn
            .children(
                &full,
                after.as_deref(),
                limit.min(limits::CHILDREN) as usize,
            )
            .await;
        self.listed(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_in_their_mount() {
        let long = "x".repeat(limits::KEY + 1);
        for bad in [
            "",
            "/a",
            "../other",
            "a/../../b",
            "a/..",
            ".",
            "a\0b",
            long.as_str(),
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "a/b", "..a", "a..", "ü/ß", "a//b", "a/"] {
            assert!(check(good).is_ok(), "{good:?}");
        }
    }
}
