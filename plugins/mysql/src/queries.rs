//! What is asked of a server about a user. Names were checked before: nothing in them ends a quote.

use sha2::{Digest, Sha256};

use crate::limits;

/// How a server calls the user of a session that has not logged in yet.
pub const LOGGING_IN: &str = "unauthenticated user";

/// Something that only who may see all sessions can be answered.
pub const MAY_WATCH: &str = "SELECT COUNT(*) FROM information_schema.INNODB_TRX";

/// What a creation or removal holds until its end: a lock of its user's own.
pub fn lock(username: &str) -> String {
    let digest = Sha256::digest(username.as_bytes());
    let hex: String = digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("'coffer_{hex}'")
}

/// Whether we have this lock now, and whose it is.
pub fn try_lock(lock: &str) -> String {
    format!("SELECT GET_LOCK({lock}, 0), IS_USED_LOCK({lock})")
}

/// Whether we have this lock now, after some waiting.
pub fn wait_for_lock(lock: &str) -> String {
    format!("SELECT GET_LOCK({lock}, {})", limits::CREATION_WAIT)
}

/// A row with the host and the name for each account of a user.
pub fn accounts(username: &str) -> String {
    format!("SELECT Host, User FROM mysql.user WHERE User = '{username}'")
}

/// Refused if there is no such account, and nothing otherwise.
pub fn probe(username: &str) -> String {
    format!("ALTER USER '{username}'@'%'")
}

/// A row with the number and the user's name for each session of a user, and for each that has yet to log in.
pub fn sessions(username: &str) -> String {
    format!(
        "SELECT ID, USER FROM information_schema.PROCESSLIST WHERE USER IN ('{username}', '{LOGGING_IN}') AND ID <> CONNECTION_ID()"
    )
}

/// Ends a session of somebody else's, on Amazon's servers.
pub fn rds_kill(session: u64) -> String {
    format!("CALL mysql.rds_kill({session})")
}
