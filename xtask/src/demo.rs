//! `cargo xtask demo`: the main job, before the reader's eyes, with nothing but the `coffer` command and `psql`.

use std::io::IsTerminal;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use coffer_tests::postgres::{PASSWORD, SUPERUSER};
use coffer_tests::{Database, Postgres, Server, within};
use tempfile::TempDir;

use crate::binary;
use crate::error::{Error, Result};
use crate::run;
use crate::setup;
use crate::workspace::{Profile, Workspace};

/// Where a server is looked for by default.
const ADDRESS: &str = "127.0.0.1:8200";

const CREATE: &str = r#"CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';
GRANT pg_read_all_data TO "{{name}}";
"#;

const POLICY: &str = r#"path "database/creds/app" {
  capabilities = ["read"]
}
path "sys/leases/revoke" {
  capabilities = ["update"]
}
"#;

/// Builds, starts and shows. Leaves both servers running until interrupted, unless `once`.
///
/// # Errors
/// If a step does not do what it should: the demonstration is also a test.
pub fn demo(workspace: &Workspace, once: bool) -> Result<()> {
    setup::postgres(workspace)?;
    let binary = binary::build(workspace, Profile::Development)?;
    let failed = |error: std::io::Error| Error::other(error.to_string());
    let postgres = Postgres::start(&[]).map_err(failed)?;
    let server = Server::dev_at(&binary, address()).map_err(failed)?;
    let database = postgres.database();
    let shell = Shell::new(&server, binary)?;
    println!(
        "\nA server in dev mode at {}, and a PostgreSQL at {}.",
        server.url(),
        postgres.address()
    );

    configure(&shell, &database)?;
    use_it(&shell, &postgres, &database)?;

    if once {
        println!("\nDone.");
        return Ok(());
    }
    leave_running(&shell, &server, &postgres, &database)
}

fn configure(shell: &Shell, database: &Database<'_>) -> Result<()> {
    shell.heading("An engine that makes database users, and one role for them");
    shell.file("create.sql", CREATE)?;
    shell.run(&["secrets", "enable", "database"])?;
    shell.run(&[
        "write",
        "database/config/app",
        "plugin_name=postgresql-database-plugin",
        "allowed_roles=app",
        &format!("connection_url={}", database.url_template()),
        &format!("username={SUPERUSER}"),
        &format!("password={PASSWORD}"),
    ])?;
    shell.run(&[
        "write",
        "database/roles/app",
        "db_name=app",
        "default_ttl=1h",
        "max_ttl=24h",
        "creation_statements=@create.sql",
    ])?;
    shell.heading("A machine that may ask for one, and for nothing else");
    shell.file("app-policy.hcl", POLICY)?;
    shell.run(&["auth", "enable", "approle"])?;
    shell.run(&["policy", "write", "app", "app-policy.hcl"])?;
    shell.run(&[
        "write",
        "auth/approle/role/app",
        "token_policies=app",
        "token_ttl=20m",
    ])?;
    Ok(())
}

fn use_it(shell: &Shell, postgres: &Postgres, database: &Database<'_>) -> Result<()> {
    shell.heading("The machine logs in");
    let role_id = shell.run(&["read", "-field=role_id", "auth/approle/role/app/role-id"])?;
    let secret_id = shell.run(&[
        "write",
        "-f",
        "-field=secret_id",
        "auth/approle/role/app/secret-id",
    ])?;
    let (role_id, secret_id) = (
        format!("role_id={role_id}"),
        format!("secret_id={secret_id}"),
    );
    let token = shell.run(&[
        "write",
        "-field=token",
        "auth/approle/login",
        &role_id,
        &secret_id,
    ])?;
    let machine = shell.with_token(&token);

    shell.heading("It asks for a credential, which works at once");
    let credential = machine.json(&["read", "-format=json", "database/creds/app"])?;
    let text = |pointer: &str| {
        let text = credential
            .pointer(pointer)
            .and_then(serde_json::Value::as_str);
        text.map(str::to_owned)
            .ok_or_else(|| Error::other(format!("the credential has no {pointer}")))
    };
    let (lease, user, password) = (
        text("/lease_id")?,
        text("/data/username")?,
        text("/data/password")?,
    );
    let (said, let_in) = psql(postgres, database, &user, &password)?;
    if !let_in || said.trim() != user {
        return Err(Error::other("PostgreSQL did not let the new user in"));
    }

    shell.heading("It renews the lease");
    machine.run(&["lease", "renew", "-increment=2h", &lease])?;

    shell.heading("It is done, and revokes it: the user is gone from the database");
    machine.run(&["lease", "revoke", &lease])?;
    // It cannot log in any more before it is dropped.
    if !within(Duration::from_secs(5), || {
        database.roles_like(&user).is_empty()
    }) {
        return Err(Error::other("the user is there 5 s after its revocation"));
    }
    if psql(postgres, database, &user, &password)?.1 {
        return Err(Error::other("the credential works after its revocation"));
    }
    Ok(())
}

fn leave_running(
    shell: &Shell,
    server: &Server,
    postgres: &Postgres,
    database: &Database<'_>,
) -> Result<()> {
    shell.heading("Your turn");
    let binary = shell.binary.display();
    println!(
        "Both servers keep running until you press Ctrl-C. In another terminal:

  export VAULT_ADDR={url} VAULT_TOKEN={token}
  {binary} read database/creds/app
  {binary} list sys/leases/lookup/database/creds/app
  {binary} lease revoke -prefix database/creds/app
  {binary} kv put secret/hello who=world
  {binary} kv get secret/hello
  {binary} secrets list

The database: psql -h 127.0.0.1 -p {port} {name}, with the credential that you were given.
Any Vault client will do as well: {url} speaks its API.",
        url = server.url(),
        token = server.root_token(),
        port = postgres.address().port(),
        name = database.name,
    );
    // Ctrl-C ends them together with us.
    loop {
        std::thread::park();
    }
}

/// The usual place, or any other if that is taken.
fn address() -> SocketAddr {
    let usual = ADDRESS
        .parse()
        .ok()
        .filter(|address| TcpListener::bind(address).is_ok());
    usual.unwrap_or_else(coffer_tests::port::free)
}

/// Logs in to the database and asks who it is. Returns what was answered, and whether it was let in.
fn psql(
    postgres: &Postgres,
    database: &Database<'_>,
    user: &str,
    password: &str,
) -> Result<(String, bool)> {
    let port = postgres.address().port().to_string();
    let arguments = [
        "-h",
        "127.0.0.1",
        "-p",
        &port,
        "-U",
        user,
        "-d",
        &database.name,
        "-Atc",
        "SELECT current_user",
    ];
    println!(
        "\n{}",
        prompt(&format!(
            "PGPASSWORD={password} psql {}",
            quoted(&arguments)
        ))
    );
    let mut command = postgres.command("psql");
    let output = command
        .args(arguments)
        .env("PGPASSWORD", password)
        .stdin(Stdio::null())
        .output();
    let output = output.map_err(|source| Error::Start {
        command: "psql".to_owned(),
        source,
    })?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{said}{}", String::from_utf8_lossy(&output.stderr));
    Ok((said, output.status.success()))
}

/// A user at a prompt, with a token and a folder of their own.
struct Shell {
    binary: PathBuf,
    url: String,
    token: String,
    folder: std::rc::Rc<TempDir>,
}

impl Shell {
    fn new(server: &Server, binary: PathBuf) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(Error::file(&std::env::temp_dir()))?;
        let token = server.root_token().to_owned();
        Ok(Self {
            binary,
            url: server.url(),
            token,
            folder: folder.into(),
        })
    }

    fn with_token(&self, token: &str) -> Self {
        Self {
            binary: self.binary.clone(),
            url: self.url.clone(),
            token: token.to_owned(),
            folder: self.folder.clone(),
        }
    }

    fn heading(&self, text: &str) {
        println!("\n{}", styled("1", &format!("# {text}")));
    }

    /// Writes a file, and shows it.
    fn file(&self, name: &str, content: &str) -> Result<()> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).map_err(Error::file(&path))?;
        println!(
            "\n{}\n{}",
            prompt(&format!("cat {name}")),
            content.trim_end()
        );
        Ok(())
    }

    /// Runs a command, shows it and what it says, and returns that.
    fn run(&self, arguments: &[&str]) -> Result<String> {
        println!("\n{}", prompt(&format!("coffer {}", quoted(arguments))));
        let said = run::output(&mut self.command(arguments))?;
        println!("{}", said.trim_end());
        Ok(said.trim().to_owned())
    }

    fn json(&self, arguments: &[&str]) -> Result<serde_json::Value> {
        let said = self.run(arguments)?;
        serde_json::from_str(&said)
            .map_err(|error| Error::other(format!("coffer {}: {error}", quoted(arguments))))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        let home: &Path = self.folder.path();
        command.args(arguments).current_dir(home).env("HOME", home);
        command
            .env("VAULT_ADDR", &self.url)
            .env("VAULT_TOKEN", &self.token);
        command
    }
}

fn prompt(line: &str) -> String {
    styled("36", &format!("$ {line}"))
}

fn styled(code: &str, text: &str) -> String {
    if std::io::stdout().is_terminal() {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// As one would type it to a shell.
fn quoted(arguments: &[&str]) -> String {
    let plain = |argument: &str| {
        argument
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_=/.,:@".contains(c))
    };
    let quote = |argument: &&str| match plain(argument) {
        true => (*argument).to_owned(),
        false => format!("'{}'", argument.replace('\'', r"'\''")),
    };
    arguments.iter().map(quote).collect::<Vec<_>>().join(" ")
}
