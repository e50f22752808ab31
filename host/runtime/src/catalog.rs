//! The components that there are, by name. One that cannot be loaded says why, and stands in nobody's way.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use wasmtime::component::Component as Wasm;

use crate::component::Component;
use crate::state::Environment;
use crate::{Engine, LoadError, precompiled};

/// A component that is part of the host's executable.
#[derive(Clone, Copy)]
pub struct Builtin {
    /// Its name in the catalog.
    pub name: &'static str,
    /// The component.
    pub wasm: &'static [u8],
    /// The same, compiled ahead of time; may be empty.
    pub compiled: &'static [u8],
    /// SHA-256 of `compiled`, in hexadecimal.
    pub compiled_sha256: &'static str,
}

struct Entry {
    source: Source,
    loaded: OnceCell<Result<Arc<Component>, LoadError>>,
}

enum Source {
    Builtin(Builtin),
    Bytes(Vec<u8>),
}

/// All components.
pub struct Catalog {
    engine: Engine,
    environment: Environment,
    entries: BTreeMap<String, Entry>,
}

impl Catalog {
    /// A catalog of built-in components. None is loaded before it is needed.
    pub fn new(engine: Engine, environment: Environment, builtins: &[Builtin]) -> Self {
        let entries = builtins.iter().map(|builtin| (builtin.name.to_owned(), Entry::new(Source::Builtin(*builtin))));
        Self { engine, environment, entries: entries.collect() }
    }

    /// Adds a component; one of the same name is replaced.
    pub fn insert(&mut self, name: &str, wasm: Vec<u8>) {
        self.entries.insert(name.to_owned(), Entry::new(Source::Bytes(wasm)));
    }

    /// The names in the catalog.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// A component, loaded if it was not.
    ///
    /// # Errors
    /// If there is none, or it cannot be loaded.
    pub async fn get(&self, name: &str) -> Result<Arc<Component>, LoadError> {
        let entry = self.entries.get(name).ok_or_else(|| LoadError::Unknown(name.to_owned()))?;
        entry.loaded.get_or_init(|| self.load(name, &entry.source)).await.clone()
    }

    async fn load(&self, name: &str, source: &Source) -> Result<Arc<Component>, LoadError> {
        let (bytes, ready) = match source {
            Source::Builtin(builtin) => {
                (builtin.wasm, precompiled::load(&self.engine, builtin.compiled, builtin.compiled_sha256))
            }
            Source::Bytes(bytes) => (bytes.as_slice(), None),
        };
        let wasm = match ready {
            Some(wasm) => wasm,
            None => self.compile(bytes.to_vec()).await?,
        };
        let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Component::load(&self.engine, &self.environment, name, sha256, &wasm).await
    }

    /// Compiles on a thread that requests do not run on.
    async fn compile(&self, bytes: Vec<u8>) -> Result<Wasm, LoadError> {
        let engine = self.engine.clone();
        let compiled = tokio::task::spawn_blocking(move || Wasm::new(&engine.wasm, bytes)).await;
        compiled
            .map_err(|error| LoadError::Contract(format!("the compiler failed: {error}")))?
            .map_err(|error| LoadError::Contract(format!("{error:#}")))
    }
}

impl Entry {
    fn new(source: Source) -> Self {
        Self { source, loaded: OnceCell::new() }
    }
}
