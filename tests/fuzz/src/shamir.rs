//! Key shares as people give them: the barrier opens for enough of its own, and never for what is made of fewer.
//!
//! An input is a row of shares. Each begins with a byte: 0 to 4 for one of the genuine, 5 to 9 for one of them with a
//! byte changed (where, and how, follow), 10 for no more, anything else for as many bytes as the next byte says.

use std::collections::HashSet;

use crate::vault::{TEMPLATE, THRESHOLD, sealed, wait};

/// More than this is the same again.
const MOST: usize = 24;

#[derive(PartialEq, Eq, Hash)]
struct Share {
    bytes: Vec<u8>,
    /// Which of the genuine shares it was made of. Changes of several can cancel each other out, so what is made of enough
    /// of them may open the barrier.
    source: Option<usize>,
}

pub(crate) fn run(input: &[u8]) {
    let genuine = &TEMPLATE.shares;
    let shares = shares(input);
    wait(async {
        let (barrier, seal) = sealed(&TEMPLATE.entries).await;
        let mut round: HashSet<&Share> = HashSet::new();
        for share in &shares {
            let given = seal.unseal(&share.bytes).await;
            if !matches!(share.bytes.len(), 32..=33) {
                assert!(given.is_err() && barrier.is_sealed());
                continue;
            }
            if round.iter().any(|other| other.bytes == share.bytes) {
                assert!(given.is_ok() && barrier.is_sealed());
                continue;
            }
            round.insert(share);
            if round.len() < THRESHOLD as usize {
                assert!(given.is_ok() && barrier.is_sealed());
                continue;
            }
            let sources: HashSet<_> = round.iter().filter_map(|share| share.source).collect();
            let is_genuine = |share: &&Share| genuine.iter().any(|own| **own == share.bytes);
            let opened = !barrier.is_sealed();
            assert_eq!(given.is_ok(), opened);
            assert!(opened || !round.iter().all(is_genuine));
            assert!(!opened || sources.len() >= THRESHOLD as usize);
            if opened {
                return;
            }
            round.clear();
        }
    });
}

fn shares(input: &[u8]) -> Vec<Share> {
    let mut input = input.iter().copied();
    let mut shares = Vec::new();
    while let Some(kind) = input.next()
        && kind != 10
        && shares.len() < MOST
    {
        let mut bytes = if kind < 10 {
            TEMPLATE.shares[usize::from(kind % 5)].to_vec()
        } else {
            let length = input.next().unwrap_or_default();
            input.by_ref().take(length.into()).collect()
        };
        if matches!(kind, 5..10) {
            let at = usize::from(input.next().unwrap_or_default()) % bytes.len();
            bytes[at] ^= input.next().unwrap_or_default();
        }
        let source = source(&bytes);
        shares.push(Share { bytes, source });
    }
    shares
}

/// The genuine share that this is like: a fuzzer that watches comparisons finds out about them.
fn source(bytes: &[u8]) -> Option<usize> {
    let alike = |own: &[u8]| own.iter().zip(bytes).filter(|(a, b)| a == b).count() >= 8;
    TEMPLATE.shares.iter().position(|own| alike(own))
}
