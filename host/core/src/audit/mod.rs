//! Audit: every request and every answer is recorded by at least one device before the answer leaves, or it fails.
//!
//! Which devices there are is stored, and read again when the change feed says so. What a record says is [`record`]'s; a
//! request carries a [`Trail`] on its way, which knows what has been recorded of it.

mod configured;
mod entry;
mod hasher;
mod json;
mod record;
mod trail;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use coffer_audit::Device;
use coffer_barrier::{Barrier, Transaction};

pub use configured::configure;
pub use entry::AuditEntry;
use entry::Shape;
pub use hasher::Hasher;
pub use trail::{Doing, Trail};

use crate::keys::{self, Ns, ROOT_NS};
use crate::{Error, limits};

/// What the server's configuration says of audit devices.
#[derive(Clone, Debug, Default)]
pub struct AuditConfig {
    /// The folder below which devices of type `file` that are made through the API may write; None: nowhere.
    pub directory: Option<PathBuf>,
    /// Whether devices of type `socket` can be made through the API.
    pub sockets: bool,
    /// The devices that the configuration itself names. They are there while it does, and may write anywhere.
    pub devices: Vec<DeviceConfig>,
}

/// What makes a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceConfig {
    /// With its trailing slash: `file/`.
    pub path: String,
    /// `file`, `socket` or `syslog`.
    pub kind: String,
    /// For people.
    pub description: String,
    /// What its type takes.
    pub options: BTreeMap<String, String>,
    /// Shown, and nothing else: there is nothing to replicate it to.
    pub local: bool,
}

/// The devices there are.
pub struct Audit {
    pub config: AuditConfig,
    current: ArcSwapOption<Devices>,
    /// The last commit that changed any device.
    changed: Arc<AtomicU64>,
    /// Who reads them anew; the others wait for that.
    turn: tokio::sync::Mutex<()>,
}

/// A header of requests that is recorded.
pub struct AuditedHeader {
    /// In lower case.
    pub name: String,
    /// Whether its values are hashed.
    pub hmac: bool,
}

/// The devices as they were after some commit.
pub struct Devices {
    changed: u64,
    /// What all of them record of requests' headers.
    headers: Vec<AuditedHeader>,
    /// In the order of `writers`.
    recorders: Vec<Recorder>,
    writers: Vec<Arc<Device>>,
}

/// What a device is, and how it shows things.
pub struct Recorder {
    pub entry: AuditEntry,
    pub hasher: Hasher,
    shape: Shape,
}

impl Audit {
    pub fn new(config: AuditConfig, barrier: &Barrier) -> Self {
        let changed = Arc::new(AtomicU64::new(0));
        let last = changed.clone();
        barrier.storage().subscribe(Arc::new(move |change| {
            if change.keys().any(keys::is_audit) {
                last.fetch_max(change.index, Ordering::AcqRel);
            }
        }));
        Self {
            config,
            current: ArcSwapOption::empty(),
            changed,
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// The devices in force.
    ///
    /// # Errors
    /// If they cannot be read, or made: nothing may be answered then.
    pub async fn devices(&self, barrier: &Barrier) -> Result<Arc<Devices>, Error> {
        let current = || {
            let changed = self.changed.load(Ordering::Acquire);
            let have = self.current.load_full();
            (
                changed,
                have.clone().filter(|have| have.changed == changed),
                have,
            )
        };
        if let (_, Some(devices), _) = current() {
            return Ok(devices);
        }
        let _turn = self.turn.lock().await;
        let (changed, fresh, before) = current();
        if let Some(devices) = fresh {
            return Ok(devices);
        }
        let mut txn = barrier.begin()?;
        let prefix = Ns(ROOT_NS).audit("");
        let mut devices = Devices {
            changed,
            headers: self.headers(&mut txn).await?,
            recorders: Vec::new(),
            writers: Vec::new(),
        };
        for key in txn.list(&prefix, None, limits::AUDIT_DEVICES).await? {
            let Some(value) = txn.get(&key).await? else {
                continue;
            };
            let entry: AuditEntry =
                serde_json::from_slice(&value).map_err(|_| Error::Corrupt(key.clone()))?;
            let writer = match before.as_ref().and_then(|before| before.writer(&entry)) {
                Some(writer) => writer,
                None => entry.device()?,
            };
            devices.recorders.push(Recorder::new(entry)?);
            devices.writers.push(writer);
        }
        let devices = Arc::new(devices);
        self.current.store(Some(devices.clone()));
        Ok(devices)
    }

    /// The headers of requests that are recorded, in order of name.
    pub async fn headers(&self, txn: &mut Transaction) -> Result<Vec<AuditedHeader>, Error> {
        let prefix = Ns(ROOT_NS).audited_header("");
        let mut headers = Vec::new();
        for key in txn.list(&prefix, None, limits::AUDITED_HEADERS).await? {
            let stored = txn.get(&key).await?;
            headers.push(AuditedHeader {
                name: key.strip_prefix(&prefix).unwrap_or_default().to_owned(),
                hmac: stored.is_none_or(|stored| *stored != [0]),
            });
        }
        Ok(headers)
    }

    /// Has every device open anew what it writes to: somebody has moved a file.
    pub fn reopen(&self) {
        if let Some(devices) = self.current.load_full() {
            devices.writers.iter().for_each(|writer| writer.reopen());
        }
    }

    /// Forgets the devices and the salts of their hashes.
    pub fn seal(&self) {
        self.current.store(None);
    }
}

impl Devices {
    /// What writes for a device that is what it was.
    fn writer(&self, entry: &AuditEntry) -> Option<Arc<Device>> {
        let mut have = self.recorders.iter();
        let at = have.position(|have| have.entry == *entry)?;
        self.writers.get(at).cloned()
    }

    /// The device of this path.
    pub fn get(&self, path: &str) -> Option<&Recorder> {
        self.recorders.iter().find(|have| have.entry.path == path)
    }

    /// All of them, in order of path.
    pub fn iter(&self) -> impl Iterator<Item = &Recorder> {
        self.recorders.iter()
    }
}

impl Recorder {
    fn new(entry: AuditEntry) -> Result<Self, Error> {
        let shape = entry.shape()?;
        Ok(Self {
            hasher: Hasher::new(entry.salt.as_bytes(), shape.raw),
            shape,
            entry,
        })
    }
}
