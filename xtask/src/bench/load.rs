//! A closed loop: as many connections as asked, each sending its next request when the last is answered.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use tokio::task::LocalSet;

use crate::bench::http::{Call, Connection};
use crate::error::{Error, Result};

/// What the n-th request on a connection is; None ends it.
pub type Source = dyn Fn(usize, u64) -> Option<Call>;
/// What an answer is good for.
pub type Sink = dyn Fn(&Bytes);

/// What a load came to.
#[derive(Debug, Default)]
pub struct Load {
    /// Latency of each request that succeeded, in microseconds, ascending.
    pub micros: Vec<u32>,
    /// Answers that were no success, and the first of them.
    pub failures: u64,
    /// The first failure in words.
    pub failure: Option<String>,
    /// From the first request to the last answer.
    pub elapsed: Duration,
}

impl Load {
    /// Requests that succeeded.
    pub fn requests(&self) -> u64 {
        self.micros.len() as u64
    }

    /// Successful requests per second.
    pub fn rate(&self) -> f64 {
        self.requests() as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// The latency that this share of the requests did not exceed, in milliseconds.
    pub fn percentile(&self, share: f64) -> f64 {
        let last = self.micros.len().saturating_sub(1);
        let index = (last as f64 * share).round() as usize;
        self.micros
            .get(index)
            .map_or(0.0, |micros| f64::from(*micros) / 1000.0)
    }
}

/// Drives a server for `limit` at most. Never fails for an answer: those are counted.
///
/// # Errors
/// If it cannot be reached, or stops answering.
pub fn drive(
    address: SocketAddr,
    connections: usize,
    limit: Duration,
    source: Rc<Source>,
    sink: Rc<Sink>,
) -> Result<Load> {
    // One thread: the server is to have the rest of the machine.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::other(format!("tokio: {error}")))?;
    LocalSet::new().block_on(&runtime, async move {
        let mut open = Vec::with_capacity(connections);
        for _ in 0..connections {
            open.push(Connection::open(address).await?);
        }
        let began = Instant::now();
        let deadline = began + limit;
        let tasks: Vec<_> = open
            .into_iter()
            .enumerate()
            .map(|(number, connection)| {
                tokio::task::spawn_local(work(
                    connection,
                    number,
                    deadline,
                    source.clone(),
                    sink.clone(),
                ))
            })
            .collect();
        let mut all = Load::default();
        for task in tasks {
            let one = task
                .await
                .map_err(|error| Error::other(error.to_string()))??;
            all.micros.extend(one.micros);
            all.failures += one.failures;
            all.failure = all.failure.or(one.failure);
        }
        all.elapsed = began.elapsed();
        all.micros.sort_unstable();
        Ok(all)
    })
}

async fn work(
    mut connection: Connection,
    number: usize,
    deadline: Instant,
    source: Rc<Source>,
    sink: Rc<Sink>,
) -> Result<Load> {
    let mut load = Load::default();
    for n in 0.. {
        let Some(call) = source(number, n) else { break };
        let sent = Instant::now();
        if sent >= deadline {
            break;
        }
        let (status, body) = connection.send(&call).await?;
        if (200..300).contains(&status) {
            load.micros
                .push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
            sink(&body);
        } else {
            load.failures += 1;
            load.failure.get_or_insert_with(|| {
                format!("{} {}: {status} {}", call.method, call.path, text(&body))
            });
        }
    }
    Ok(load)
}

fn text(body: &Bytes) -> String {
    String::from_utf8_lossy(body).chars().take(300).collect()
}
