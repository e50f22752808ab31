//! Passwords: 20 characters, with at least one of each kind, as Vault's default policy makes them.

use coffer_sdk::prelude::*;

const LEN: usize = 20;
const KINDS: [&[u8]; 4] = [b"abcdefghijklmnopqrstuvwxyz", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"0123456789", b"-"];

pub(crate) fn generate() -> String {
    loop {
        let password = random::text(LEN, b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
        if KINDS.iter().all(|kind| password.bytes().any(|letter| kind.contains(&letter))) {
            return password;
        }
    }
}
