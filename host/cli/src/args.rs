//! The command line: Vault's flags, as Vault's users write them.
//!
//! Go programs take `-field=x`, `--field=x` and `-field x` for the same flag, and a switch as `-force` or `-force=false`.
//! What is typed is brought into one form first (`--field=x`), knowing which command's flags take a value; then clap
//! parses it. A flag may stand before or after the other arguments.

use std::ffi::OsString;

use clap::builder::BoolishValueParser;
use clap::{Arg, ArgAction, Args, Command, CommandFactory, FromArgMatches, Parser, ValueEnum};
use clap_complete::Shell;

use crate::commands;
use crate::help::{self, Stop};

/// Everything on the command line.
#[derive(Parser)]
#[command(
    name = "coffer",
    about = "A secrets server with Vault's API, and its client",
    disable_version_flag = true,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub struct Cli {
    /// Flags that every command takes.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: commands::Command,
}

/// Flags that every command takes.
#[derive(Args, Clone, Default)]
pub struct Globals {
    /// Address of the server [env: VAULT_ADDR] [default: https://127.0.0.1:8200]
    #[arg(long, global = true, value_name = "URL", help_heading = "HTTP options")]
    pub address: Option<String>,
    /// Namespace of the request [env: VAULT_NAMESPACE]
    #[arg(
        long,
        global = true,
        alias = "ns",
        value_name = "PATH",
        help_heading = "HTTP options"
    )]
    pub namespace: Option<String>,
    /// PEM file with the CA certificates to trust [env: VAULT_CACERT]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "HTTP options"
    )]
    pub ca_cert: Option<String>,
    /// Folder of PEM files with the CA certificates to trust [env: VAULT_CAPATH]
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        help_heading = "HTTP options"
    )]
    pub ca_path: Option<String>,
    /// PEM file with the certificate to show to the server [env: VAULT_CLIENT_CERT]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "HTTP options"
    )]
    pub client_cert: Option<String>,
    /// PEM file with the key of -client-cert [env: VAULT_CLIENT_KEY]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "HTTP options"
    )]
    pub client_key: Option<String>,
    /// Name that the server's certificate must have [env: VAULT_TLS_SERVER_NAME]
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        help_heading = "HTTP options"
    )]
    pub tls_server_name: Option<String>,
    /// Do not check the server's certificate [env: VAULT_SKIP_VERIFY]
    #[arg(long, global = true, help_heading = "HTTP options")]
    pub tls_skip_verify: bool,
    /// Do not follow a redirect [env: VAULT_DISABLE_REDIRECTS]
    #[arg(long, global = true, help_heading = "HTTP options")]
    pub disable_redirects: bool,
    /// Header to add to each request; may be repeated
    #[arg(
        long,
        global = true,
        value_name = "NAME=VALUE",
        help_heading = "HTTP options"
    )]
    pub header: Vec<String>,
    /// Wrap the answer in a token that lives this long [env: VAULT_WRAP_TTL]
    #[arg(
        long,
        global = true,
        value_name = "DURATION",
        help_heading = "HTTP options"
    )]
    pub wrap_ttl: Option<String>,
    /// Print the request as a curl command instead of sending it
    #[arg(long, global = true, help_heading = "HTTP options")]
    pub output_curl_string: bool,
    /// Print the policy that allows the request instead of sending it
    #[arg(long, global = true, help_heading = "HTTP options")]
    pub output_policy: bool,
    /// Never ask for anything on the terminal
    #[arg(long, global = true, help_heading = "HTTP options")]
    pub non_interactive: bool,
    /// How to print the answer [env: VAULT_FORMAT] [default: table]
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        help_heading = "Output options"
    )]
    pub format: Option<Format>,
    /// Print this field only, without a newline
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        help_heading = "Output options"
    )]
    pub field: Option<String>,
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// Indented JSON.
    #[value(alias = "pretty")]
    Json,
    /// YAML.
    #[value(alias = "yml")]
    Yaml,
    /// The answer's body as it came.
    Raw,
}

/// Parses a command line, the program's name first.
///
/// # Errors
/// What is wrong with it, or help that was asked for.
pub fn parse(argv: impl IntoIterator<Item = OsString>) -> Result<Cli, Stop> {
    let mut command = command();
    let (argv, path) = normalise(argv.into_iter().collect(), &command);
    let cli = command
        .try_get_matches_from_mut(argv)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| help::stop(&error.format(&mut command), &path))?;
    if cli.globals.field.is_some() && !help::has_fields(&path) {
        let text = format!("-field: what `{}` answers has no fields", path.join(" "));
        return Err(Stop { text, code: 1 });
    }
    Ok(cli)
}

fn command() -> Command {
    let mut command = go_switches(Cli::command());
    // What a flag takes, and which flags are global, is known only then.
    command.build();
    command
}

/// What has a shell complete commands and flags, to be sourced by it.
pub fn completion(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "coffer", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Lets every switch of a command be said as `-switch=false` too.
fn go_switches(command: Command) -> Command {
    command
        .mut_args(|arg| match arg.get_action() {
            ArgAction::SetTrue => arg
                .action(ArgAction::Set)
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .default_value("false")
                .hide_default_value(true)
                .hide_possible_values(true)
                .value_parser(BoolishValueParser::new())
                .value_name("BOOL"),
            _ => arg,
        })
        .mut_subcommands(go_switches)
}

/// The arguments in clap's form, and the names of the command and those above it.
fn normalise(argv: Vec<OsString>, root: &Command) -> (Vec<OsString>, Vec<String>) {
    let mut argv = argv.into_iter();
    let mut normal: Vec<OsString> = argv.next().into_iter().collect();
    let (mut current, mut path, mut descends) = (root, Vec::new(), true);
    while let Some(argument) = argv.next() {
        let Some(text) = argument.to_str() else {
            normal.push(argument);
            continue;
        };
        if text == "--" {
            normal.push(argument);
            normal.extend(argv.by_ref());
            break;
        }
        let Some((name, value)) = flag(text) else {
            match current.find_subcommand(text).filter(|_| descends) {
                Some(subcommand) => {
                    current = subcommand;
                    path.push(text.to_owned());
                }
                None => descends = false,
            }
            normal.push(argument);
            continue;
        };
        let known = find(current, name);
        match (known, value) {
            (None, None) if name == "h" => normal.push("--help".into()),
            (None, None)
                if matches!(name, "v" | "version") && current.get_name() == root.get_name() =>
            {
                normal.push("version".into());
            }
            // The value follows, whatever it looks like.
            (Some(known), None) if takes_value(known) => match argv.next() {
                Some(value) => {
                    let mut whole = OsString::from(format!("--{name}="));
                    whole.push(value);
                    normal.push(whole);
                }
                None => normal.push(format!("--{name}").into()),
            },
            (_, None) => normal.push(format!("--{name}").into()),
            (_, Some(value)) => normal.push(format!("--{name}={value}").into()),
        }
    }
    (normal, path)
}

/// The name and value of a flag. A lone `-` is stdin, and `-5` is a number.
fn flag(text: &str) -> Option<(&str, Option<&str>)> {
    let rest = text.strip_prefix("--").or_else(|| text.strip_prefix('-'))?;
    if !rest.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return None;
    }
    Some(
        rest.split_once('=')
            .map_or((rest, None), |(name, value)| (name, Some(value))),
    )
}

fn find<'c>(command: &'c Command, name: &str) -> Option<&'c Arg> {
    command.get_arguments().find(|arg| {
        arg.get_long() == Some(name)
            || arg
                .get_all_aliases()
                .is_some_and(|aliases| aliases.contains(&name))
    })
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values() && !arg.is_require_equals_set()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(line: &str) -> String {
        let argv = line.split(' ').map(OsString::from).collect();
        let (normal, _) = normalise(argv, &command());
        let normal: Vec<String> = normal
            .iter()
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect();
        normal.join(" ")
    }

    #[test]
    fn one_form() {
        let cases = [
            ("coffer read -field=x p", "coffer read --field=x p"),
            ("coffer read --field=x p", "coffer read --field=x p"),
            ("coffer read -field x p", "coffer read --field=x p"),
            (
                "coffer read -field -format=json p",
                "coffer read --field=-format=json p",
            ),
            ("coffer read p -format=json", "coffer read p --format=json"),
            ("coffer write p -", "coffer write p -"),
            ("coffer write -f p", "coffer write --f p"),
            ("coffer write p k=-v", "coffer write p k=-v"),
            ("coffer write p -- -k=v -x", "coffer write p -- -k=v -x"),
            (
                "coffer token renew -increment -1",
                "coffer token renew --increment=-1",
            ),
            (
                "coffer token renew -increment=-1h",
                "coffer token renew --increment=-1h",
            ),
            (
                "coffer token create -ttl 1h -orphan",
                "coffer token create --ttl=1h --orphan",
            ),
            (
                "coffer token create -orphan=false",
                "coffer token create --orphan=false",
            ),
            ("coffer kv get -version 2 p", "coffer kv get --version=2 p"),
            (
                "coffer operator init -n 1 -t=1",
                "coffer operator init --n=1 --t=1",
            ),
            (
                "coffer -address http://h:1 status",
                "coffer --address=http://h:1 status",
            ),
            ("coffer -version", "coffer version"),
            ("coffer --version", "coffer version"),
            ("coffer -h", "coffer --help"),
            ("coffer kv get -help", "coffer kv get --help"),
            ("coffer read -5", "coffer read -5"),
            ("coffer read -field", "coffer read --field"),
        ];
        for (given, expected) in cases {
            assert_eq!(normal(given), expected);
        }
    }

    #[test]
    fn declarations_hold_together() {
        command().debug_assert();
    }

    #[test]
    fn parses() {
        let cases = [
            ("coffer read secret/x", true),
            ("coffer read", false),
            ("coffer read -bogus secret/x", false),
            ("coffer read -format=bogus secret/x", false),
            ("coffer status extra", false),
            ("coffer secrets enable -local=true -seal-wrap=0 kv", true),
            ("coffer secrets enable -local=perhaps kv", false),
            (
                "coffer kv metadata put -custom-metadata=a=b -custom-metadata c=d -cas-required=false kv/x",
                true,
            ),
            ("coffer lease revoke -prefix -force -sync=true x", true),
            ("coffer operator init -key-shares=abc", false),
            (
                "coffer server -dev -dev-root-token-id=root -dev-listen-address 127.0.0.1:0",
                true,
            ),
            ("coffer nonsense", false),
            ("coffer secrets", false),
        ];
        for (line, expected) in cases {
            assert_eq!(
                parse(line.split(' ').map(OsString::from)).is_ok(),
                expected,
                "{line}"
            );
        }
    }
}
