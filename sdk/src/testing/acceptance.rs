//! Proof that nothing is left behind.

use std::fmt::Debug;

use super::Host;
use crate::Plugin;

impl Host {
    /// Ends every lease that was made and not ended yet, each twice, since a host that died may not know that it did; then
    /// asks `left` what there still is where the plugin made things.
    ///
    /// ```
    /// # use coffer_sdk::prelude::*;
    /// # static PLUGIN: Plugin = Plugin::secret("x", "1.0.0", "");
    /// # let host = coffer_sdk::testing::Host::new();
    /// let users_of_the_service: Vec<String> = Vec::new();
    /// host.assert_nothing_left(&PLUGIN, || users_of_the_service.clone());
    /// ```
    ///
    /// # Panics
    /// If a lease does not end, or something is left.
    #[allow(clippy::panic)]
    pub fn assert_nothing_left<T: Debug>(
        &self,
        plugin: &'static Plugin,
        left: impl FnOnce() -> Vec<T>,
    ) {
        for lease in Self::with(|host| host.unended.clone()) {
            for time in ["once", "a second time"] {
                if let Err(error) = self.revoke(plugin, &lease) {
                    panic!(
                        "a lease does not end {time}: {:?}: {} (its internal data: {})",
                        error.kind, error.message, lease.internal
                    );
                }
            }
        }
        let left = left();
        assert!(
            left.is_empty(),
            "every lease has ended, and this is left: {left:?}"
        );
    }
}
