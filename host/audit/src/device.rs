//! A device: a queue, and a thread that empties it.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::chain::Chain;
use crate::options::SinkOptions;
use crate::sink::{Sink, sink};

/// Records that wait to be written. Who comes later waits for room until its deadline.
const QUEUE: usize = 1024;
/// Records that are written at a time.
const BATCH: usize = 256;
/// How long a record may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Why a device has not recorded something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// It said why.
    #[error("{0}")]
    Failed(String),
    /// It did not say anything in time.
    #[error("no answer for {DEADLINE:?}")]
    Late,
    /// Others are waiting for it.
    #[error("{QUEUE} records are waiting for it")]
    Full,
    /// Its thread is gone, or was never there.
    #[error("it is closed")]
    Closed,
}

type Done = oneshot::Sender<Result<(), DeviceError>>;

enum Order {
    /// At least one.
    Records(Vec<String>, Done),
    Reopen,
}

/// Where records go, one after the other. It ends, when what it was given is written, with its last owner.
pub struct Device {
    name: String,
    orders: mpsc::Sender<Order>,
}

impl Device {
    /// A device of this name, which begins each line with this prefix, and a chain of this name where none goes on. What it
    /// writes to is opened by its thread, when it is needed.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn new(
        name: String,
        prefix: String,
        options: &SinkOptions,
        chain: String,
    ) -> std::io::Result<Arc<Self>> {
        let (orders, queue) = mpsc::channel(QUEUE);
        let writer = Writer {
            sink: sink(options),
            prefix,
            chain: Chain::new(chain),
            resumed: false,
        };
        thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run(queue))?;
        Ok(Arc::new(Self { name, orders }))
    }

    /// Has it open anew what it writes to, once what was queued is written.
    pub fn reopen(&self) {
        if self.orders.try_send(Order::Reopen).is_err() {
            tracing::warn!(
                device = self.name,
                "the audit device is too busy to be opened anew"
            );
        }
    }

    /// Hands it records, each a JSON object. They are queued when this returns, unless there is no room now.
    fn hand(&self, records: Vec<String>) -> Handed {
        let (done, answer) = oneshot::channel();
        let order = Order::Records(records, done);
        let waiting = match self.orders.try_send(order) {
            Ok(()) => None,
            Err(TrySendError::Full(order)) => Some(order),
            Err(TrySendError::Closed(_)) => return Handed::Closed,
        };
        Handed::Waiting(waiting, answer)
    }

    async fn answer(&self, handed: Handed, by: Instant) -> Result<(), DeviceError> {
        let Handed::Waiting(order, answer) = handed else {
            return Err(DeviceError::Closed);
        };
        if let Some(order) = order {
            match timeout_at(by, self.orders.send(order)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(DeviceError::Closed),
                Err(_) => return Err(DeviceError::Full),
            }
        }
        match timeout_at(by, answer).await {
            Ok(Ok(written)) => written,
            Ok(Err(_)) => Err(DeviceError::Closed),
            Err(_) => Err(DeviceError::Late),
        }
    }
}

enum Handed {
    Closed,
    /// With the order, if there was no room for it.
    Waiting(Option<Order>, oneshot::Receiver<Result<(), DeviceError>>),
}

/// Gives each device its records, and returns when one of them has them: one that is slow delays nobody as long as another
/// is not. `render` makes the records of a device, by its place among them.
///
/// # Errors
/// With what every device said, if none has them.
pub async fn record(
    devices: &[Arc<Device>],
    render: impl Fn(usize) -> Vec<String>,
) -> Result<(), String> {
    let by = Instant::now() + DEADLINE;
    // All of them have it before any is waited for.
    let handed: Vec<_> = devices
        .iter()
        .enumerate()
        .map(|(at, device)| (device.clone(), device.hand(render(at))))
        .collect();
    let alone = handed.len() == 1;
    let mut answers = tokio::task::JoinSet::new();
    for (device, handed) in handed {
        let answer = async move {
            let answer = device.answer(handed, by).await;
            answer.map_err(|error| format!("{}: {error}", device.name))
        };
        if alone {
            return answer.await;
        }
        answers.spawn(answer);
    }
    let mut reasons = Vec::new();
    while let Some(answer) = answers.join_next().await {
        match answer {
            Ok(Ok(())) => {
                // The others go on for themselves, and say what becomes of it.
                answers.detach_all();
                return Ok(());
            }
            Ok(Err(reason)) => reasons.push(reason),
            Err(error) => reasons.push(error.to_string()),
        }
    }
    Err(reasons.join("; "))
}

/// What the thread has.
struct Writer {
    sink: Box<dyn Sink>,
    prefix: String,
    chain: Chain,
    /// Whether it is known where the chain goes on.
    resumed: bool,
}

impl Writer {
    fn run(mut self, mut queue: mpsc::Receiver<Order>) {
        let mut orders = Vec::with_capacity(BATCH);
        while let Some(first) = queue.blocking_recv() {
            orders.push(first);
            // Those who are about to come come now: many records are one write, and one waking.
            thread::yield_now();
            while orders.len() < BATCH
                && let Ok(order) = queue.try_recv()
            {
                orders.push(order);
            }
            let mut records = Vec::with_capacity(orders.len());
            for order in orders.drain(..) {
                match order {
                    Order::Records(lines, done) => records.push((lines, done)),
                    Order::Reopen => {
                        self.write(std::mem::take(&mut records));
                        self.sink.reopen();
                    }
                }
            }
            self.write(records);
        }
    }

    fn write(&mut self, records: Vec<(Vec<String>, Done)>) {
        if records.is_empty() {
            return;
        }
        let written = self.try_write(&records).map_err(|error| {
            tracing::error!(%error, "an audit device cannot write");
            DeviceError::Failed(error.to_string())
        });
        for (_, done) in records {
            // Nobody may wait any more.
            let _ = done.send(written.clone());
        }
    }

    fn try_write(&mut self, records: &[(Vec<String>, Done)]) -> std::io::Result<()> {
        if !self.resumed {
            if let Some(chain) = self.sink.last_line()?.and_then(|line| Chain::ending(&line)) {
                self.chain = chain;
            }
            self.resumed = true;
        }
        let mut chain = self.chain.clone();
        let lines: Vec<String> = records
            .iter()
            .flat_map(|(records, _)| records)
            .map(|record| [self.prefix.as_str(), &chain.link(record)].concat())
            .collect();
        self.sink.write(&lines)?;
        self.chain = chain;
        Ok(())
    }
}
