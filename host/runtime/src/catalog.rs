//! The components that there are, loaded when they are needed. One that cannot be loaded says why, and stands in nobody's
//! way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use coffer_manifest::{Kind, Manifest};
use semver::Version;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use wasmtime::component::Component as Wasm;

use crate::component::Component;
use crate::outside::Outside;
use crate::release::{self, Release, Releases, Wanted};
use crate::state::Environment;
use crate::{Compiler, Engine, LoadError, inspect, limits, precompiled};

/// A component that is part of the host's executable.
#[derive(Clone, Copy)]
pub struct Builtin {
    /// What it is for.
    pub kind: Kind,
    /// Its name in the catalog.
    pub name: &'static str,
    /// Its version.
    pub version: Version3,
    /// The component.
    pub wasm: &'static [u8],
    /// SHA-256 of it, in hexadecimal.
    pub sha256: &'static str,
    /// The same, compiled ahead of time; may be empty.
    pub compiled: &'static [u8],
    /// SHA-256 of `compiled`, in hexadecimal.
    pub compiled_sha256: &'static str,
}

/// Major, minor and patch.
pub type Version3 = (u64, u64, u64);

/// Where the bytes of registered components are kept.
#[async_trait]
pub trait ComponentStore: Send + Sync {
    /// A component by its SHA-256, in hexadecimal; or why it cannot be had.
    async fn component(&self, sha256: &str) -> Result<Vec<u8>, String>;

    /// What [`keep_compiled`](Self::keep_compiled) was given for this component and this engine, unless there is any doubt
    /// about it. Whoever can choose these bytes runs what they like: they must come from where only the host writes.
    async fn compiled(&self, sha256: &str, engine: &str) -> Option<Vec<u8>>;

    /// Keeps compiled code, so that the next start need not compile.
    async fn keep_compiled(&self, sha256: &str, engine: &str, code: &[u8]);
}

/// All components.
pub struct Catalog {
    engine: Engine,
    environment: Environment,
    compiler: Compiler,
    builtins: Vec<(Builtin, Release)>,
    releases: ArcSwap<Releases>,
    store: OnceLock<Arc<dyn ComponentStore>>,
    loaded: Mutex<HashMap<Arc<str>, Arc<Slot>>>,
    // Compiling is long work: a few at a time.
    loading: Semaphore,
    outside: Option<Arc<dyn Outside>>,
}

/// One component, while somebody loads or uses it.
#[derive(Default)]
struct Slot(AsyncMutex<Option<Result<Loaded, LoadError>>>);

enum Loaded {
    /// Built-in ones stay: there are few of them.
    Kept(Arc<Component>),
    /// Others go when nobody uses them any more.
    Used(Weak<Component>),
}

impl Loaded {
    fn get(&self) -> Option<Arc<Component>> {
        match self {
            Self::Kept(component) => Some(component.clone()),
            Self::Used(component) => component.upgrade(),
        }
    }
}

impl Catalog {
    /// A catalog of built-in components. None is loaded before it is needed.
    pub fn new(
        engine: Engine,
        environment: Environment,
        compiler: Compiler,
        builtins: &[Builtin],
    ) -> Self {
        let builtins = builtins.iter().map(|builtin| {
            let (major, minor, patch) = builtin.version;
            let needs = Manifest::read(builtin.wasm)
                .ok()
                .flatten()
                .map(|manifest| manifest.needs);
            let release = Release {
                kind: builtin.kind,
                name: builtin.name.into(),
                version: Version::new(major, minor, patch),
                sha256: builtin.sha256.into(),
                builtin: true,
                granted: Arc::new(needs.unwrap_or_default()),
            };
            (*builtin, release)
        });
        Self {
            engine,
            environment,
            compiler,
            builtins: builtins.collect(),
            releases: ArcSwap::default(),
            store: OnceLock::new(),
            loaded: Mutex::default(),
            loading: Semaphore::new(limits::LOADING as usize),
            outside: None,
        }
    }

    /// For tests of components: somebody plays the world outside for all that is loaded from here.
    #[must_use]
    pub fn with_outside(mut self, outside: Arc<dyn Outside>) -> Self {
        self.outside = Some(outside);
        self
    }

    /// Says where registered components are kept; once.
    pub fn attach(&self, store: Arc<dyn ComponentStore>) {
        // A second one would be a mistake of the host's: the first stays.
        let _ = self.store.set(store);
    }

    /// Says which components are registered: whoever asks from now on gets these.
    pub fn publish(&self, releases: Releases) {
        self.releases.store(Arc::new(releases));
    }

    /// The built-in components.
    pub fn builtins(&self) -> impl Iterator<Item = &Release> {
        self.builtins.iter().map(|(_, release)| release)
    }

    /// The built-in component of that name. `oidc` is what Vault calls `jwt` where people log in with a browser.
    pub fn builtin(&self, kind: Kind, name: &str) -> Option<&Release> {
        let name = match (kind, name) {
            (Kind::Auth, "oidc") => "jwt",
            _ => name,
        };
        self.builtins
            .iter()
            .map(|(_, release)| release)
            .find(|release| release.kind == kind && &*release.name == name)
    }

    /// What somebody would run.
    ///
    /// # Errors
    /// [`LoadError::Unknown`] if there is no such thing; [`LoadError::Refused`] if it may not be run.
    pub fn resolve(&self, wanted: Wanted<'_>) -> Result<Release, LoadError> {
        let builtin = self.builtin(wanted.kind, wanted.name);
        release::resolve(&self.releases.load(), builtin, wanted)
    }

    /// The component that somebody wants, loaded.
    ///
    /// # Errors
    /// If there is no such thing, or it cannot be used.
    pub async fn get(&self, wanted: Wanted<'_>) -> Result<(Release, Arc<Component>), LoadError> {
        let release = self.resolve(wanted)?;
        let component = self.load(&release).await?;
        Ok((release, component))
    }

    /// The component of a release, loaded once however many ask for it.
    ///
    /// # Errors
    /// If it cannot be used. What may only have been bad luck is tried again by the next who asks.
    pub async fn load(&self, release: &Release) -> Result<Arc<Component>, LoadError> {
        let slot = self.slot(&release.sha256);
        let mut loaded = slot.0.lock().await;
        match &*loaded {
            Some(Ok(have)) => {
                if let Some(component) = have.get() {
                    return Ok(component);
                }
            }
            Some(Err(error)) if error.is_final() => return Err(error.clone()),
            Some(Err(_)) | None => {}
        }
        let component = self.load_now(release).await;
        *loaded = Some(match &component {
            Ok(component) if release.builtin => Ok(Loaded::Kept(component.clone())),
            Ok(component) => Ok(Loaded::Used(Arc::downgrade(component))),
            Err(error) => Err(error.clone()),
        });
        component
    }

    fn slot(&self, sha256: &Arc<str>) -> Arc<Slot> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = loaded.get(sha256) {
            return slot.clone();
        }
        // Room for a new one is made by forgetting those that nobody uses.
        loaded.retain(|_, slot| {
            Arc::strong_count(slot) > 1
                || slot.0.try_lock().is_ok_and(
                    |loaded| matches!(&*loaded, Some(Ok(loaded)) if loaded.get().is_some()),
                )
        });
        loaded.entry(sha256.clone()).or_default().clone()
    }

    async fn load_now(&self, release: &Release) -> Result<Arc<Component>, LoadError> {
        let _turn = self.loading.acquire().await;
        let builtin = self.builtins.iter().find(|(_, own)| own == release);
        if let Some((builtin, _)) = builtin {
            let ready =
                precompiled::builtin(&self.engine, builtin.compiled, builtin.compiled_sha256);
            let wasm = match ready {
                Some(wasm) => wasm,
                None => self.compile(builtin.wasm.to_vec()).await?.0,
            };
            let manifest = Manifest::read(builtin.wasm)?;
            return self.describe(release, &wasm, manifest).await;
        }
        let sha256 = &*release.sha256;
        let store = self.store.get().ok_or_else(|| missing("nowhere", sha256))?;
        let bytes = store.component(sha256).await.map_err(LoadError::Missing)?;
        if digest(&bytes) != sha256 {
            return Err(LoadError::Missing(format!(
                "the stored component has another digest than {sha256}"
            )));
        }
        let inspection = inspect::inspect(&bytes)?;
        let engine = self.engine.fingerprint();
        let ready = store.compiled(sha256, &engine).await;
        let wasm = match ready.and_then(|code| precompiled::stored(&self.engine, &code)) {
            Some(wasm) => wasm,
            None => {
                let (wasm, code) = self.compile(bytes).await?;
                store.keep_compiled(sha256, &engine, &code).await;
                wasm
            }
        };
        self.describe(release, &wasm, inspection.manifest).await
    }

    /// Tries a component that is not registered yet, and was inspected: compiles it and has it describe itself. Returns the
    /// compiled code.
    ///
    /// # Errors
    /// If it could not be used.
    pub async fn prove(
        &self,
        release: &Release,
        bytes: &[u8],
        manifest: Option<Manifest>,
    ) -> Result<(Arc<Component>, Vec<u8>), LoadError> {
        let _turn = self.loading.acquire().await;
        let (wasm, code) = self.compile(bytes.to_vec()).await?;
        let component = self.describe(release, &wasm, manifest).await?;
        Ok((component, code))
    }

    /// Names the engine: code compiled by another is of no use.
    pub fn engine(&self) -> String {
        self.engine.fingerprint()
    }

    async fn describe(
        &self,
        release: &Release,
        wasm: &Wasm,
        manifest: Option<Manifest>,
    ) -> Result<Arc<Component>, LoadError> {
        let outside = self.outside.clone();
        Component::load(
            &self.engine,
            &self.environment,
            release,
            wasm,
            manifest,
            outside,
        )
        .await
    }

    async fn compile(&self, bytes: Vec<u8>) -> Result<(Wasm, Vec<u8>), LoadError> {
        let code = self.compiler.compile(&self.engine, bytes).await?;
        let wasm = precompiled::stored(&self.engine, &code).ok_or_else(|| {
            LoadError::Contract("the compiled code does not load here".to_owned())
        })?;
        Ok((wasm, code))
    }
}

fn missing(place: &str, sha256: &str) -> LoadError {
    LoadError::Missing(format!("component {sha256} is stored {place}"))
}

/// SHA-256, in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
