//! What commands print, word for word. Each file beside this one is a session on a server of its own: lines that begin with
//! `$` are run, and what stands below is what must come, with `[N]` for an exit code that is not 0. What is different each
//! time (times, tokens, ids, addresses) has a name in angle brackets.
//!
//! After a change that is meant, `COFFER_BLESS=1 cargo test --test golden` writes them anew; the difference is to be read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use coffer_tests::{Cli, Server};
use regex::Regex;

/// What is different each time, and what it is called.
const VOLATILE: &[(&str, &str)] = &[
    (r"http://127\.0\.0\.1:\d+", "<address>"),
    (
        r#""?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"?"#,
        "<uuid>",
    ),
    (
        r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?(Z|UTC|[+-]\d{4}( UTC)?))?",
        "<time>",
    ),
    (r"(hvs|s|hvb)\.[0-9A-Za-z_-]{20,}", "<token>"),
    (r"hmac-sha256:[0-9a-f]{64}", "<hash>"),
    (r"([a-z]+_)+[0-9a-f]{8}\b", "<accessor>"),
    (r"coffer-cluster-[0-9a-f]+", "<cluster>"),
    (r"\b[0-9A-Za-z]{24}\b", "<accessor>"),
    (r"\b[0-9a-f]{32}\b", "<accessor>"),
    (r#"("version": ")[0-9.]+"#, "$1<version>"),
    (r"(creation_time +)\d+", "$1<seconds>"),
    (r"(Version +)\d+\.\d+\.\d+", "$1<version>"),
    (r"(creation_ttl|issue_time) +.*", "$1 <varies>"),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The words of a command; what stands in single quotes is one, or a part of one.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}

/// The session as it is now.
fn replayed(session: &str) -> String {
    let server = Server::dev().unwrap();
    let cli = Cli::new(&server).unwrap();
    let volatile: Vec<_> = VOLATILE
        .iter()
        .map(|(pattern, name)| (Regex::new(pattern).unwrap(), name))
        .collect();
    let mut out = String::new();
    let about = session.lines().take_while(|line| line.starts_with('#'));
    about.for_each(|line| out += &format!("{line}\n"));
    for line in session.lines() {
        let Some(command) = line.strip_prefix("$ coffer ") else {
            continue;
        };
        let ran = cli.words(words(command));
        let mut printed = ran.stdout + &ran.stderr;
        for (pattern, name) in &volatile {
            printed = pattern.replace_all(&printed, **name).into_owned();
        }
        let lines: Vec<_> = printed.lines().map(str::trim_end).collect();
        out += &format!("$ coffer {command}\n{}\n", lines.join("\n"));
        if ran.code != 0 {
            out += &format!("[{}]\n", ran.code);
        }
        out.push('\n');
    }
    out
}

#[test]
fn sessions_are_as_they_were() {
    let bless = std::env::var_os("COFFER_BLESS").is_some();
    let mut files: Vec<_> = folder()
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    assert!(!files.is_empty());
    let mut wrong = String::new();
    for file in files {
        let before = std::fs::read_to_string(&file).unwrap();
        let now = replayed(&before);
        if bless {
            std::fs::write(&file, &now).unwrap();
        } else if before != now {
            let differ = before
                .lines()
                .zip(now.lines())
                .find(|(before, now)| before != now);
            wrong += &format!("{}: {differ:?}\n", file.display());
        }
    }
    assert!(
        wrong.is_empty(),
        "\n{wrong}if that is meant, COFFER_BLESS=1 writes them anew"
    );
}
