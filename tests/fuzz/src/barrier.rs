//! A store that somebody has written to: the barrier says what was there or nothing, and never anything else.
//!
//! The first byte says which entry is changed, the second how, and the rest with what.

use crate::vault::{SECRETS, TEMPLATE, THRESHOLD, sealed, wait};

pub(crate) fn run(input: &[u8]) {
    let [which, how, rest @ ..] = input else {
        return;
    };
    let mut entries = TEMPLATE.entries.clone();
    let which = usize::from(*which) % entries.len();
    let other = entries[usize::from(*how) % entries.len()].1.clone();
    let entry = &mut entries[which].1;
    match how % 4 {
        0 => *entry = rest.to_vec(),
        1 => *entry = other,
        2 => entry.truncate(rest.len()),
        // Pairs: where, and what is changed there.
        _ => {
            for pair in rest.chunks_exact(2) {
                let length = entry.len();
                if let Some(byte) = entry.get_mut(usize::from(pair[0]) % length.max(1)) {
                    *byte ^= pair[1];
                }
            }
        }
    }
    let untouched = entries == TEMPLATE.entries;
    wait(async {
        let (barrier, seal) = sealed(&entries).await;
        let mut opened = true;
        for share in TEMPLATE.shares.iter().take(THRESHOLD as usize) {
            opened &= seal.unseal(share).await.is_ok();
        }
        assert!(
            opened || barrier.is_sealed(),
            "it opens, and says that it does not"
        );
        assert!(!(untouched && barrier.is_sealed()), "it does not open");
        let Ok(mut txn) = barrier.begin() else {
            assert!(barrier.is_sealed());
            return;
        };
        for (key, value) in SECRETS {
            match txn.get(key).await {
                Ok(Some(read)) => assert_eq!(&read[..], *value, "{key}"),
                Ok(None) => panic!("{key} is gone"),
                Err(_) => assert!(!untouched, "{key}"),
            }
        }
    });
}
