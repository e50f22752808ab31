//! Logins that have succeeded at the provider: those that wait to be asked for, and those that have served.

use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use super::state::{Flow, digest};
use crate::person::Person;

const PREFIX: &str = "login/";
/// How many are swept at once.
const PAGE: u32 = 500;

/// What has come of a login.
#[derive(Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// It waits for whoever asks for it.
    Waits(Person),
    /// Somebody has had it.
    Served,
}

/// In the order in which they expire.
fn key(state: &str, flow: &Flow) -> String {
    format!("{PREFIX}{:012}/{}", flow.expires, digest(state))
}

impl Outcome {
    /// What has come of it so far, if anything.
    pub fn load(state: &str, flow: &Flow) -> Result<Option<Self>> {
        storage::get_json(&key(state, flow))
    }

    /// Kept until the state has expired. Of two who come with the same state at the same time one finds it changed.
    pub fn keep(&self, state: &str, flow: &Flow) -> Result<()> {
        storage::put_json(&key(state, flow), self)
    }
}

/// Removes what has expired.
pub(crate) fn sweep() -> Result<()> {
    let now = format!("{PREFIX}{:012}", clock::now() / 1000);
    loop {
        let keys = storage::scan(PREFIX, None, PAGE)?;
        let expired = keys.iter().take_while(|key| **key < now);
        let mut swept = 0;
        for key in expired {
            storage::delete(key)?;
            swept += 1;
        }
        if swept < PAGE {
            return Ok(());
        }
        effects::prepare()?;
    }
}
