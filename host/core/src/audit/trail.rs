//! What has been recorded of one request on its way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::Devices;
use super::record::{self, Answered, Asked, Found, Told};
use crate::mount::Mount;
use crate::params::Params;
use crate::request::{Request, Response};
use crate::routes::Authenticated;
use crate::time::rfc3339;
use crate::{Core, Error};

/// A request's way through the server, as the audit devices see it.
pub struct Trail<'r> {
    core: &'r Core,
    request: &'r Request,
    devices: Arc<Devices>,
    /// None as long as there is no device: nobody asks then.
    asked: Option<Asked>,
    found: Mutex<Found>,
    recorded: AtomicBool,
    id: String,
}

impl<'r> Trail<'r> {
    /// At the beginning.
    ///
    /// # Errors
    /// If it cannot be known which devices there are.
    pub async fn begin(core: &'r Core, request: &'r Request) -> Result<Self, Error> {
        let devices = core.audit.devices(&core.barrier).await?;
        Ok(Self {
            core,
            request,
            devices,
            asked: None,
            found: Mutex::default(),
            recorded: AtomicBool::new(false),
            id: core.random.uuid(),
        }
        .asking())
    }

    fn asking(mut self) -> Self {
        if !self.devices.writers.is_empty() {
            self.asked = Some(self.asked());
        }
        self
    }

    fn asked(&self) -> Asked {
        let data = Params::of(self.request).map(Params::into_map).ok();
        Asked {
            id: self.id.clone(),
            operation: record::operation(self.request.method),
            data: data.filter(|data| !data.is_empty()).map(Value::Object),
        }
    }

    /// The request's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whose request it is, and where it goes.
    pub fn found(&self, caller: Option<&Authenticated>, mount: &Arc<Mount>) {
        if self.asked.is_none() {
            return;
        }
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Found {
            token: caller.map(|caller| caller.held.token.clone()),
            mount: Some(mount.clone()),
        };
    }

    /// Records the request, once: it has been let in, and nothing was done yet.
    ///
    /// # Errors
    /// If no device has it.
    pub async fn admit(&self) -> Result<(), Error> {
        if self.recorded.load(Ordering::Acquire) {
            return Ok(());
        }
        let Some(asked) = &self.asked else {
            return Ok(());
        };
        self.record(&self.devices, asked, None, None).await?;
        self.recorded.store(true, Ordering::Release);
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
        let late;
        let asked = match &self.asked {
            Some(asked) => asked,
            None => {
                late = self.asked();
                &late
            }
        };
        if !self.recorded.load(Ordering::Acquire) && error.is_some() {
            self.record(&devices, asked, None, error).await?;
        }
        let answered = Answered {
            response,
            data: record::body(response),
        };
        self.record(&devices, asked, Some(&answered), error).await
    }

    async fn record(
        &self,
        devices: &Devices,
        asked: &Asked,
        answered: Option<&Answered<'_>>,
        error: Option<&str>,
    ) -> Result<(), Error> {
        let time = rfc3339(self.core.clock.now());
        let found = self
            .found
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let render = |at: usize| {
            devices.recorders.get(at).map_or_else(String::new, |view| {
                let headers = view.headers(&devices.headers, &self.request.headers);
                let told = Told {
                    asked,
                    headers,
                    found: &found,
                    answered,
                    error,
                };
                record::render(view, &time, self.request, told)
            })
        };
        let recorded = coffer_audit::record(&devices.writers, render).await;
        recorded.map_err(Error::Audit)
    }
}
