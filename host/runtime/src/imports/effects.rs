//! `effects`: the point from which on a request is not run again.

use coffer_barrier::BarrierError;

use crate::bindings::plugin::coffer::plugin::effects;
use crate::error::plugin_error;
use crate::plugin::EffectsError;
use crate::response::internal;
use crate::state::State;
use crate::{CallError, ErrorKind, PluginError, limits};

impl effects::Host for State {
    async fn prepare(
        &mut self,
        lease: Option<effects::LeaseRequest>,
    ) -> wasmtime::Result<Result<Option<effects::LeaseGrant>, PluginError>> {
        let call = self.call()?;
        if let Some(lease) = &lease
            && let Err(reason) = check(lease, call.lease.is_some())
        {
            return Ok(Err(plugin_error(ErrorKind::Internal, reason)));
        }
        // A commit goes on when its caller is cut off: from here on, nobody knows whether it was made.
        let touched_before = std::mem::replace(&mut call.touched, true);
        let effects = call.effects.clone();
        match effects.prepare(&mut call.txn, lease).await {
            Ok(grant) => {
                self.spent.committed();
                let call = self.call()?;
                if grant.is_some() {
                    call.lease.clone_from(&grant);
                }
                Ok(Ok(grant))
            }
            Err(EffectsError::Refused(message)) => {
                call.touched = touched_before;
                Ok(Err(plugin_error(ErrorKind::InvalidRequest, message)))
            }
            // Before anything was touched the whole request can be run again; afterwards it cannot.
            Err(EffectsError::Barrier(BarrierError::Conflict { key })) if !touched_before => {
                call.touched = false;
                Err(self.fail(CallError::Conflict(key)))
            }
            Err(EffectsError::Barrier(error)) => Err(self.fail(CallError::Barrier(error))),
        }
    }

    async fn withdraw(&mut self) -> wasmtime::Result<Result<(), PluginError>> {
        let call = self.call()?;
        let Some(lease) = call.lease.clone() else {
            return Ok(Ok(()));
        };
        let effects = call.effects.clone();
        match effects.withdraw(&lease.lease_id).await {
            Ok(()) => {
                self.call()?.lease = None;
                Ok(Ok(()))
            }
            Err(reason) => Ok(Err(plugin_error(ErrorKind::Internal, reason))),
        }
    }
}

fn check(lease: &effects::LeaseRequest, already: bool) -> Result<(), String> {
    if already {
        return Err("a request can have one lease only".to_owned());
    }
    if lease.group.len() > limits::GROUP {
        return Err(format!(
            "the lease's group has {} bytes; {} are allowed",
            lease.group.len(),
            limits::GROUP
        ));
    }
    internal(&lease.internal).map_err(|reason| format!("the lease's internal data {reason}"))
}
