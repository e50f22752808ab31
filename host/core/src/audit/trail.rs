//! What has been recorded of one request on its way.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Devices;
use super::record::{self, Answered, Entry, Found, Told};
use crate::mount::Mount;
use crate::request::{Request, Response};
use crate::routes::Authenticated;
use crate::time::rfc3339;
use crate::{Core, Error};

/// A request's way through the server, as the audit devices see it.
pub struct Trail<'r> {
    core: &'r Core,
    request: &'r Request,
    devices: Arc<Devices>,
    /// Its parameters. None as long as there is no device: nobody asks then.
    data: Option<Cow<'r, str>>,
    state: Mutex<State>,
    id: String,
}

#[derive(Default)]
struct State {
    found: Found,
    admitted: Admitted,
}

/// Whether a request has been let in.
#[derive(Clone, Default)]
enum Admitted {
    #[default]
    No,
    /// At this time; that is recorded with the answer.
    Unrecorded(String),
    Recorded,
}

/// Whether what comes after a request was let in can be undone by not answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It only reads: its record is early enough together with that of the answer, which is one wait instead of two.
    Reads,
    /// It changes something, here or outside.
    Changes,
}

impl<'r> Trail<'r> {
    /// At the beginning.
    ///
    /// # Errors
    /// If it cannot be known which devices there are.
    pub async fn begin(core: &'r Core, request: &'r Request) -> Result<Self, Error> {
        let devices = core.audit.devices(&core.barrier).await?;
        let asked = !devices.writers.is_empty();
        Ok(Self {
            core,
            request,
            devices,
            data: asked.then(|| record::parameters(request)),
            state: Mutex::default(),
            id: core.random.uuid(),
        })
    }

    /// The request's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> String {
        rfc3339(self.core.clock.now())
    }

    /// Whose request it is, and where it goes.
    pub fn found(&self, caller: Option<&Authenticated>, mount: &Arc<Mount>) {
        if self.devices.writers.is_empty() {
            return;
        }
        self.state().found = Found {
            token: caller.map(|caller| caller.held.token.clone()),
            identity: caller.and_then(|caller| caller.identity.clone()),
            mount: Some(mount.clone()),
        };
    }

    /// Records the request, once: it has been let in, and nothing was done yet.
    ///
    /// # Errors
    /// If no device has it.
    pub async fn admit(&self, doing: Doing) -> Result<(), Error> {
        if self.devices.writers.is_empty() {
            return Ok(());
        }
        let admitted = self.state().admitted.clone();
        match (admitted, doing) {
            (Admitted::Recorded, _) | (Admitted::Unrecorded(_), Doing::Reads) => return Ok(()),
            (Admitted::No, Doing::Reads) => {
                self.state().admitted = Admitted::Unrecorded(self.now());
                return Ok(());
            }
            (Admitted::No | Admitted::Unrecorded(_), Doing::Changes) => {}
        }
        let asked = Entry {
            time: &self.now(),
            answered: None,
            error: None,
        };
        self.record(&self.devices, &[asked]).await?;
        self.state().admitted = Admitted::Recorded;
        Ok(())
    }

    /// Records how it ended; and that it was asked, if that was not yet.
    ///
    /// # Errors
    /// If no device has it: the answer must not leave.
    pub async fn close(&self, response: &Response, error: Option<&str>) -> Result<(), Error> {
        // The request may have made the first device, or sealed the barrier.
        let devices = match self.core.audit.devices(&self.core.barrier).await {
            Ok(devices) => devices,
            Err(Error::Sealed) => self.devices.clone(),
            Err(error) => return Err(error),
        };
        if devices.writers.is_empty() {
            return Ok(());
        }
        let (now, answered) = (self.now(), Answered::new(response));
        let admitted = self.state().admitted.clone();
        let asked = match admitted {
            Admitted::Unrecorded(time) => Some((time, None)),
            Admitted::No if error.is_some() => Some((now.clone(), error)),
            Admitted::No | Admitted::Recorded => None,
        };
        let asked = asked.as_ref().map(|(time, error)| Entry {
            time,
            answered: None,
            error: *error,
        });
        let ended = Entry {
            time: &now,
            answered: Some(&answered),
            error,
        };
        let entries: Vec<_> = asked.into_iter().chain([ended]).collect();
        self.record(&devices, &entries).await
    }

    /// Hands each device its records.
    async fn record(&self, devices: &Devices, entries: &[Entry<'_>]) -> Result<(), Error> {
        let found = self.state().found.clone();
        let late;
        let data = match &self.data {
            Some(data) => data,
            None => {
                late = record::parameters(self.request);
                &late
            }
        };
        let told = Told {
            id: &self.id,
            request: self.request,
            data,
            found: &found,
        };
        let render = |at: usize| {
            let Some(view) = devices.recorders.get(at) else {
                return Vec::new();
            };
            let shown = view.show(&told);
            let lines = entries
                .iter()
                .map(|entry| record::render(view, &devices.headers, &told, &shown, entry));
            lines.collect()
        };
        let recorded = coffer_audit::record(&devices.writers, render).await;
        recorded.map_err(Error::Audit)
    }
}
