//! How a call ended, and what is left of it.

use coffer_barrier::Transaction;

use crate::bindings::plugin::coffer::plugin::effects::LeaseGrant;
use crate::{CallError, PluginError};

/// How a call ended.
pub struct Outcome<T> {
    /// The plugin's answer, or its error; or why there is neither.
    pub result: Result<Result<T, PluginError>, CallError>,
    /// The transaction with what the plugin wrote. None unless there is an answer: a call that fails leaves nothing but
    /// what it committed by `prepare`.
    pub txn: Option<Transaction>,
    /// Whether something outside was touched, so that the call must not be run again.
    pub touched: bool,
    /// The lease that the call made, durable whatever came after it.
    pub lease: Option<LeaseGrant>,
}

impl<T> Outcome<T> {
    pub(crate) fn failed(error: CallError) -> Self {
        Self {
            result: Err(error),
            txn: None,
            touched: false,
            lease: None,
        }
    }

    /// Refuses an answer that is none.
    pub(crate) fn check<U>(self, check: impl FnOnce(T) -> Result<U, CallError>) -> Outcome<U> {
        let Self {
            result,
            txn,
            touched,
            lease,
        } = self;
        let result = match result {
            Ok(Ok(answer)) => check(answer).map(Ok),
            Ok(Err(error)) => Ok(Err(error)),
            Err(error) => Err(error),
        };
        let txn = txn.filter(|_| matches!(result, Ok(Ok(_))));
        Outcome {
            result,
            txn,
            touched,
            lease,
        }
    }
}
