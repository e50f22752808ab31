//! What a host in memory holds, and how storage, randomness and leases behave on it.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::faults::Faults;
use super::network;
use crate::effects::{LeaseGrant, LeaseRequest};
use crate::{Error, Result};

/// How long a body in place of JSON can be, in bytes, as on a server.
const MAX_CONTENT: usize = 1 << 20;

/// What the host of this thread holds.
pub(crate) struct State {
    pub(super) storage: BTreeMap<String, Vec<u8>>,
    /// What a failure of the request under way leaves.
    pub(super) committed: BTreeMap<String, Vec<u8>>,
    /// The keys held for the plugin, as they are kept, by name.
    pub(super) keys: BTreeMap<String, Vec<u8>>,
    pub(super) committed_keys: BTreeMap<String, Vec<u8>>,
    pub(super) gets: usize,
    pub(crate) now: u64,
    pub(crate) log: Vec<String>,
    pub(crate) mount: crate::mount::Info,
    pub(crate) closed: Vec<String>,
    pub(super) network: network::Network,
    pub(super) leases: Vec<LeaseRequest>,
    /// Whether the request under way has its lease.
    pub(super) leased: bool,
    /// Leases that were neither ended nor withdrawn.
    pub(super) unended: Vec<LeaseRequest>,
    pub(super) faults: Faults,
    /// What requests say in headers.
    pub(super) request_headers: Vec<(String, String)>,
    /// What the plugin has said in headers.
    pub(super) response_headers: Vec<(String, String)>,
    /// The groups that the plugin has said who logs in is in.
    pub(super) login_groups: Vec<String>,
    /// The body of the last response that had one in place of JSON, and its content type.
    pub(super) content: Option<(String, Vec<u8>)>,
    /// Lengths and alphabets, by the names of password policies.
    pub(super) password_policies: BTreeMap<String, (usize, String)>,
    /// The token and the certificates that the pod has, if the server runs in one.
    pub(crate) pod: (Option<String>, Option<String>),
    pub(super) seed: u64,
    pub(super) rolls: u64,
}

pub(super) fn check_key(key: &str) -> Result<()> {
    let stray = |segment| segment == ".." || segment == ".";
    if key.is_empty()
        || key.len() > 1024
        || key.starts_with('/')
        || key.contains('\0')
        || key.split('/').any(stray)
    {
        return Err(Error::invalid("invalid storage key"));
    }
    Ok(())
}

impl State {
    pub(crate) fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        check_key(key)?;
        self.gets += 1;
        self.faults.storage("Get")?;
        Ok(self.storage.get(key).cloned())
    }

    pub(crate) fn put(&mut self, key: &str, value: &[u8]) -> Result<()> {
        check_key(key)?;
        self.faults.storage("Put")?;
        if value.len() > 1 << 20 {
            return Err(Error::invalid("a value is too large"));
        }
        self.storage.insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    pub(crate) fn delete(&mut self, key: &str) -> Result<()> {
        check_key(key)?;
        self.faults.storage("Delete")?;
        self.storage.remove(key);
        Ok(())
    }

    pub(crate) fn scan(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>> {
        self.faults.storage("List")?;
        let after = after.unwrap_or_default();
        let keys = self
            .storage
            .keys()
            .filter(|key| key.starts_with(prefix) && key.as_str() > after);
        Ok(keys.take(limit.min(10_000) as usize).cloned().collect())
    }

    pub(crate) fn children(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>> {
        self.faults.storage("List")?;
        let mut names: Vec<String> = self
            .storage
            .keys()
            .filter_map(|key| key.strip_prefix(prefix))
            .map(|rest| {
                rest.split_once('/')
                    .map_or(rest.to_owned(), |(directory, _)| format!("{directory}/"))
            })
            .filter(|name| after.is_none_or(|after| name.as_str() > after))
            .collect();
        names.dedup();
        names.truncate(limit.min(100_000) as usize);
        Ok(names)
    }

    pub(crate) fn random(&mut self, len: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < len as usize {
            self.rolls += 1;
            bytes.extend(Sha256::digest(
                [self.seed.to_le_bytes(), self.rolls.to_le_bytes()].concat(),
            ));
        }
        bytes.truncate(len as usize);
        bytes
    }

    /// A password policy's length and alphabet.
    pub(crate) fn password_policy(&self, name: &str) -> Result<(usize, String)> {
        let policy = self.password_policies.get(name).cloned();
        policy.ok_or_else(|| Error::not_found("no password policy found"))
    }

    pub(crate) fn request_header(&self, name: &str) -> Vec<String> {
        let headers = self.request_headers.iter();
        headers
            .filter(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone())
            .collect()
    }

    pub(crate) fn respond_with_header(&mut self, name: &str, value: &str) -> Result<()> {
        let is_visible = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if name.is_empty() || name.contains([' ', ':']) || !is_visible(name) || !is_visible(value) {
            return Err(Error::internal(format!(
                "{name:?} with this value is no header of HTTP"
            )));
        }
        self.response_headers
            .push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    pub(crate) fn login_groups(&mut self, names: &[String]) -> Result<()> {
        if names.len() > 1024 || names.iter().any(|name| !(1..=1024).contains(&name.len())) {
            return Err(Error::invalid(
                "a login can name 1024 groups of 1 to 1024 bytes",
            ));
        }
        self.login_groups = names.to_vec();
        Ok(())
    }

    pub(crate) fn respond_with(&mut self, content_type: &str, body: Vec<u8>) -> Result<()> {
        let is_visible = content_type
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte));
        if !content_type.contains('/') || !is_visible {
            return Err(Error::internal(format!(
                "{content_type:?} is no content type"
            )));
        }
        if body.len() > MAX_CONTENT {
            return Err(Error::internal("a body can have 1 MiB"));
        }
        self.content = Some((content_type.to_owned(), body));
        Ok(())
    }

    pub(crate) fn withdraw(&mut self) -> Result<()> {
        if std::mem::take(&mut self.leased) {
            self.leases.pop();
            self.unended.pop();
        }
        Ok(())
    }

    pub(crate) fn prepare(&mut self, lease: Option<&LeaseRequest>) -> Result<Option<LeaseGrant>> {
        if lease.is_some() && std::mem::replace(&mut self.leased, true) {
            return Err(Error::invalid("a request can have one lease"));
        }
        self.committed = self.storage.clone();
        self.committed_keys = self.keys.clone();
        let Some(lease) = lease else { return Ok(None) };
        self.leases.push(lease.clone());
        self.unended.push(lease.clone());
        let set = |ttl, default| if ttl > 0 { ttl } else { default };
        let max = set(lease.max_ttl, self.mount.max_lease_ttl).min(self.mount.max_lease_ttl);
        let ttl = set(lease.ttl, self.mount.default_lease_ttl).min(max);
        let lease_id = format!("{}lease/{}", self.mount.path, self.leases.len());
        Ok(Some(LeaseGrant {
            lease_id,
            ttl,
            expires: self.now + ttl * 1000,
            renewable: lease.renewable,
        }))
    }
}
