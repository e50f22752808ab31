//! The components that there are, by name. One that cannot be loaded says why, and stands in nobody's way.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use sha2::{Digest, Sha256};
use tokio::sync::{OnceCell, Semaphore};
use wasmtime::component::Component as Wasm;

use crate::component::Component;
use crate::state::Environment;
use crate::{Engine, LoadError, limits, precompiled};

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
    entries: RwLock<BTreeMap<String, Arc<Entry>>>,
    // Compiling is long work: a few at a time, and never on a thread that requests run on.
    loading: Semaphore,
}

impl Catalog {
    /// A catalog of built-in components. None is loaded before it is needed.
    pub fn new(engine: Engine, environment: Environment, builtins: &[Builtin]) -> Self {
        let entries = builtins.iter().map(|builtin| {
            (
                builtin.name.to_owned(),
                Entry::new(Source::Builtin(*builtin)),
            )
        });
        let entries = RwLock::new(entries.collect());
        Self {
            engine,
            environment,
            entries,
            loading: Semaphore::new(limits::LOADING as usize),
        }
    }

    /// Adds a component. One of the same name is replaced: who asks for it from now on gets the new one.
    pub fn insert(&self, name: &str, wasm: Vec<u8>) {
        let entry = Entry::new(Source::Bytes(wasm));
        self.entries
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), entry);
    }

    /// The names in the catalog.
    pub fn names(&self) -> Vec<String> {
        self.entries
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .keys()
            .cloned()
            .collect()
    }

    /// A component, loaded if it was not.
    ///
    /// # Errors
    /// If there is none, or it cannot be loaded.
    pub async fn get(&self, name: &str) -> Result<Arc<Component>, LoadError> {
        let entry = self
            .entries
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned();
        let entry = entry.ok_or_else(|| LoadError::Unknown(name.to_owned()))?;
        let loaded =
            entry
                .loaded
                .get_or_try_init(async || match self.load(name, &entry.source).await {
                    // It may have been too slow on a busy machine: the next one who asks tries again.
                    Err(error @ LoadError::Describe(_)) => Err(error),
                    settled => Ok(settled),
                });
        loaded.await?.clone()
    }

    async fn load(&self, name: &str, source: &Source) -> Result<Arc<Component>, LoadError> {
        let _turn = self.loading.acquire().await;
        let (bytes, ready) = match source {
            Source::Builtin(builtin) => (
                builtin.wasm,
                precompiled::load(&self.engine, builtin.compiled, builtin.compiled_sha256),
            ),
            Source::Bytes(bytes) => (bytes.as_slice(), None),
        };
        let wasm = match ready {
            Some(wasm) => wasm,
            None => self.compile(bytes.to_vec()).await?,
        };
        let sha256 = Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Component::load(&self.engine, &self.environment, name, sha256, &wasm).await
    }

    /// Compiles on a thread that requests do not run on.
    async fn compile(&self, bytes: Vec<u8>) -> Result<Wasm, LoadError> {
        let engine = self.engine.clone();
        let compiled =
            tokio::task::spawn_blocking(move || Wasm::from_binary(&engine.wasm, &bytes)).await;
        compiled
            .map_err(|error| LoadError::Contract(format!("the compiler failed: {error}")))?
            .map_err(|error| LoadError::Contract(format!("{error:#}")))
    }
}

impl Entry {
    fn new(source: Source) -> Arc<Self> {
        Arc::new(Self {
            source,
            loaded: OnceCell::new(),
        })
    }
}
