//! The running hash of a device's records.
//!
//! A record is a JSON object on a line of its own. Behind its own fields stands
//! `"chain":{"id":ID,"seq":N,"hash":HASH}`: the chain's name, the record's number, from 1 on, and the SHA-256, in
//! hexadecimal, of the name, the number in eight bytes (big endian), the hash of the record before (32 bytes of zero for
//! the first) and the record as it was before the chain came to it, without its closing brace.

use std::io::BufRead;

use serde::{Deserialize, Serialize, de::IgnoredAny};
use sha2::{Digest, Sha256};

const FIELD: &str = ",\"chain\":";

/// Where a chain has got to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    id: String,
    seq: u64,
    hash: [u8; 32],
}

/// As a record has it.
#[derive(Serialize, Deserialize)]
struct Link {
    id: String,
    seq: u64,
    hash: String,
}

impl Chain {
    /// A new one, of this name: of letters and digits, the same for no other.
    pub fn new(id: String) -> Self {
        Self {
            id,
            seq: 0,
            hash: [0; 32],
        }
    }

    /// The one that this line ends, if it is a record; whether it is the record that it was is not known without those
    /// before it.
    pub fn ending(line: &str) -> Option<Self> {
        let line = line.trim_end_matches('\n');
        let (_, link) = parts(line)?;
        // No hash tells where it begins: two records on a line are none.
        serde_json::from_str::<IgnoredAny>(line.get(line.find('{')?..)?).ok()?;
        let mut hash = [0; 32];
        hex::decode_to_slice(&link.hash, &mut hash).ok()?;
        Some(Self {
            id: link.id,
            seq: link.seq,
            hash,
        })
    }

    /// How many records it has.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The next record of the chain, on a line: out of a JSON object with at least one field.
    pub fn link(&mut self, record: &str) -> String {
        let open = record.strip_suffix('}').unwrap_or(record);
        self.hash = self.next(open);
        self.seq += 1;
        let link = Link {
            id: self.id.clone(),
            seq: self.seq,
            hash: hex::encode(self.hash),
        };
        let link = serde_json::to_string(&link).unwrap_or_default();
        format!("{open}{FIELD}{link}}}\n")
    }

    fn next(&self, open: &str) -> [u8; 32] {
        Sha256::new()
            .chain_update(self.id.as_bytes())
            .chain_update((self.seq + 1).to_be_bytes())
            .chain_update(self.hash)
            .chain_update(open.as_bytes())
            .finalize()
            .into()
    }
}

/// A line's own fields, without what stands before the object and without the closing brace; and its link.
fn parts(line: &str) -> Option<(&str, Link)> {
    let record = line.get(line.find('{')?..)?;
    let (open, link) = record.rsplit_once(FIELD)?;
    let link = serde_json::from_str(link.strip_suffix('}')?).ok()?;
    Some((open, link))
}

/// What is known of records that are all there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many records.
    pub records: u64,
    /// The number of the first one: more than 1 if earlier ones are somewhere else.
    pub first: u64,
    /// The number of the last one.
    pub last: u64,
    /// The last one's hash, in hexadecimal: it stands for all of them.
    pub head: String,
    /// The lines where another chain begins: the device was made anew, or had lost its file.
    pub restarts: Vec<u64>,
}

/// Why a line is not what was written.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// It is no record.
    #[error("line {0}: this is no record of an audit device")]
    NoRecord(u64),
    /// Its number does not follow.
    #[error(
        "line {line}: record {got} follows record {before}: records are missing, repeated or out of order"
    )]
    OutOfOrder {
        /// From 1 on.
        line: u64,
        /// The number of the record before.
        before: u64,
        /// Its number.
        got: u64,
    },
    /// Its hash is that of something else.
    #[error("line {line}: record {seq} is not what was written: it, or its place, was changed")]
    Changed {
        /// From 1 on.
        line: u64,
        /// Its number.
        seq: u64,
    },
    /// There is none.
    #[error("there is no record")]
    Empty,
    /// The file cannot be read.
    #[error("line {0}: {1}")]
    Unreadable(u64, std::io::Error),
}

/// Whether each record is the one that was written after the one before it. Files of one device that follow each other
/// are one after the other. The first record of a file whose beginning is elsewhere is taken as it is.
///
/// # Errors
/// With the first line that is not.
pub fn verify(mut lines: impl BufRead) -> Result<Verified, Broken> {
    let mut chain: Option<Chain> = None;
    let mut seen = Verified {
        records: 0,
        first: 0,
        last: 0,
        head: String::new(),
        restarts: Vec::new(),
    };
    let mut text = String::new();
    for line in 1.. {
        text.clear();
        let unreadable = |error| Broken::Unreadable(line, error);
        if lines.read_line(&mut text).map_err(unreadable)? == 0 {
            break;
        }
        let (open, link) = parts(text.trim_end_matches('\n')).ok_or(Broken::NoRecord(line))?;
        let mut before = match chain.take() {
            Some(before) if before.id == link.id => before,
            before => {
                if before.is_some() {
                    seen.restarts.push(line);
                }
                if link.seq == 1 {
                    Chain::new(link.id.clone())
                } else if before.is_some() {
                    let before = before.map_or(0, |before| before.seq);
                    let got = link.seq;
                    return Err(Broken::OutOfOrder { line, before, got });
                } else {
                    // What was before is not here: the next one tells whether this one was changed.
                    let here = Chain::ending(&text).ok_or(Broken::NoRecord(line))?;
                    (seen.records, seen.first) = (1, link.seq);
                    (seen.last, seen.head) = (link.seq, link.hash);
                    chain = Some(here);
                    continue;
                }
            }
        };
        if link.seq != before.seq + 1 {
            let (before, got) = (before.seq, link.seq);
            return Err(Broken::OutOfOrder { line, before, got });
        }
        let hash = before.next(open);
        if hex::encode(hash) != link.hash {
            return Err(Broken::Changed {
                line,
                seq: link.seq,
            });
        }
        (before.seq, before.hash) = (link.seq, hash);
        if seen.records == 0 {
            seen.first = link.seq;
        }
        seen.records += 1;
        (seen.last, seen.head) = (link.seq, link.hash);
        chain = Some(before);
    }
    if seen.records == 0 {
        return Err(Broken::Empty);
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;

    fn written(count: usize) -> Vec<String> {
        let mut chain = Chain::new("c1".to_owned());
        let link = |n| chain.link(&format!(r#"{{"n":{n},"text":",\"chain\":{{}}"}}"#));
        (0..count).map(link).collect()
    }

    fn check(lines: &[String]) -> Result<Verified, String> {
        verify(lines.concat().as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_was_written_verifies_also_in_pieces() {
        let lines = written(5);
        let all = check(&lines).unwrap();
        assert_eq!((all.records, all.first, all.last), (5, 1, 5));
        let record: serde_json::Value = serde_json::from_str(&lines[4]).unwrap();
        assert_eq!(record["chain"]["hash"], all.head.as_str());
        let rest = check(&lines[2..]).unwrap();
        assert_eq!((rest.records, rest.first, &rest.head), (3, 3, &all.head));
        let prefixed: Vec<_> = lines.iter().map(|line| format!("@cee: {line}")).collect();
        assert_eq!(check(&prefixed).unwrap(), all);
    }

    #[test]
    fn a_chain_goes_on_where_a_line_ends_it() {
        let mut lines = written(2);
        let mut chain = Chain::ending(&lines[1]).unwrap();
        lines.push(chain.link(r#"{"n":2}"#));
        assert_eq!(check(&lines).unwrap().records, 3);
        lines.push(Chain::new("c2".to_owned()).link(r#"{"n":3}"#));
        assert_eq!(check(&lines).unwrap().restarts, [4]);
    }

    #[test]
    fn what_was_done_to_lines_is_told() {
        type Tamper = fn(&mut Vec<String>);
        #[rustfmt::skip]
        let table: [(Tamper, &str); 8] = [
            (|lines| lines[2] = lines[2].replace("\"n\":2", "\"n\":9"), "line 3: record 3 is not what was written"),
            (|lines| drop(lines.remove(2)), "line 3: record 4 follows record 2"),
            (|lines| lines.swap(1, 2), "line 2: record 3 follows record 1"),
            (|lines| lines.insert(3, lines[2].clone()), "line 4: record 3 follows record 3"),
            (|lines| lines.insert(3, "{\"n\":1}\n".to_owned()), "line 4: this is no record"),
            (|lines| lines[4].truncate(20), "line 5: this is no record"),
            (|lines| lines[4] = lines[4].replace("\"seq\":5", "\"seq\":6"), "line 5: record 6 follows record 4"),
            (|lines| lines.clear(), "there is no record"),
        ];
        for (tamper, expected) in table {
            let mut lines = written(5);
            tamper(&mut lines);
            let error = check(&lines).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn no_byte_can_be_changed() {
        let text = written(3).concat().into_bytes();
        for (at, byte) in (0..text.len()).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte))) {
            let mut other = text.clone();
            other[at] = byte;
            let same = other == text;
            assert_eq!(verify(&other[..]).is_ok(), same, "{byte} at {at}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text: String) {
            let _ = verify(text.as_bytes());
            let _ = Chain::ending(&text);
        }
    }
}
