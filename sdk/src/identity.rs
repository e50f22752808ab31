//! Who logs in, beyond the alias of an [`Auth`](crate::Auth).

use crate::Result;

/// Says which groups the one who logs in is in, by the names that whoever vouches for it uses. If the login succeeds, the
/// host makes it a member of the external groups that have such a name at this mount, and of no others of this mount.
/// At most 1024 names of 1 to 1024 bytes; the last call counts.
///
/// # Errors
/// If there are more or longer names, or this is no request.
pub fn groups(names: &[String]) -> Result<()> {
    #[cfg(target_family = "wasm")]
    return crate::bindings::plugin::coffer::plugin::identity::groups(names);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::Host::with(|host| host.login_groups(names))
}
