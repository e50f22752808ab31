//! Help, and what is said of a mistake in a command line: with one dash before a flag, as Vault's users write it.

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::args::Cli;

/// Commands whose answer has no fields: `-field` would be silently ignored.
const WITHOUT_FIELDS: &[&str] = &[
    "audit",
    "auth",
    "completion",
    "kv list",
    "lease revoke",
    "list",
    "operator diagnose",
    "operator seal",
    "path-help",
    "plugin build",
    "plugin keygen",
    "plugin new",
    "plugin run",
    "plugin sign",
    "plugin test",
    "policy delete",
    "policy fmt",
    "policy list",
    "policy write",
    "print",
    "scan",
    "secrets",
    "server",
    "token capabilities",
    "token revoke",
    "version",
];

/// Shown with a command, and with those below it.
const EXAMPLES: &[(&str, &str)] = &[
    (
        "",
        "server -dev -dev-root-token-id=root
login
kv put -mount=secret app/config password=swordfish",
    ),
    (
        "audit",
        "audit enable file file_path=/var/log/coffer/audit.log
audit list -detailed
audit verify /var/log/coffer/audit.log",
    ),
    (
        "auth",
        "auth list
auth enable approle
auth tune -default-lease-ttl=20m approle",
    ),
    (
        "kv",
        "kv put -mount=secret app/config password=swordfish
kv get -mount=secret -field=password app/config
kv rollback -mount=secret -version=1 app/config",
    ),
    (
        "lease",
        "lease renew -increment=1h database/creds/app/LEASE
lease revoke database/creds/app/LEASE
lease revoke -prefix database/creds/app",
    ),
    (
        "list",
        "list secret/metadata
list -format=json auth/approle/role",
    ),
    (
        "login",
        "login
login -method=approle role_id=... secret_id=...",
    ),
    (
        "operator",
        "operator init -key-shares=5 -key-threshold=3
operator unseal
operator rekey -init -key-shares=5 -key-threshold=3 -verify
operator generate-root -init
operator rotate
operator diagnose -config=/etc/coffer/coffer.hcl",
    ),
    (
        "plugin",
        "plugin new -kind=secret tokens
plugin check tokens
plugin keygen -out=author
plugin sign -key=author.key tokens.wasm
plugin verify -key=author.pub tokens.wasm",
    ),
    (
        "policy",
        "policy write app app-policy.hcl
policy read app
policy fmt app-policy.hcl",
    ),
    (
        "read",
        "read database/creds/app
read -field=role_id auth/approle/role/app/role-id",
    ),
    (
        "secrets",
        "secrets enable database
secrets enable -path=team -version=2 kv
secrets list -detailed",
    ),
    (
        "server",
        "server -dev -dev-root-token-id=root
server -config=/etc/coffer/coffer.hcl",
    ),
    (
        "token",
        "token create -policy=app -ttl=1h
token lookup -accessor ACCESSOR
token capabilities secret/data/app",
    ),
    (
        "write",
        "write auth/approle/role/app token_policies=app token_ttl=20m
write -f auth/approle/role/app/secret-id
write database/roles/app @role.json",
    ),
];

/// Why there is no command to run.
#[derive(Debug)]
pub struct Stop {
    /// What to print.
    pub text: String,
    /// What the shell gets; with 0, this is help that was asked for.
    pub code: u8,
}

/// Whether `-field` means something to a command.
pub fn has_fields(path: &[String]) -> bool {
    let path = path.join(" ");
    let is = |name: &&str| {
        path.strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    !WITHOUT_FIELDS.iter().any(is)
}

/// What clap has to say of a command line that got as far as the command at `path`.
pub fn stop(error: &clap::Error, path: &[String]) -> Stop {
    let group_or_none = if path.is_empty() { 127 } else { 1 };
    match error.kind() {
        ErrorKind::DisplayHelp => Stop {
            text: help(path),
            code: 0,
        },
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Stop {
                text: help(path),
                code: group_or_none,
            }
        }
        ErrorKind::InvalidSubcommand => {
            let said = error.to_string();
            let what = said.split("\n\nUsage").next().unwrap_or_default();
            Stop {
                text: format!("{}\n\n{}", single_dashes(what), help(path)),
                code: group_or_none,
            }
        }
        kind => Stop {
            text: single_dashes(&match kind {
                ErrorKind::UnknownArgument | ErrorKind::TooManyValues if !is_flag(error) => {
                    too_many(error)
                }
                _ => error.to_string(),
            }),
            code: 1,
        },
    }
}

fn is_flag(error: &clap::Error) -> bool {
    error.kind() == ErrorKind::UnknownArgument
        && matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(name)) if name.starts_with('-'))
}

/// An argument too many may be a key or a token: it is not shown.
fn too_many(error: &clap::Error) -> String {
    let usage = match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => format!("\n{usage}\n"),
        _ => String::new(),
    };
    format!("error: too many arguments\n{usage}\nFor more information, try '--help'.\n")
}

fn help(path: &[String]) -> String {
    // As it is declared: the one that parses lets every switch have a value.
    let mut root = Cli::command();
    root.build();
    let mut command = root;
    for name in path {
        let Some(below) = command.find_subcommand(name).cloned() else {
            break;
        };
        command = below;
    }
    let mut shown = command.mut_arg("help", |arg| arg.help("Print help"));
    if !has_fields(path) {
        shown = shown.mut_arg("field", |arg| arg.hide(true));
    }
    let mut text = single_dashes(&shown.render_help().to_string());
    let group = path.first().map_or("", String::as_str);
    if let Some((_, lines)) = EXAMPLES.iter().find(|(name, _)| *name == group) {
        text.push_str("\nExamples:\n");
        for line in lines.lines() {
            text.push_str(&format!("  coffer {line}\n"));
        }
    }
    text
}

/// `--flag` as `-flag`. What stands in a column beside it stays there.
fn single_dashes(text: &str) -> String {
    text.split_inclusive('\n').map(single_dash).collect()
}

fn single_dash(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("--") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        let is_flag = after.starts_with(|first: char| first.is_ascii_lowercase())
            && !before.ends_with(|last: char| last.is_ascii_alphanumeric() || last == '-');
        shown.push_str(before);
        shown.push_str(if is_flag { "-" } else { "--" });
        rest = after;
    }
    shown.push_str(rest);
    let flag = shown.len() - shown.trim_start().len();
    if shown.len() < line.len()
        && flag > 0
        && let Some(column) = shown[flag..].find("  ")
    {
        shown.insert(flag + column, ' ');
    }
    shown
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::ffi::OsString;

    use super::*;

    fn stopped(line: &str) -> Stop {
        let argv = line.split(' ').map(OsString::from);
        crate::args::parse(argv).err().unwrap()
    }

    #[test]
    fn mistakes() {
        let table = [
            ("coffer", 127, "Usage: coffer"),
            ("coffer -format=json", 127, "Usage: coffer"),
            ("coffer secretz", 127, "Usage: coffer [OPTIONS]"),
            ("coffer secretz", 127, "'secrets'"),
            ("coffer secrets", 1, "  tune "),
            ("coffer kv nonsense", 1, "Usage: coffer kv [OPTIONS]"),
            ("coffer kv metadata x", 1, "Usage: coffer kv metadata"),
            ("coffer read", 1, "<PATH>"),
            ("coffer read -bogus=hunter2 x", 1, "'-bogus'"),
            ("coffer operator unseal a hunter2", 1, "too many arguments"),
            (
                "coffer token capabilities a b hunter2",
                1,
                "too many arguments",
            ),
            ("coffer list -field=x a", 1, "-field: what `list` answers"),
            ("coffer secrets list -field=x", 1, "has no fields"),
            ("coffer kv list -field=x a", 1, "has no fields"),
            ("coffer kv get -h", 0, "Usage: coffer kv get"),
        ];
        for (line, code, expected) in table {
            let stop = stopped(line);
            assert_eq!(stop.code, code, "{line}");
            assert!(stop.text.contains(expected), "{line}: {}", stop.text);
            assert!(!stop.text.contains("hunter2"), "{line}: {}", stop.text);
            assert!(!stop.text.contains(" --"), "{line}: {}", stop.text);
        }
    }

    #[test]
    fn every_command_has_help_in_the_style_of_its_flags() {
        fn each(command: &clap::Command, path: &mut Vec<String>) {
            let text = help(path);
            for noise in ["--", "skip-verify[", "see more with"] {
                assert!(!text.contains(noise), "{path:?}: {text}");
            }
            assert_eq!(text.contains("-field <NAME>"), has_fields(path), "{path:?}");
            let columns: Vec<_> = text
                .lines()
                .skip_while(|line| *line != "HTTP options:")
                .skip(1)
                .take_while(|line| !line.is_empty())
                .filter_map(|line| line.rfind("  "))
                .collect();
            assert!(
                columns.iter().all(|column| Some(column) == columns.first()),
                "{text}"
            );
            for below in command.get_subcommands() {
                path.push(below.get_name().to_owned());
                each(below, path);
                path.pop();
            }
        }
        each(&Cli::command(), &mut Vec::new());
    }

    #[test]
    fn examples_are_commands() {
        let lines = EXAMPLES.iter().flat_map(|(_, lines)| lines.lines());
        for line in lines {
            let argv = format!("coffer {line}");
            let parsed = crate::args::parse(argv.split(' ').map(OsString::from));
            assert!(parsed.is_ok(), "{line}");
        }
    }
}
