//! What a mount's plugin may use, where its operator says so.

use coffer_duration::parse_duration;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;
use crate::params::Params;

/// The limits of one mount; 0 where nothing was said: what the plugin was granted is in force then, or the host's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PluginLimits {
    /// Of one instance, in bytes.
    #[serde(skip_serializing_if = "unsaid")]
    pub memory: u64,
    /// Of one call, in seconds.
    #[serde(skip_serializing_if = "unsaid")]
    pub deadline: u64,
    /// Calls at the same time.
    #[serde(skip_serializing_if = "unsaid")]
    pub concurrency: u64,
    /// Keys and values, in bytes.
    #[serde(skip_serializing_if = "unsaid")]
    pub storage_bytes: u64,
    /// Keys.
    #[serde(skip_serializing_if = "unsaid")]
    pub storage_entries: u64,
    /// A response's data, in bytes.
    #[serde(skip_serializing_if = "unsaid")]
    pub response_size: u64,
    /// Connections of each database.
    #[serde(skip_serializing_if = "unsaid")]
    pub connections: u64,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the serializer asks by reference"
)]
fn unsaid(limit: &u64) -> bool {
    *limit == 0
}

/// How a limit is written.
#[derive(Clone, Copy)]
enum Unit {
    Bytes,
    Seconds,
    Count,
}

/// One limit: its name, unit, the least and the most, and where it is kept.
type Limit = (
    &'static str,
    Unit,
    u64,
    u64,
    fn(&mut PluginLimits) -> &mut u64,
);

/// Less memory than one page would do for nobody.
const LEAST_MEMORY: u64 = 64 << 10;

#[rustfmt::skip]
const LIMITS: [Limit; 7] = [
    ("memory", Unit::Bytes, LEAST_MEMORY, coffer_runtime::MAX_MEMORY as u64, |l| &mut l.memory),
    ("deadline", Unit::Seconds, 1, coffer_runtime::MAX_DEADLINE.as_secs(), |l| &mut l.deadline),
    ("concurrency", Unit::Count, 1, coffer_runtime::MAX_CALLS_PER_MOUNT as u64, |l| &mut l.concurrency),
    ("storage_bytes", Unit::Bytes, 1, coffer_runtime::MAX_STORAGE_BYTES, |l| &mut l.storage_bytes),
    ("storage_entries", Unit::Count, 1, coffer_runtime::MAX_STORAGE_ENTRIES, |l| &mut l.storage_entries),
    ("response_size", Unit::Bytes, 1, coffer_runtime::MAX_RESPONSE as u64, |l| &mut l.response_size),
    ("connections", Unit::Count, 1, coffer_runtime::MAX_CONNECTIONS as u64, |l| &mut l.connections),
];

impl PluginLimits {
    /// Whether nothing was said.
    pub fn is_unsaid(&self) -> bool {
        *self == Self::default()
    }

    /// Whether what is stored is limited.
    pub fn limits_storage(&self) -> bool {
        self.storage_bytes > 0 || self.storage_entries > 0
    }

    /// Takes over what `plugin_limits` says, if it is there. What it does not name stays.
    pub fn change(&mut self, params: &Params) -> Result<(), Error> {
        match params.map().get("plugin_limits") {
            None | Some(Value::Null) => {}
            Some(Value::Object(given)) => {
                for (name, value) in given {
                    self.set(name, value)?;
                }
            }
            // As `key=value`, for clients that can send nothing else.
            Some(_) => {
                for (name, text) in params.texts("plugin_limits")?.unwrap_or_default() {
                    self.set(&name, &Value::String(text))?;
                }
            }
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), Error> {
        let Some((_, unit, least, most, field)) = LIMITS.iter().find(|limit| limit.0 == name)
        else {
            let known: Vec<_> = LIMITS.iter().map(|limit| limit.0).collect();
            return Err(Error::invalid(format!(
                "plugin_limits has no {name:?}; there are {}",
                known.join(", ")
            )));
        };
        let given = read(*unit, value).ok_or_else(|| {
            let expected = match unit {
                Unit::Bytes => "bytes, as a number or like \"64MiB\"",
                Unit::Seconds => "seconds, as a number or like \"30s\"",
                Unit::Count => "a whole number",
            };
            Error::invalid(format!(
                "plugin_limits: {name:?} is {value}; expected {expected}"
            ))
        })?;
        if given != 0 && !(*least..=*most).contains(&given) {
            return Err(Error::invalid(format!(
                "plugin_limits: {name:?} is {given}; it is from {least} to {most}, or 0 for the default"
            )));
        }
        *field(self) = given;
        Ok(())
    }
}

fn read(unit: Unit, value: &Value) -> Option<u64> {
    match (value, unit) {
        (Value::Null, _) => Some(0),
        (Value::Number(number), _) => number.as_u64(),
        (Value::String(text), Unit::Seconds) => parse_duration(text),
        (Value::String(text), Unit::Bytes) => bytes(text.trim()),
        (Value::String(text), Unit::Count) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A size: `1000`, `64KiB`, `64MiB`, `1GiB`, or in powers of ten `64KB`, `64MB`, `1GB`.
fn bytes(text: &str) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let times: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(times)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn limits_are_read_and_refused() {
        let mut limits = PluginLimits::default();
        let mut set = |given: Value| {
            let mut params = serde_json::Map::new();
            params.insert("plugin_limits".to_owned(), given);
            limits.change(&Params::from(params))?;
            Ok::<_, Error>(serde_json::to_value(limits).unwrap())
        };
        let all = json!({"memory": "64MiB", "deadline": "1m30s", "concurrency": 3, "storage_bytes": "10KB",
            "storage_entries": "7", "response_size": 1024, "connections": 2});
        let expected = json!({"memory": 64 << 20, "deadline": 90, "concurrency": 3, "storage_bytes": 10_000,
            "storage_entries": 7, "response_size": 1024, "connections": 2});
        assert_eq!(set(all).unwrap(), expected);
        let reset = json!({"memory": 0, "deadline": null, "concurrency": "0", "storage_bytes": ""});
        assert!(set(reset).is_err(), "an empty size");
        let reset = json!({"memory": 0, "deadline": null, "concurrency": "0", "storage_bytes": "0",
            "storage_entries": 0, "response_size": 0});
        assert_eq!(set(reset).unwrap(), json!({"connections": 2}));
        assert_eq!(
            set(json!("memory=1MiB,connections=0")).unwrap(),
            json!({"memory": 1 << 20})
        );
        assert_eq!(set(Value::Null).unwrap(), json!({"memory": 1 << 20}));
        for bad in [
            json!({"memory": "513MiB"}),
            json!({"memory": 1}),
            json!({"deadline": 3601}),
            json!({"deadline": -1}),
            json!({"concurrency": 257}),
            json!({"storage_bytes": "2TiB"}),
            json!({"response_size": "33MiB"}),
            json!({"connections": 65}),
            json!({"connections": 1.5}),
            json!({"fuel": 1}),
            json!({"memory": true}),
            json!("x"),
        ] {
            assert!(matches!(set(bad.clone()), Err(Error::Invalid(_))), "{bad}");
        }
    }
}
