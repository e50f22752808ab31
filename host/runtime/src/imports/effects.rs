//! `effects`: the point from which on a request is not run again.

use coffer_barrier::BarrierError;

use crate::bindings::plugin::coffer::plugin::effects;
use crate::error::plugin_error;
use crate::plugin::EffectsError;
use crate::state::State;
use crate::{CallError, ErrorKind, PluginError, limits};

impl effects::Host for State {
    async fn prepare(
        &mut self,
        lease: Option<effects::LeaseRequest>,
    ) -> wasmtime::Result<Result<Option<effects::LeaseGrant>, PluginError>> {
        let call = self.call()?;
        if let Some(lease) = &lease
            && let Err(error) = check(lease, call.lease.is_some())
        {
            return Ok(Err(error));
        }
        let effects = call.effects.clone();
        match effects.prepare(&mut call.txn, lease).await {
            Ok(grant) => {
                call.touched = true;
                if grant.is_some() {
                    call.lease.clone_from(&grant);
                }
                Ok(Ok(grant))
            }
            Err(EffectsError::Refused(message)) => Ok(Err(plugin_error(ErrorKind::InvalidRequest, message))),
            // Before anything was touched the whole request can be run again; afterwards it cannot.
            Err(EffectsError::Barrier(BarrierError::Conflict { key })) => Err(self.fail(CallError::Conflict(key))),
            Err(EffectsError::Barrier(error)) => Err(self.fail(CallError::Barrier(error))),
        }
    }
}

fn check(lease: &effects::LeaseRequest, already: bool) -> Result<(), PluginError> {
    let refuse = |message: &str| Err(plugin_error(ErrorKind::Internal, message));
    if already {
        return refuse("a request can have one lease only");
    }
    if lease.group.len() > limits::GROUP {
        return refuse("the lease's group is too long");
    }
    if lease.internal.len() > limits::INTERNAL {
        return refuse("the lease's internal data is too large");
    }
    if serde_json::from_str::<&serde_json::value::RawValue>(&lease.internal).is_err() {
        return refuse("the lease's internal data is not JSON");
    }
    Ok(())
}
