//! What a component says of itself before it is run: a custom section of its binary, in JSON.
//!
//! It names the component and asks for what the component needs beyond the usual. The host reads it first and runs the
//! component only as far as the operator has granted what it asks for.

mod needs;
mod section;

use std::fmt;
use std::str::FromStr;

use semver::Version;
use serde::{Deserialize, Serialize};

pub use needs::{Capability, Destination, KeyOperation, Needs};

/// The name of the section.
pub const SECTION: &str = "coffer:manifest";
/// The longest manifest, in bytes.
pub const LONGEST: usize = 64 << 10;
/// The longest name of a component, in bytes.
pub const LONGEST_NAME: usize = 128;

/// Why there is no manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The bytes are something else.
    #[error("not a WebAssembly component: {0}")]
    NotAComponent(&'static str),
    /// The binary ends in the middle of a section.
    #[error("the component is truncated")]
    Truncated,
    /// The manifest is not what it should be.
    #[error("the component's manifest is malformed: {0}")]
    Malformed(String),
}

/// What a component is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An auth method.
    Auth,
    /// A database backend.
    Database,
    /// A secret engine.
    Secret,
}

impl Kind {
    /// All of them, in order of name.
    pub const ALL: [Self; 3] = [Self::Auth, Self::Database, Self::Secret];

    /// As the API writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Database => "database",
            Self::Secret => "secret",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| {
                format!("{text:?} is no kind of plugin; there are auth, database and secret")
            })
    }
}

/// The manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What the component is for.
    pub kind: Kind,
    /// Its name in the catalog.
    pub name: String,
    /// Its own version.
    pub version: Version,
    /// The version of the contract that it was built against; the tool that writes the manifest takes it from the
    /// component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<Version>,
    /// One line on what it does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Of an auth method: the field of a login that names who logs in. Who fails too often is then locked out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_name: Option<String>,
    /// What it asks for.
    #[serde(default, skip_serializing_if = "Needs::is_empty")]
    pub needs: Needs,
}

impl Manifest {
    /// From JSON.
    ///
    /// # Errors
    /// [`ManifestError::Malformed`] if it is too long, is no manifest, or says what it may not.
    pub fn parse(json: &[u8]) -> Result<Self, ManifestError> {
        let malformed = ManifestError::Malformed;
        if json.len() > LONGEST {
            let len = json.len();
            return Err(malformed(format!("{len} bytes; {LONGEST} are allowed")));
        }
        let manifest: Self =
            serde_json::from_slice(json).map_err(|error| malformed(error.to_string()))?;
        manifest.check().map_err(malformed)?;
        Ok(manifest)
    }

    /// Whether a component can be what this says.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn check(&self) -> Result<(), String> {
        check_name(&self.name)?;
        if self.kind == Kind::Database && !self.needs.keys.is_empty() {
            return Err("a database backend has no keys".to_owned());
        }
        if self.kind == Kind::Database && self.needs.pod {
            return Err("a database backend does not see the pod".to_owned());
        }
        if self.kind != Kind::Auth && self.login_name.is_some() {
            return Err("only at an auth method somebody logs in: it has no login_name".to_owned());
        }
        self.needs.check()
    }

    /// The manifest of a component; None if it has none.
    ///
    /// # Errors
    /// If the bytes are no component, are cut short, or have a malformed manifest or several.
    pub fn read(component: &[u8]) -> Result<Option<Self>, ManifestError> {
        let mut found = None;
        for section in section::Sections::new(component)? {
            let section = section?;
            if section.custom_name() != Some(SECTION) {
                continue;
            }
            if found.is_some() {
                return Err(ManifestError::Malformed("there are two".to_owned()));
            }
            found = Some(Self::parse(section.custom_data())?);
        }
        Ok(found)
    }

    /// The component with this manifest in the place of any other.
    ///
    /// # Errors
    /// If the bytes are no component or are cut short, or the manifest says what it may not.
    pub fn embed(&self, component: &[u8]) -> Result<Vec<u8>, ManifestError> {
        self.check().map_err(ManifestError::Malformed)?;
        let json = serde_json::to_vec(self)
            .map_err(|error| ManifestError::Malformed(error.to_string()))?;
        let mut out = section::PREAMBLE.to_vec();
        for section in section::Sections::new(component)? {
            let section = section?;
            if section.custom_name() != Some(SECTION) {
                out.extend_from_slice(section.whole());
            }
        }
        section::write_custom(&mut out, SECTION, &json);
        Ok(out)
    }
}

/// Whether this can name a component in the catalog.
///
/// # Errors
/// With what is wrong.
pub fn check_name(name: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !starts || name.len() > LONGEST_NAME || !name.chars().all(good) {
        let shown: String = name.chars().take(LONGEST_NAME).collect();
        return Err(format!(
            "{shown:?} is no name for a plugin: letters, digits, \".\", \"-\" and \"_\", at most {LONGEST_NAME}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            kind: Kind::Database,
            name: "my-db".to_owned(),
            version: Version::new(1, 2, 0),
            contract: Some(Version::new(0, 1, 0)),
            description: "Users of my database.".to_owned(),
            login_name: None,
            needs: Needs {
                network: ["configuration", "api.example.com:443"]
                    .map(|text| text.parse().unwrap())
                    .into(),
                memory: Some(128 << 20),
                ..Needs::default()
            },
        }
    }

    #[test]
    fn a_manifest_is_written_into_a_component_once_and_read_back() {
        let empty = section::PREAMBLE.to_vec();
        assert_eq!(Manifest::read(&empty), Ok(None));
        let first = manifest().embed(&empty).unwrap();
        assert_eq!(Manifest::read(&first), Ok(Some(manifest())));
        let changed = Manifest {
            version: Version::new(2, 0, 0),
            ..manifest()
        };
        let second = changed.embed(&first).unwrap();
        assert_eq!(Manifest::read(&second), Ok(Some(changed)));
        assert_eq!(first.len(), second.len());
    }

    #[test]
    fn what_is_no_component_says_so() {
        let module = b"\0asm\x01\0\0\0";
        let whole = manifest().embed(&section::PREAMBLE).unwrap();
        let mut twice = whole.clone();
        twice.extend_from_slice(whole.get(8..).unwrap());
        let malformed = |text: &str| Err(ManifestError::Malformed(text.to_owned()));
        #[rustfmt::skip]
        let table = [
            (&b""[..], Err(ManifestError::NotAComponent("it is empty"))),
            (b"#!/bin/sh", Err(ManifestError::NotAComponent("it does not start as WebAssembly does"))),
            (b"\0as", Err(ManifestError::NotAComponent("it does not start as WebAssembly does"))),
            (module, Err(ManifestError::NotAComponent("it is a core module: encode it with `coffer plugin build`"))),
            (whole.get(..whole.len() - 1).unwrap(), Err(ManifestError::Truncated)),
            (whole.get(..9).unwrap(), Err(ManifestError::Truncated)),
            (&twice, malformed("there are two")),
        ];
        for (bytes, expected) in table {
            assert_eq!(Manifest::read(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn what_a_manifest_may_not_say() {
        #[rustfmt::skip]
        let table = [
            ("{}", "missing field"),
            (r#"{"kind":"engine","name":"a","version":"1.0.0"}"#, "unknown variant"),
            (r#"{"kind":"secret","name":"a b","version":"1.0.0"}"#, "no name for a plugin"),
            (r#"{"kind":"secret","name":"","version":"1.0.0"}"#, "no name for a plugin"),
            (r#"{"kind":"secret","name":"a","version":"one"}"#, "unexpected character"),
            (r#"{"kind":"secret","name":"a","version":"1.0.0","more":1}"#, "unknown field"),
            (r#"{"kind":"secret","name":"a","version":"1.0.0","needs":{"network":["x"]}}"#, "\"x\" is no destination"),
            (r#"{"kind":"secret","name":"a","version":"1.0.0","needs":{"keys":["steal"]}}"#, "nothing that is done with keys"),
            (r#"{"kind":"database","name":"a","version":"1.0.0","needs":{"keys":["sign"]}}"#, "a database backend has no keys"),
            (r#"{"kind":"database","name":"a","version":"1.0.0","needs":{"pod":true}}"#, "a database backend does not see the pod"),
            (r#"{"kind":"secret","name":"a","version":"1.0.0","needs":{"memory":10}}"#, "memory of 10 bytes"),
            (r#"{"kind":"secret","name":"a","version":"1.0.0","needs":{"deadline":0}}"#, "a deadline of 0 s"),
        ];
        for (json, expected) in table {
            let error = Manifest::parse(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{json}: {error}");
        }
        let long = format!(r#"{{"description":"{}"}}"#, "x".repeat(LONGEST));
        let error = Manifest::parse(long.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("65536 are allowed"), "{error}");
    }
}
