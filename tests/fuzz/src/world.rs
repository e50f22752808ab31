//! A server without a process: what the targets send requests to. It is the same at the beginning of every input.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use coffer_api::Rules;
use coffer_barrier::InitConfig;
use coffer_clock::{Clock, ClockDriver, Random, UnixMillis};
use coffer_core::{Core, CoreConfig};
use coffer_runtime::{Catalog, Compiler, Engine, Environment, Pod};
use coffer_storage::{Index, MemoryStorage, Storage};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// The token that may do everything.
pub(crate) const ROOT: &str = "root";

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new().unwrap());

/// What a server said.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// Null if there is none, or if it is not JSON.
    pub(crate) body: Value,
}

/// Tokens that a server has issued.
#[derive(Clone, Default)]
pub(crate) struct Issued {
    /// A service token without rights.
    pub(crate) service: String,
    pub(crate) accessor: String,
    pub(crate) batch: String,
    /// A wrapping token.
    pub(crate) wrapped: String,
}

pub(crate) struct World {
    runtime: Runtime,
    core: Arc<Core>,
    storage: Arc<MemoryStorage>,
    unchanged: Index,
    pub(crate) issued: Issued,
    _driver: ClockDriver,
}

impl World {
    /// Runs something in a world that nothing was done to.
    pub(crate) fn with<T>(run: impl FnOnce(&Self) -> T) -> T {
        thread_local! {
            static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
        }
        WORLD.with_borrow_mut(|kept| {
            let world = kept.take().unwrap_or_else(Self::new);
            let result = run(&world);
            *kept = Some(world).filter(World::is_unchanged);
            result
        })
    }

    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (clock, driver) = Clock::driven(UnixMillis(1_700_000_000_000));
        let (random, storage) = (Random::seeded(1), Arc::new(MemoryStorage::new()));
        let environment = Environment {
            clock: clock.clone(),
            random: random.clone(),
            pod: Pod::none(),
        };
        let core = runtime.block_on(async {
            let catalog = Catalog::new(ENGINE.clone(), environment, Compiler::Thread, &[]);
            let config = CoreConfig {
                raw_storage: true,
                introspection: true,
                ..CoreConfig::default()
            };
            let core = Core::new(storage.clone(), Arc::new(catalog), clock, random, config);
            let shares = InitConfig::new(1, 1).unwrap();
            let made = core.init(shares, Some(ROOT), false).await.unwrap();
            core.unseal(&made.keys[0]).await.unwrap();
            core
        });
        let mut world = Self {
            runtime,
            core,
            storage,
            unchanged: 0,
            issued: Issued::default(),
            _driver: driver,
        };
        world.issued = world.issue();
        world.unchanged = world.index();
        world
    }

    fn issue(&self) -> Issued {
        let create = |body: Value, wrap: &str| {
            let request = Request::post("/v1/auth/token/create")
                .header("X-Vault-Token", ROOT)
                .header("X-Vault-Wrap-TTL", wrap)
                .body(body.to_string().into_bytes());
            self.ask(request.unwrap()).body
        };
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let service = create(json!({"policies": ["default"]}), "");
        let batch = create(json!({"type": "batch", "policies": ["default"]}), "");
        let wrapped = create(json!({"policies": ["default"]}), "1h");
        Issued {
            service: text(&service["auth"]["client_token"]),
            accessor: text(&service["auth"]["accessor"]),
            batch: text(&batch["auth"]["client_token"]),
            wrapped: text(&wrapped["wrap_info"]["token"]),
        }
    }

    fn index(&self) -> Index {
        self.storage.snapshot().unwrap().index()
    }

    fn is_unchanged(&self) -> bool {
        let sealed = self.runtime.block_on(self.core.seal_status());
        self.index() == self.unchanged && sealed.is_ok_and(|status| !status.sealed)
    }

    /// Asks the server as a connection does. What every answer promises is checked here.
    pub(crate) fn ask(&self, request: Request<Vec<u8>>) -> Answer {
        let remote = ([127, 0, 0, 1], 1).into();
        let shown = format!("{} {}", request.method(), request.uri());
        self.runtime.block_on(async {
            let request = request.map(Body::from);
            let response =
                coffer_api::answer(self.core.clone(), &Rules::default(), remote, request).await;
            let status = response.status();
            let sealed = self
                .core
                .seal_status()
                .await
                .is_ok_and(|status| status.sealed);
            let is_fault = match status.as_u16() {
                500 | 502 | 504 => true,
                503 => !sealed,
                _ => false,
            };
            assert!(!is_fault, "{shown}: {status}");
            let is_json = response
                .headers()
                .get(header::CONTENT_TYPE)
                .is_some_and(|kind| kind == "application/json");
            if !is_json {
                return Answer {
                    status,
                    body: Value::Null,
                };
            }
            let bytes = response.into_body().collect().await.unwrap().to_bytes();
            let body = match bytes.is_empty() {
                true => Value::Null,
                false => serde_json::from_slice(&bytes).expect(&shown),
            };
            Answer { status, body }
        })
    }
}
