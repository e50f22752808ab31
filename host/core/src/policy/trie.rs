//! Patterns by path segment.
//!
//! A pattern is a path in which a segment `+` stands for any one segment, be it empty, and a `*` at the end for any rest. Of the
//! patterns that match a path the most specific decides: that without wildcards; else, in this order, that whose first
//! wildcard comes later, that which does not end in `*`, that with fewer `+`, the longer, the lexicographically greater.

use std::cmp::Reverse;
use std::collections::HashMap;

/// A pattern and what it stands for.
#[derive(Debug, Clone)]
pub struct Pattern<T> {
    pub text: String,
    rank: Rank,
    pub value: T,
}

/// What makes a pattern more specific than another.
pub type Rank = (usize, bool, Reverse<usize>, usize);

impl<T> Pattern<T> {
    /// The greater of two decides.
    pub fn key(&self) -> (Rank, &str) {
        (self.rank, &self.text)
    }
}

fn rank(text: &str) -> Rank {
    let glob = text.ends_with('*');
    let is_plus = |(_, segment): &(usize, &str)| *segment == "+";
    let mut at = 0;
    let segments: Vec<(usize, &str)> = text
        .split('/')
        .map(|segment| {
            let start = at;
            at += segment.len() + 1;
            (start, segment)
        })
        .collect();
    let pluses = segments.iter().filter(|s| is_plus(s)).count();
    let first_plus = segments
        .iter()
        .find(|s| is_plus(s))
        .map(|(start, _)| *start);
    let first_glob = glob.then(|| text.len() - 1);
    let first = first_plus
        .into_iter()
        .chain(first_glob)
        .min()
        .unwrap_or(usize::MAX);
    (first, !glob, Reverse(pluses), text.len())
}

/// The patterns of one ACL.
#[derive(Debug, Clone)]
pub struct Trie<T> {
    literal: HashMap<Box<str>, Self>,
    plus: Option<Box<Self>>,
    here: Option<Box<Pattern<T>>>,
    /// By what the last segment must start with.
    globs: Vec<(Box<str>, Pattern<T>)>,
}

impl<T> Default for Trie<T> {
    fn default() -> Self {
        Self {
            literal: HashMap::new(),
            plus: None,
            here: None,
            globs: Vec::new(),
        }
    }
}

impl<T> Trie<T> {
    /// What a pattern stands for, made if it was not there.
    pub fn entry(&mut self, text: &str, default: impl FnOnce() -> T) -> &mut T {
        let mut node = self;
        let mut segments = text.split('/').peekable();
        while let Some(segment) = segments.next() {
            if segments.peek().is_none()
                && let Some(start) = segment.strip_suffix('*')
            {
                let at = match node.globs.iter().position(|(have, _)| **have == *start) {
                    Some(at) => at,
                    None => {
                        let pattern = Pattern {
                            text: text.to_owned(),
                            rank: rank(text),
                            value: default(),
                        };
                        node.globs.push((start.into(), pattern));
                        node.globs.len() - 1
                    }
                };
                #[allow(clippy::indexing_slicing)]
                return &mut node.globs[at].1.value;
            }
            node = match segment {
                "+" => node.plus.get_or_insert_default(),
                _ => node.literal.entry(segment.into()).or_default(),
            };
        }
        let new = || {
            Box::new(Pattern {
                text: text.to_owned(),
                rank: rank(text),
                value: default(),
            })
        };
        &mut node.here.get_or_insert_with(new).value
    }

    /// What this very pattern stands for.
    pub fn get(&self, text: &str) -> Option<&T> {
        let mut node = self;
        let mut segments = text.split('/').peekable();
        while let Some(segment) = segments.next() {
            if segments.peek().is_none()
                && let Some(start) = segment.strip_suffix('*')
            {
                let mut globs = node.globs.iter();
                let found = globs.find(|(have, _)| **have == *start);
                return found.map(|(_, pattern)| &pattern.value);
            }
            node = match segment {
                "+" => node.plus.as_deref()?,
                _ => node.literal.get(segment)?,
            };
        }
        node.here.as_deref().map(|pattern| &pattern.value)
    }

    /// All patterns.
    pub fn patterns(&self) -> Vec<&Pattern<T>> {
        let mut all = Vec::new();
        let mut nodes = vec![self];
        while let Some(node) = nodes.pop() {
            all.extend(node.here.as_deref());
            all.extend(node.globs.iter().map(|(_, pattern)| pattern));
            nodes.extend(node.literal.values().chain(node.plus.as_deref()));
        }
        all
    }

    /// The pattern that decides for this path.
    pub fn find(&self, path: &str) -> Option<&Pattern<T>> {
        let mut best = None;
        self.walk(path, &mut best);
        best
    }

    fn walk<'t>(&'t self, rest: &str, best: &mut Option<&'t Pattern<T>>) {
        let mut offer = |pattern: &'t Pattern<T>| {
            if best.is_none_or(|best| best.key() < pattern.key()) {
                *best = Some(pattern);
            }
        };
        for (start, pattern) in &self.globs {
            if rest.starts_with(&**start) {
                offer(pattern);
            }
        }
        let (segment, rest) = match rest.split_once('/') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (rest, None),
        };
        for node in [self.literal.get(segment), self.plus.as_deref()]
            .into_iter()
            .flatten()
        {
            match rest {
                Some(rest) => node.walk(rest, best),
                None => {
                    if let Some(pattern) = &node.here
                        && best.is_none_or(|best| best.key() < pattern.key())
                    {
                        *best = Some(pattern);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// The rules once more, in the most naive way.
    fn matches(pattern: &str, path: &str) -> bool {
        let (pattern, glob) = match pattern.strip_suffix('*') {
            Some(start) => (start, true),
            None => (pattern, false),
        };
        let wanted: Vec<_> = pattern.split('/').collect();
        let have: Vec<_> = path.split('/').collect();
        if !glob && have.len() != wanted.len() || have.len() < wanted.len() {
            return false;
        }
        wanted.iter().enumerate().all(|(at, segment)| {
            let last = at + 1 == wanted.len();
            match *segment {
                "+" if !(glob && last) => true,
                text if glob && last => have[at].starts_with(text),
                text => have[at] == text,
            }
        })
    }

    #[test]
    fn the_documented_examples() {
        let mut trie = Trie::default();
        for pattern in [
            "secret/*",
            "secret/+/team",
            "secret/foo*",
            "secret/foo/team",
            "secret/+/*",
            "+/foo/team",
            "a/+/+/b",
            "a/x/+/b",
        ] {
            *trie.entry(pattern, || 0) += 1;
        }
        #[rustfmt::skip]
        let table = [
            ("secret/bar", Some("secret/*")),
            ("secret/foobar", Some("secret/foo*")),
            ("secret/foo/team", Some("secret/foo/team")),
            ("secret/bar/team", Some("secret/+/team")),
            ("secret/bar/x", Some("secret/*")),
            ("other/foo/team", Some("+/foo/team")),
            ("a/x/y/b", Some("a/x/+/b")),
            ("secret", None),
        ];
        for (path, expected) in table {
            assert_eq!(trie.find(path).map(|p| p.text.as_str()), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn finds_what_a_search_of_all_patterns_finds(
            patterns in proptest::collection::btree_set("(a|b|\\+|ab)(/(a|b|\\+)){0,3}(\\*|/\\*)?", 0..10),
            path in "(a|b|ab)(/(a|b|ab|)){0,4}",
        ) {
            let mut trie = Trie::default();
            let patterns: Vec<_> = patterns.into_iter().filter(|p| !p.contains("+*")).collect();
            for pattern in &patterns {
                prop_assert!(trie.get(pattern).is_none());
                trie.entry(pattern, || ());
            }
            prop_assert!(patterns.iter().all(|pattern| trie.get(pattern).is_some()));
            let expected = patterns.iter().filter(|p| matches(p, &path)).max_by_key(|p| (rank(p), (*p).clone()));
            prop_assert_eq!(trie.find(&path).map(|p| &p.text), expected);
        }
    }
}
