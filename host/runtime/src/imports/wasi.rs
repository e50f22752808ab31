//! WASI for components from stock toolchains, which expect it: no files, no sockets, no environment, no arguments, nothing
//! to read; what is written to standard error goes to the log. The clock and the dice are the host's.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use coffer_clock::{Clock, Random};
use tokio::io::AsyncWrite;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxView, WasiView};

use crate::limits;
use crate::state::{Environment, State};

/// What WASI keeps of an instance.
pub struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
}

impl Wasi {
    pub(crate) fn new(environment: &Environment, component: &Arc<str>) -> Box<Self> {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits::WASI_RESOURCES);
        let context = WasiCtx::builder()
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(limits::RANDOM.into())
            .secure_random(Dice(environment.random.clone()))
            .insecure_random(Dice(environment.random.clone()))
            .wall_clock(WallClock(environment.clock.clone()))
            .stderr(Log(component.clone()))
            .build();
        Box::new(Self { context, table })
    }
}

impl WasiView for State {
    /// Made when it is first used: components of the contract alone never do.
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Self {
            wasi,
            environment,
            component,
            ..
        } = self;
        let wasi = wasi.get_or_insert_with(|| Wasi::new(environment, component));
        WasiCtxView {
            ctx: &mut wasi.context,
            table: &mut wasi.table,
        }
    }
}

struct WallClock(Clock);

impl HostWallClock for WallClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.now().0)
    }
}

struct Dice(Random);

impl rand_core::TryRng for Dice {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.0.bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.0.bytes()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

/// Standard error, under the component's name.
struct Log(Arc<str>);

impl IsTerminal for Log {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Log {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(LogStream {
            component: self.0.clone(),
            left: limits::CALL_LOG,
        })
    }
}

struct LogStream {
    component: Arc<str>,
    /// Bytes that it still writes; the rest is dropped.
    left: usize,
}

impl AsyncWrite for LogStream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let kept = bytes.get(..bytes.len().min(this.left)).unwrap_or_default();
        this.left -= kept.len();
        for line in String::from_utf8_lossy(kept).lines() {
            tracing::warn!(plugin = &*this.component, "{}", line.escape_debug());
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
