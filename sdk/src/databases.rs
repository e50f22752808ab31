//! Database connections, through the backends that the catalog holds.

use crate::Result;

pub use crate::bindings::plugin::coffer::plugin::databases::Target;
pub use crate::bindings::plugin::coffer::plugin::users::{
    UserChange, UserNaming, UserRemoval, UserRequest,
};

macro_rules! forward {
    ($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $result:ty) => {
        $(#[$doc])*
        pub fn $name(on: &Target $(, $argument: &$type)*) -> Result<$result> {
            #[cfg(target_family = "wasm")]
            return crate::bindings::plugin::coffer::plugin::databases::$name(on $(, $argument)*);
            #[cfg(not(target_family = "wasm"))]
            crate::testing::Host::database(|database| database.$name(on $(, $argument)*))
        }
    };
}

forward! {
    /// The fields of its configuration that are secret besides `password`.
    secret_fields() -> Vec<String>
}
forward! {
    /// A name for a user that does not exist yet.
    username(naming: UserNaming) -> String
}
forward! {
    /// Whether there is a user of that name, whoever made it.
    exists(username: str) -> bool
}
forward! {
    /// Makes a user. A conflict says that the name is taken, and nothing was done.
    create_user(user: UserRequest) -> ()
}
forward! {
    /// Changes a user's password or expiry.
    update_user(change: UserChange) -> ()
}
forward! {
    /// Removes a user; one that is gone already is removed.
    delete_user(removal: UserRemoval) -> ()
}
forward! {
    /// Proves that the connection works.
    ping() -> ()
}

/// Drops the connections of that name: the next call connects anew.
pub fn close(name: &str) {
    #[cfg(target_family = "wasm")]
    crate::bindings::plugin::coffer::plugin::databases::close(name);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::Host::with(|host| host.closed.push(name.to_owned()));
}
