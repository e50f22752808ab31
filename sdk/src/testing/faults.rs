//! What goes wrong when a test says so, besides the network's [`Fault`](super::Fault)s.

use super::Host;
use crate::{Error, Result};

/// Storage that fails. The number is which call it hits, from the moment that the fault was asked for: 1 is the next.
/// Nothing is read or written by it; what is done about the error is the plugin's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageFault {
    /// Reading a key fails.
    Get(usize),
    /// Setting a key fails.
    Put(usize),
    /// Removing a key fails.
    Delete(usize),
    /// A listing fails.
    List(usize),
}

impl StorageFault {
    const fn parts(self) -> (&'static str, usize) {
        match self {
            Self::Get(nth) => ("Get", nth),
            Self::Put(nth) => ("Put", nth),
            Self::Delete(nth) => ("Delete", nth),
            Self::List(nth) => ("List", nth),
        }
    }
}

/// The faults that have not struck yet.
#[derive(Default)]
pub(super) struct Faults {
    storage: Vec<(&'static str, usize)>,
    http: Vec<usize>,
}

impl Faults {
    /// One more access: whether it fails.
    pub(super) fn storage(&mut self, access: &str) -> Result<()> {
        let mut hit = false;
        self.storage.retain_mut(|(of, left)| {
            let struck = *of == access && count_down(left);
            hit |= struck;
            !struck
        });
        if !hit {
            return Ok(());
        }
        let message = format!("storage ({access}): the test lets it fail");
        Err(Error::unavailable(message))
    }

    fn http(&mut self) -> bool {
        let before = self.http.len();
        self.http.retain_mut(|left| !count_down(left));
        self.http.len() < before
    }

    pub(super) fn on_wire(&self) -> &[(&'static str, usize)] {
        &self.storage
    }

    pub(super) fn set_left(&mut self, left: &[(String, usize)]) {
        let known = ["Get", "Put", "Delete", "List"];
        self.storage = left
            .iter()
            .filter_map(|(access, left)| {
                Some((*known.iter().find(|known| *known == access)?, *left))
            })
            .collect();
    }
}

fn count_down(left: &mut usize) -> bool {
    *left = left.saturating_sub(1);
    *left == 0
}

/// Whether this HTTP request finds nobody.
pub(super) fn http(url: &str) -> Result<()> {
    if Host::with(|host| host.faults.http()) {
        let message = format!("no answer from {url}: the test lets it fail");
        return Err(Error::unavailable(message));
    }
    Ok(())
}

impl Host {
    /// Lets storage fail.
    pub fn fail_storage(&self, fault: StorageFault) {
        Self::with(|host| host.faults.storage.push(fault.parts()));
    }

    /// Lets the `nth` HTTP request from now on (1 is the next) go without an answer. Nobody sees it.
    pub fn fail_http(&self, nth: usize) {
        Self::with(|host| host.faults.http.push(nth));
    }

    /// Sets the clock, in milliseconds since the Unix epoch: back too, as somebody may set a machine's.
    pub fn set_clock(&self, now: u64) {
        Self::with(|host| host.now = now);
    }
}
