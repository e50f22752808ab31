//! `sys/`: the host's own paths.

mod capabilities;
mod init;
mod leases;
mod lifecycle;
mod mounts;
mod policies;
mod ui;

use crate::request::Method::{Delete, Get, List, Post};
use crate::routes::{Needs, Route};

pub use init::initialize;
pub use lifecycle::lifecycle;

/// The paths of `sys/` that want an open barrier; see [`lifecycle`] for the others.
#[rustfmt::skip]
pub static ROUTES: &[Route] = &[
    Route { pattern: "seal", needs: Needs::Sudo, operations: &[(Post, |c| Box::pin(lifecycle::seal(c)))] },

    Route { pattern: "mounts", needs: Needs::Token, operations: &[(Get, |c| Box::pin(mounts::list(c, "")))] },
    Route { pattern: "mounts/{path*}", needs: Needs::Token, operations: &[
        (Get, |c| Box::pin(mounts::read(c, ""))), (Post, |c| Box::pin(mounts::write(c, ""))), (Delete, |c| Box::pin(mounts::disable(c, ""))),
    ] },
    Route { pattern: "auth", needs: Needs::Token, operations: &[(Get, |c| Box::pin(mounts::list(c, "auth/")))] },
    Route { pattern: "auth/{path*}", needs: Needs::Sudo, operations: &[
        (Get, |c| Box::pin(mounts::read(c, "auth/"))), (Post, |c| Box::pin(mounts::write(c, "auth/"))), (Delete, |c| Box::pin(mounts::disable(c, "auth/"))),
    ] },

    Route { pattern: "policies/acl", needs: Needs::Token, operations: &[(Get, |c| Box::pin(policies::list(c, false))), (List, |c| Box::pin(policies::list(c, false)))] },
    Route { pattern: "policies/acl/{name}", needs: Needs::Token, operations: &[
        (Get, |c| Box::pin(policies::read(c, false))), (Post, |c| Box::pin(policies::write(c))), (Delete, |c| Box::pin(policies::delete(c))),
    ] },
    Route { pattern: "policies/explain", needs: Needs::Sudo, operations: &[(Post, |c| Box::pin(capabilities::explain(c)))] },
    Route { pattern: "policy", needs: Needs::Token, operations: &[(Get, |c| Box::pin(policies::list(c, true))), (List, |c| Box::pin(policies::list(c, true)))] },
    Route { pattern: "policy/{name}", needs: Needs::Token, operations: &[
        (Get, |c| Box::pin(policies::read(c, true))), (Post, |c| Box::pin(policies::write(c))), (Delete, |c| Box::pin(policies::delete(c))),
    ] },
    Route { pattern: "capabilities-self", needs: Needs::Token, operations: &[(Post, |c| Box::pin(capabilities::of_self(c)))] },

    Route { pattern: "leases/lookup", needs: Needs::Token, operations: &[(Post, |c| Box::pin(leases::lookup(c)))] },
    Route { pattern: "leases/lookup", needs: Needs::Sudo, operations: &[(List, |c| Box::pin(leases::list(c)))] },
    Route { pattern: "leases/lookup/{prefix*}", needs: Needs::Sudo, operations: &[(List, |c| Box::pin(leases::list(c)))] },
    Route { pattern: "leases/renew", needs: Needs::Token, operations: &[(Post, |c| Box::pin(leases::renew(c)))] },
    Route { pattern: "leases/renew/{url_lease_id*}", needs: Needs::Token, operations: &[(Post, |c| Box::pin(leases::renew(c)))] },
    Route { pattern: "leases/revoke", needs: Needs::Token, operations: &[(Post, |c| Box::pin(leases::revoke(c)))] },
    Route { pattern: "leases/revoke/{url_lease_id*}", needs: Needs::Token, operations: &[(Post, |c| Box::pin(leases::revoke(c)))] },
    Route { pattern: "leases/revoke-prefix/{prefix*}", needs: Needs::Sudo, operations: &[(Post, |c| Box::pin(leases::revoke_prefix(c)))] },
    Route { pattern: "leases/revoke-force/{prefix*}", needs: Needs::Sudo, operations: &[(Post, |c| Box::pin(leases::revoke_force(c)))] },
    // The paths that these had before.
    Route { pattern: "renew", needs: Needs::Token, operations: &[(Post, |c| Box::pin(leases::renew(c)))] },
    Route { pattern: "renew/{url_lease_id*}", needs: Needs::Token, operations: &[(Post, |c| Box::pin(leases::renew(c)))] },
    Route { pattern: "revoke", needs: Needs::Token, operations: &[(Post, |c| Box::pin(leases::revoke(c)))] },
    Route { pattern: "revoke/{url_lease_id*}", needs: Needs::Token, operations: &[(Post, |c| Box::pin(leases::revoke(c)))] },
    Route { pattern: "revoke-prefix/{prefix*}", needs: Needs::Sudo, operations: &[(Post, |c| Box::pin(leases::revoke_prefix(c)))] },
    Route { pattern: "revoke-force/{prefix*}", needs: Needs::Sudo, operations: &[(Post, |c| Box::pin(leases::revoke_force(c)))] },

    Route { pattern: "internal/ui/mounts", needs: Needs::Nothing, operations: &[(Get, |c| Box::pin(ui::mounts(c)))] },
    Route { pattern: "internal/ui/mounts/{path*}", needs: Needs::Nothing, operations: &[(Get, |c| Box::pin(ui::mount(c)))] },
];
