//! `cargo xtask bench`: what a server does in a second, how long it takes, and what it costs.
//!
//! It drives anything that speaks the Vault API on this machine. Without an address it starts a release build of our
//! own with its data on disk; with `--beside` it runs the incumbent in turn with it, on the same machine and in the
//! same run, and sets one beside the other. Figures of different runs are not comparable; ratios of one run are.

mod cluster;
mod credentials;
mod crowd;
mod http;
mod incumbent;
mod load;
mod process;
mod report;
mod sandbox;
mod scenario;
mod target;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use coffer_tests::Postgres;
use coffer_tests::server::Storage;

use self::incumbent::Incumbent;
use self::report::{Facts, Report, Row, heading};
use self::scenario::Scenario;
use self::target::Target;
use crate::binary;
use crate::error::{Error, Result};
use crate::setup;
use crate::workspace::{Profile, Workspace};

/// Our own name in the tables.
const US: &str = "coffer";
/// The incumbent's.
pub(crate) const THEM: &str = "bao";
/// More connections than this the machine's default limit of open files does not allow for both ends.
const MAX_CONNECTIONS: usize = 400;
const MAX_SECONDS: u64 = 600;

/// What to measure.
#[derive(Args)]
pub struct Arguments {
    /// A server that runs already, instead of one of our own: `http://127.0.0.1:8200`.
    #[arg(long, requires = "token")]
    address: Option<String>,
    /// A token with all rights on it.
    #[arg(long, env = "VAULT_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Its process, to tell what it uses.
    #[arg(long, requires = "address")]
    pid: Option<u32>,
    /// Our own executable, instead of building it.
    #[arg(long, conflicts_with = "address")]
    binary: Option<PathBuf>,
    /// Another server to measure in turn with it.
    #[arg(long)]
    beside: Option<Incumbent>,
    /// How many connections: each in turn.
    #[arg(long, value_delimiter = ',', default_value = "16,64")]
    connections: Vec<usize>,
    /// How long each scenario runs.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Only these scenarios.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// Connections to PostgreSQL, of each server and of pgbench.
    #[arg(long, default_value_t = 8)]
    database_connections: usize,
    /// Logs in so often, to see how memory grows, and how the server starts with so many leases.
    #[arg(long, default_value_t = 0)]
    logins: u64,
    /// What plugins cost besides their requests: memory of 100 mounts, and requests while components are compiled.
    #[arg(long, conflicts_with = "address")]
    sandbox: bool,
    /// What an audit device, 10 000 policies, 5 000 mounts and 100 000 tokens cost.
    #[arg(long, conflicts_with = "address")]
    crowd: bool,
    /// Writes all figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Measures, and prints as it goes.
///
/// # Errors
/// If a server does not start or stops answering.
pub fn bench(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let connections_wrong = arguments
        .connections
        .iter()
        .any(|connections| !(1..=MAX_CONNECTIONS).contains(connections));
    if connections_wrong || !(1..=MAX_SECONDS).contains(&arguments.seconds) {
        return Err(Error::other(format!(
            "expected 1 to {MAX_CONNECTIONS} connections and 1 to {MAX_SECONDS} seconds"
        )));
    }
    let mut targets = targets(workspace, arguments)?;
    let mut report = Report::default();
    for target in &mut targets {
        scenario::set_up(target)?;
        report.facts.push(Facts {
            server: target.name.clone(),
            start_ms: target.start_up()?.map(|time| time.as_secs_f64() * 1e3),
            // After a start and at rest, whatever setting it up has cost.
            idle_mib: resting(target),
            ..Facts::default()
        });
    }
    heading();
    let wanted = if arguments.only.is_empty() {
        Scenario::value_variants()
    } else {
        &arguments.only
    };
    for scenario in wanted {
        match scenario {
            Scenario::Credentials => credentials(workspace, arguments, &targets, &mut report)?,
            scenario => requests(arguments, *scenario, &targets, &mut report)?,
        }
    }
    if arguments.logins > 0 {
        let connections = arguments.connections.iter().copied().max().unwrap_or(1);
        for (target, facts) in targets.iter_mut().zip(&mut report.facts) {
            let (measured, growth) = scenario::logins(target, arguments.logins, connections)?;
            report
                .rows
                .push(Row::print("logins", &target.name, connections, measured));
            facts.logins = arguments.logins;
            facts.logins_growth_mib = growth;
            // All those tokens have leases: neither start-up nor memory may grow with them.
            facts.restart_ms = target.restart()?.map(|time| time.as_secs_f64() * 1e3);
            facts.restarted_mib = resting(target);
        }
    }
    for target in targets.iter().filter(|target| !target.is_ours()) {
        scenario::tear_down(target);
    }
    let us = targets
        .first()
        .map(|target| target.name.as_str())
        .unwrap_or_default();
    report.judge(us, arguments.beside.map(|_| THEM));
    if let (true, Some(ours)) = (arguments.sandbox, targets.first()) {
        let connections = arguments.connections.first().copied().unwrap_or(1);
        let seconds = Duration::from_secs(arguments.seconds);
        report
            .goals
            .extend(sandbox::run(ours, connections, seconds)?);
    }
    if let (true, Some(ours)) = (arguments.crowd, targets.first()) {
        let connections = arguments.connections.first().copied().unwrap_or(1);
        let seconds = Duration::from_secs(arguments.seconds);
        report.goals.extend(crowd::run(ours, connections, seconds)?);
    }
    report.print();
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&report)
            .map_err(|error| Error::other(error.to_string()))?;
        std::fs::write(file, text).map_err(Error::file(file))?;
    }
    Ok(())
}

fn targets(workspace: &Workspace, arguments: &Arguments) -> Result<Vec<Target>> {
    let us = match (&arguments.address, &arguments.token) {
        (Some(address), Some(token)) => Target::running(address, token, arguments.pid)?,
        _ => {
            let binary = match &arguments.binary {
                Some(binary) => binary.clone(),
                None => binary::build(workspace, Profile::Release)?,
            };
            Target::start(US, &binary, Storage::Redb)?
        }
    };
    let mut targets = vec![us];
    if let Some(incumbent) = arguments.beside {
        targets.push(Target::start(
            THEM,
            &incumbent::binary(workspace, incumbent)?,
            Storage::Raft,
        )?);
    }
    Ok(targets)
}

fn resting(target: &Target) -> Option<f64> {
    std::thread::sleep(Duration::from_secs(2));
    target.resident()
}

fn requests(
    arguments: &Arguments,
    scenario: Scenario,
    targets: &[Target],
    report: &mut Report,
) -> Result<()> {
    let mut counts = arguments.connections.clone();
    // What concurrent writers gain is measured against one.
    if scenario == Scenario::KvWrite {
        counts.insert(0, 1);
        counts.dedup();
    }
    for connections in counts {
        for target in targets.iter().filter(|target| scenario.is_had_by(target)) {
            let measured = scenario::run(
                target,
                scenario,
                connections,
                Duration::from_secs(arguments.seconds),
            )?;
            report.rows.push(Row::print(
                scenario.name(),
                &target.name,
                connections,
                measured,
            ));
        }
    }
    Ok(())
}

fn credentials(
    workspace: &Workspace,
    arguments: &Arguments,
    targets: &[Target],
    report: &mut Report,
) -> Result<()> {
    setup::postgres(workspace)?;
    let limit = Duration::from_secs(arguments.seconds);
    let pool = arguments.database_connections;
    // With its own durability, as in production: that is what a credential costs.
    let postgres = Postgres::start(&[]).map_err(|error| Error::other(error.to_string()))?;
    let database = postgres.database();
    let rate = credentials::pgbench(&postgres, &database, pool, limit)?;
    println!(
        "{:<20} {pool:>5} {:<8} {rate:>10.0}",
        "same statements", "pgbench"
    );
    report.pgbench = Some(rate);
    for target in targets {
        let database = postgres.database();
        credentials::set_up(target, &database, pool)?;
        for connections in &arguments.connections {
            let measured = credentials::run(target, *connections, limit)?;
            report.rows.push(Row::print(
                "credential issue",
                &target.name,
                *connections,
                measured.issue,
            ));
            report.rows.push(Row::print(
                "credential revoke",
                &target.name,
                *connections,
                measured.revoke,
            ));
        }
        credentials::tear_down(target);
    }
    Ok(())
}
