//! Which components there are besides the built-in ones, and which version of each is in force: as the core's catalog has
//! it, in a form that every call can look at.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use coffer_manifest::{Kind, Needs};
use semver::Version;

use crate::LoadError;

/// A version of a component that may be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// What it is for.
    pub kind: Kind,
    /// Its name in the catalog.
    pub name: Arc<str>,
    /// Its version.
    pub version: Version,
    /// SHA-256 of the component, in hexadecimal.
    pub sha256: Arc<str>,
    /// Whether it is part of the host's executable.
    pub builtin: bool,
    /// What it asked for and was granted.
    pub granted: Arc<Needs>,
}

impl Release {
    /// As the API writes it.
    pub fn label(&self) -> String {
        label(&self.version, self.builtin)
    }
}

/// A version as the API writes it.
pub fn label(version: &Version, builtin: bool) -> String {
    let builtin = if builtin { "+builtin" } else { "" };
    format!("v{version}{builtin}")
}

/// A version as callers write it: with or without the `v`, and of a built-in one with or without `+builtin`.
pub fn parse_version(text: &str) -> Option<Version> {
    let text = text.strip_prefix('v').unwrap_or(text);
    Version::parse(text.strip_suffix("+builtin").unwrap_or(text)).ok()
}

/// A registered version.
#[derive(Clone, Debug)]
pub struct Registered {
    /// SHA-256 of the component, in hexadecimal.
    pub sha256: Arc<str>,
    /// What it asks for.
    pub granted: Arc<Needs>,
    /// Why it may not be run.
    pub refused: Option<String>,
}

/// The registered versions of one component.
#[derive(Clone, Debug, Default)]
pub struct Versions {
    /// What runs where no version is asked for; None leaves that to the built-in one.
    pub in_force: Option<Version>,
    /// All.
    pub all: BTreeMap<Version, Registered>,
}

/// All registered components.
pub type Releases = BTreeMap<(Kind, String), Versions>;

/// What somebody wants to run.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// What it is for.
    pub kind: Kind,
    /// Its name in the catalog.
    pub name: &'a str,
    /// A version; empty takes what is in force.
    pub version: &'a str,
}

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if !self.version.is_empty() {
            write!(f, " {}", self.version)?;
        }
        Ok(())
    }
}

/// What that is, among those registered and the built-in one of the name.
pub(crate) fn resolve(
    releases: &Releases,
    builtin: Option<&Release>,
    wanted: Wanted<'_>,
) -> Result<Release, LoadError> {
    let unknown = |why: &str| LoadError::Unknown(format!("{wanted}{why}"));
    let versions = releases.get(&(wanted.kind, wanted.name.to_owned()));
    let release = |version: &Version, registered: &Registered| match &registered.refused {
        Some(reason) => Err(LoadError::Refused(format!(
            "{} v{version} {reason}",
            wanted.name
        ))),
        None => Ok(Release {
            kind: wanted.kind,
            name: wanted.name.into(),
            version: version.clone(),
            sha256: registered.sha256.clone(),
            builtin: false,
            granted: registered.granted.clone(),
        }),
    };
    if wanted.version.is_empty() {
        let registered = versions.and_then(|versions| {
            let version = versions.in_force.as_ref()?;
            Some((version, versions.all.get(version)?))
        });
        return match (registered, builtin, versions) {
            (Some((version, registered)), ..) => release(version, registered),
            (None, Some(builtin), _) => Ok(builtin.clone()),
            // Registered, but nothing is in force: say what the newest waits for.
            (None, None, Some(versions)) => match versions.all.last_key_value() {
                Some((version, registered)) => release(version, registered)
                    .and_then(|_| Err(unknown(": no version is in force; reload it"))),
                None => Err(unknown("")),
            },
            (None, None, None) => Err(unknown("")),
        };
    }
    let version = parse_version(wanted.version).ok_or_else(|| unknown(": that is no version"))?;
    match versions.and_then(|versions| versions.all.get(&version)) {
        Some(registered) if !wanted.version.ends_with("+builtin") => release(&version, registered),
        _ => builtin
            .filter(|builtin| builtin.version == version)
            .cloned()
            .ok_or_else(|| unknown("")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn v(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn what_is_wanted_is_found() {
        let registered = |refused: Option<&str>| Registered {
            sha256: "ab".into(),
            granted: Arc::default(),
            refused: refused.map(str::to_owned),
        };
        let builtin = Release {
            kind: Kind::Secret,
            name: "kv".into(),
            version: v("0.1.0"),
            sha256: "cd".into(),
            builtin: true,
            granted: Arc::default(),
        };
        let of = |in_force: Option<&str>| -> Releases {
            let versions = Versions {
                in_force: in_force.map(v),
                all: [
                    (v("1.0.0"), registered(None)),
                    (v("1.1.0"), registered(None)),
                    (v("2.0.0"), registered(Some("waits"))),
                ]
                .into(),
            };
            [((Kind::Secret, "kv".to_owned()), versions)].into()
        };
        let none = Releases::new();
        #[rustfmt::skip]
        let table = [
            (&none, true, "", Ok("v0.1.0+builtin")),
            (&none, true, "v0.1.0", Ok("v0.1.0+builtin")),
            (&none, true, "v0.1.0+builtin", Ok("v0.1.0+builtin")),
            (&none, true, "1.0.0", Err("plugin not found in the catalog: kv 1.0.0")),
            (&none, false, "", Err("plugin not found in the catalog: kv")),
            (&of(None), true, "", Ok("v0.1.0+builtin")),
            (&of(None), false, "", Err("plugin kv v2.0.0 waits")),
            (&of(Some("1.0.0")), true, "", Ok("v1.0.0")),
            (&of(Some("1.0.0")), true, "v1.1.0", Ok("v1.1.0")),
            (&of(Some("1.0.0")), true, "2.0.0", Err("plugin kv v2.0.0 waits")),
            (&of(Some("1.0.0")), true, "one", Err("plugin not found in the catalog: kv one: that is no version")),
        ];
        for (releases, has_builtin, version, expected) in table {
            let wanted = Wanted {
                kind: Kind::Secret,
                name: "kv",
                version,
            };
            let found = resolve(releases, has_builtin.then_some(&builtin), wanted);
            let found = found
                .map(|release| release.label())
                .map_err(|error| error.to_string());
            assert_eq!(
                found.as_deref().map_err(String::as_str),
                expected,
                "{version}"
            );
        }
    }
}
