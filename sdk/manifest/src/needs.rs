//! What a component asks for, and what an operator grants.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a component asks for. What it does not ask for it does not get, whatever it imports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Needs {
    /// Where it connects to.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub network: BTreeSet<Destination>,
    /// What it does with keys that the host holds.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub keys: BTreeSet<KeyOperation>,
    /// Whether it has periodic work.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub periodic: bool,
    /// Whether it reads what Kubernetes lays into the server's pod.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pod: bool,
    /// Memory of one instance, in bytes, if the usual is not right for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// How long one call may take, in seconds, if the usual is not right for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u64>,
}

/// Where a component connects to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// To what the operator names in its configuration.
    Configuration,
    /// To this host and port.
    Fixed(String, u16),
}

/// What a component does with keys that the host holds for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyOperation {
    /// Makes others of one.
    Derive,
    /// Encrypts and decrypts.
    Encrypt,
    /// Gets to see the key itself.
    Export,
    /// Hands in a key that it has from elsewhere.
    Import,
    /// Makes authentication codes.
    Mac,
    /// Signs and verifies.
    Sign,
}

impl KeyOperation {
    /// All of them, in order of name.
    pub const ALL: [Self; 6] = [
        Self::Derive,
        Self::Encrypt,
        Self::Export,
        Self::Import,
        Self::Mac,
        Self::Sign,
    ];
}

/// One thing that is asked for and granted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// `network:configuration`, `network:api.example.com:443`.
    Network(Destination),
    /// `keys:sign`.
    Keys(KeyOperation),
    /// `periodic`.
    Periodic,
    /// `pod`: the token of the server's own service account.
    Pod,
    /// `memory:BYTES`, of one instance.
    Memory(u64),
    /// `deadline:SECONDS`, of one call.
    Deadline(u64),
}

const DESTINATIONS: usize = 64;
/// One page of memory would do for nobody, in bytes.
const LEAST_MEMORY: u64 = 1 << 20;
/// An hour, in seconds.
const LONGEST_DEADLINE: u64 = 3600;

impl Needs {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// One by one.
    pub fn capabilities(&self) -> Vec<Capability> {
        let network = self.network.iter().cloned().map(Capability::Network);
        network
            .chain(self.keys.iter().copied().map(Capability::Keys))
            .chain(self.periodic.then_some(Capability::Periodic))
            .chain(self.pod.then_some(Capability::Pod))
            .chain(self.memory.map(Capability::Memory))
            .chain(self.deadline.map(Capability::Deadline))
            .collect()
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        if self.network.len() > DESTINATIONS {
            let count = self.network.len();
            return Err(format!("{count} destinations; {DESTINATIONS} are allowed"));
        }
        if let Some(memory) = self.memory.filter(|memory| *memory < LEAST_MEMORY) {
            return Err(format!("memory of {memory} bytes; it needs {LEAST_MEMORY}"));
        }
        if let Some(deadline) = self.deadline
            && !(1..=LONGEST_DEADLINE).contains(&deadline)
        {
            return Err(format!(
                "a deadline of {deadline} s; it is from 1 to {LONGEST_DEADLINE}"
            ));
        }
        Ok(())
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration => f.write_str("configuration"),
            Self::Fixed(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "configuration" {
            return Ok(Self::Configuration);
        }
        let wrong = || {
            format!(
                "{text:?} is no destination: it is \"configuration\", or a host and a port such as \"api.example.com:443\""
            )
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(wrong)?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .filter(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
        let named = !host.is_empty()
            && host.len() <= 253
            && host
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
        if bare.is_none() && !named {
            return Err(wrong());
        }
        Ok(Self::Fixed(host.to_ascii_lowercase(), port))
    }
}

impl fmt::Display for KeyOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Derive => "derive",
            Self::Encrypt => "encrypt",
            Self::Export => "export",
            Self::Import => "import",
            Self::Mac => "mac",
            Self::Sign => "sign",
        })
    }
}

impl FromStr for KeyOperation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL
            .into_iter()
            .find(|operation| operation.to_string() == text);
        found.ok_or_else(|| {
            let known = Self::ALL.map(|operation| operation.to_string()).join(", ");
            format!("{text:?} is nothing that is done with keys; there are {known}")
        })
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(destination) => write!(f, "network:{destination}"),
            Self::Keys(operation) => write!(f, "keys:{operation}"),
            Self::Periodic => f.write_str("periodic"),
            Self::Pod => f.write_str("pod"),
            Self::Memory(bytes) => write!(f, "memory:{bytes}"),
            Self::Deadline(seconds) => write!(f, "deadline:{seconds}"),
        }
    }
}

impl FromStr for Capability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no capability: there are network:HOST:PORT, network:configuration, keys:OPERATION, periodic, pod, memory:BYTES and deadline:SECONDS"
            )
        };
        match text.split_once(':') {
            None if text == "periodic" => Ok(Self::Periodic),
            None if text == "pod" => Ok(Self::Pod),
            Some(("network", destination)) => destination.parse().map(Self::Network),
            Some(("keys", operation)) => operation.parse().map(Self::Keys),
            Some(("memory", bytes)) => bytes.parse().map(Self::Memory).map_err(|_| wrong()),
            Some(("deadline", seconds)) => seconds.parse().map(Self::Deadline).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

macro_rules! as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}

as_text!(Destination);
as_text!(KeyOperation);
as_text!(Capability);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn capabilities_are_texts() {
        for text in [
            "network:configuration",
            "network:api.example.com:443",
            "network:[::1]:443",
            "network:10.0.0.1:80",
            "keys:encrypt",
            "keys:export",
            "periodic",
            "pod",
            "memory:1048576",
            "deadline:60",
        ] {
            assert_eq!(text.parse::<Capability>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "network",
            "network:",
            "network::443",
            "network:a",
            "network:a:0",
            "network:a:70000",
            "network:a/b:1",
            "network:*:443",
            "memory:lots",
            "periodic:1",
            "pod:token",
            "keys",
            "keys:steal",
        ] {
            bad.parse::<Capability>().unwrap_err();
        }
    }
}
