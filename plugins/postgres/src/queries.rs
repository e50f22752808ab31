//! What is asked of PostgreSQL's catalogue about a user.

use sha2::{Digest, Sha256};

use crate::sql::{identifier, literal};

/// What stands for the role in [`remains`].
pub const ROLE: &str = "role";

/// What a creation holds until its end: a lock of its user's own.
pub fn lock(username: &str) -> i64 {
    let digest = Sha256::digest([b"coffer user ", username.as_bytes()].concat());
    digest
        .first_chunk()
        .map_or(0, |bytes| i64::from_be_bytes(*bytes))
}

/// Ends the session that holds this lock.
pub fn end_holder(lock: i64) -> String {
    format!(
        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_locks \
         WHERE locktype = 'advisory' AND granted AND pid <> pg_catalog.pg_backend_pid() AND objsubid = 1 \
         AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) \
         AND (classid::int8 << 32) | objid::int8 = {lock}"
    )
}

/// A row with its oid, if there is such a user.
pub fn find(username: &str) -> String {
    format!(
        "SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {}",
        literal(username)
    )
}

/// A row for the role, and one for each session of it, of which `look` is taken.
pub fn remains(username: &str, oid: &str, look: &str) -> String {
    format!(
        "SELECT '{ROLE}' FROM pg_catalog.pg_roles WHERE rolname = {} UNION ALL {}",
        literal(username),
        sessions(oid, look)
    )
}

/// A row for each session of a role.
pub fn sessions(oid: &str, look: &str) -> String {
    format!(
        "SELECT ({look})::text FROM pg_catalog.pg_stat_activity \
         WHERE usesysid = {}::oid AND pid <> pg_catalog.pg_backend_pid()",
        literal(oid)
    )
}

/// What would revoke the user's privileges in this database: `pg_shdepend` knows exactly what it was granted.
pub fn grants(username: &str) -> String {
    format!(
        "SELECT 'REVOKE ALL PRIVILEGES ON ' || kind || ' ' || pg_catalog.string_agg(name, ', ') || ' FROM ' || {}
         FROM (
           SELECT CASE classid
               WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN 'TABLE'
               WHEN 'pg_catalog.pg_proc'::pg_catalog.regclass THEN 'ROUTINE'
               WHEN 'pg_catalog.pg_namespace'::pg_catalog.regclass THEN 'SCHEMA'
               WHEN 'pg_catalog.pg_database'::pg_catalog.regclass THEN 'DATABASE'
             END AS kind,
             CASE classid
               WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN objid::pg_catalog.regclass::text
               WHEN 'pg_catalog.pg_proc'::pg_catalog.regclass THEN objid::pg_catalog.regprocedure::text
               WHEN 'pg_catalog.pg_namespace'::pg_catalog.regclass
                 THEN (SELECT pg_catalog.quote_ident(nspname) FROM pg_catalog.pg_namespace WHERE oid = objid)
               WHEN 'pg_catalog.pg_database'::pg_catalog.regclass
                 THEN (SELECT pg_catalog.quote_ident(datname) FROM pg_catalog.pg_database WHERE oid = objid)
             END AS name
           FROM pg_catalog.pg_shdepend
           WHERE refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
             AND refobjid = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {})
             AND deptype = 'a'
             AND (dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
               OR classid = 'pg_catalog.pg_database'::pg_catalog.regclass
                 AND objid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
         ) AS granted
         WHERE name IS NOT NULL
         GROUP BY kind",
        literal(&identifier(username)),
        literal(username)
    )
}
