//! Tables of what was measured, and whether it is what was aimed at.

use serde::Serialize;

use crate::bench::scenario::Measured;

/// One scenario on one server.
#[derive(Debug, Serialize)]
pub struct Row {
    /// `kv-read`.
    pub scenario: String,
    /// The server.
    pub server: String,
    /// Connections to it.
    pub connections: usize,
    /// Successful requests per second.
    pub requests_per_second: f64,
    /// The median latency, in milliseconds.
    pub p50_ms: f64,
    /// The latency that one in a hundred exceeds, in milliseconds.
    pub p99_ms: f64,
    /// Processor time of the server per request, in microseconds.
    pub cpu_us: Option<f64>,
    /// Resident memory afterwards, in MiB.
    pub resident_mib: Option<f64>,
    /// Requests that were answered with an error.
    pub failures: u64,
    /// The first of those.
    pub failure: Option<String>,
}

/// What is known of a server besides.
#[derive(Debug, Default, Serialize)]
pub struct Facts {
    /// The server.
    pub server: String,
    /// From exec to the first answer of `sys/health`, in milliseconds.
    pub start_ms: Option<f64>,
    /// Resident memory of the server at rest, in MiB.
    pub idle_mib: Option<f64>,
    /// By how much it grew in the logins, in MiB.
    pub logins_growth_mib: Option<f64>,
    /// How many logins that were.
    pub logins: u64,
    /// After those and a SIGKILL: from exec to answering a token's request, unsealed, in milliseconds.
    pub restart_ms: Option<f64>,
    /// Resident memory at rest then, in MiB.
    pub restarted_mib: Option<f64>,
}

/// Something aimed at.
#[derive(Debug, Serialize)]
pub struct Goal {
    /// What.
    pub what: String,
    /// What it came to.
    pub measured: f64,
    /// What it must not exceed (or fall below, if `at_least`).
    pub limit: f64,
    /// Which of the two.
    pub at_least: bool,
}

/// Everything.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Every run.
    pub rows: Vec<Row>,
    /// Every server.
    pub facts: Vec<Facts>,
    /// What pgbench reached, in transactions per second, by connections to the database.
    pub pgbench: Option<f64>,
    /// What was aimed at.
    pub goals: Vec<Goal>,
}

impl Row {
    /// A row, which is also printed.
    pub fn print(scenario: &str, server: &str, connections: usize, measured: Measured) -> Self {
        let row = Self {
            scenario: scenario.to_owned(),
            server: server.to_owned(),
            connections,
            requests_per_second: measured.load.rate(),
            p50_ms: measured.load.percentile(0.50),
            p99_ms: measured.load.percentile(0.99),
            cpu_us: measured.cpu,
            resident_mib: measured.resident,
            failures: measured.load.failures,
            failure: measured.load.failure,
        };
        println!(
            "{:<20} {:>5} {:<8} {:>10.0} {:>9.2} {:>9.2} {:>10} {:>9}{}",
            row.scenario,
            row.connections,
            row.server,
            row.requests_per_second,
            row.p50_ms,
            row.p99_ms,
            optional(row.cpu_us),
            optional(row.resident_mib),
            row.failure
                .as_ref()
                .map(|failure| format!("  {} FAILED: {failure}", row.failures))
                .unwrap_or_default()
        );
        row
    }
}

/// The heading of the rows.
pub fn heading() {
    println!(
        "\n{:<20} {:>5} {:<8} {:>10} {:>9} {:>9} {:>10} {:>9}",
        "scenario", "conns", "server", "requests/s", "p50 ms", "p99 ms", "CPU µs/req", "RSS MiB"
    );
}

fn optional(number: Option<f64>) -> String {
    number.map_or("-".to_owned(), |number| format!("{number:.1}"))
}

impl Report {
    /// Judges what was measured of `us`, beside `them` where there is somebody to compare with.
    pub fn judge(&mut self, us: &str, them: Option<&str>) {
        let mut goals = Vec::new();
        let mut at_most = |what: String, measured: Option<f64>, limit: Option<f64>| {
            goals.extend(measured.zip(limit).map(|(measured, limit)| Goal {
                what,
                measured,
                limit,
                at_least: false,
            }));
        };
        for (scenario, share) in [
            ("kv-read", 5.0),
            ("lookup-self", 5.0),
            ("approle-login", 8.0),
        ] {
            let Some(them) = them else { continue };
            for row in self
                .rows
                .iter()
                .filter(|row| row.scenario == scenario && row.server == us)
            {
                let Some(other) = self.row(scenario, them, row.connections) else {
                    continue;
                };
                let name = format!("{scenario}, {} connections", row.connections);
                let cpu = row
                    .cpu_us
                    .zip(other.cpu_us)
                    .map(|(ours, theirs)| ours / theirs);
                at_most(
                    format!("{name}: CPU per request, of {them}'s"),
                    cpu,
                    Some(1.0 / share),
                );
                at_most(
                    format!("{name}: p99, of {them}'s"),
                    Some(row.p99_ms / other.p99_ms),
                    Some(1.0 / 3.0),
                );
            }
        }
        let ours = self.facts.iter().find(|facts| facts.server == us);
        let theirs = self
            .facts
            .iter()
            .find(|facts| Some(facts.server.as_str()) == them);
        at_most(
            "idle memory, MB".to_owned(),
            ours.and_then(|facts| facts.idle_mib).map(megabytes),
            Some(60.0),
        );
        let starts = (
            ours.and_then(|facts| facts.start_ms),
            theirs.and_then(|facts| facts.start_ms),
        );
        at_most("exec to sys/health, ms".to_owned(), starts.0, starts.1);
        if let Some(facts) = ours.filter(|facts| facts.logins > 0) {
            let what = format!("memory more after {} logins, MB", facts.logins);
            at_most(what, facts.logins_growth_mib.map(megabytes), Some(20.0));
            let what = format!("exec to answering with {} leases, ms", facts.logins);
            at_most(what, facts.restart_ms, Some(1000.0));
            let what = format!("memory with {} leases, MB", facts.logins);
            at_most(what, facts.restarted_mib.map(megabytes), Some(200.0));
        }
        let mut at_least = |what: &str, measured: Option<f64>, limit: f64| {
            goals.extend(measured.map(|measured| Goal {
                what: what.to_owned(),
                measured,
                limit,
                at_least: true,
            }));
        };
        let rate = |connections| {
            self.row("kv-write", us, connections)
                .map(|row| row.requests_per_second)
        };
        at_least(
            "64 KV writers, of one's throughput",
            rate(64).zip(rate(1)).map(|(many, one)| many / one),
            5.0,
        );
        let issue = self
            .rows
            .iter()
            .filter(|row| row.scenario == "credential issue" && row.server == us);
        let best = issue.map(|row| row.requests_per_second).reduce(f64::max);
        at_least(
            "credential issue, of pgbench's rate",
            best.zip(self.pgbench).map(|(ours, pgbench)| ours / pgbench),
            0.8,
        );
        self.goals = goals;
    }

    fn row(&self, scenario: &str, server: &str, connections: usize) -> Option<&Row> {
        self.rows.iter().find(|row| {
            row.scenario == scenario && row.server == server && row.connections == connections
        })
    }

    /// Prints facts and goals.
    pub fn print(&self) {
        println!(
            "\n{:<10} {:>12} {:>10} {:>22}",
            "server", "start ms", "idle MiB", "growth in logins MiB"
        );
        for facts in &self.facts {
            println!(
                "{:<10} {:>12} {:>10} {:>22}",
                facts.server,
                optional(facts.start_ms),
                optional(facts.idle_mib),
                optional(facts.logins_growth_mib)
            );
        }
        if self.goals.is_empty() {
            return;
        }
        println!("\n{:<60} {:>10} {:>10}", "goal", "measured", "wanted");
        for goal in &self.goals {
            let met = if goal.at_least {
                goal.measured >= goal.limit
            } else {
                goal.measured <= goal.limit
            };
            println!(
                "{:<60} {:>10.3} {} {:>8.3}  {}",
                goal.what,
                goal.measured,
                if goal.at_least { "≥" } else { "≤" },
                goal.limit,
                if met { "met" } else { "NOT MET" }
            );
        }
    }
}

fn megabytes(mebibytes: f64) -> f64 {
    mebibytes * 1.048_576
}

#[cfg(test)]
mod tests {
    use super::{Facts, Report, Row};

    fn row(scenario: &str, server: &str, connections: usize, rate: f64, cpu: f64) -> Row {
        Row {
            scenario: scenario.to_owned(),
            server: server.to_owned(),
            connections,
            requests_per_second: rate,
            p50_ms: 1.0,
            p99_ms: cpu / 100.0,
            cpu_us: Some(cpu),
            resident_mib: None,
            failures: 0,
            failure: None,
        }
    }

    #[test]
    fn goals_are_judged_where_there_is_something_to_judge() {
        let mut report = Report {
            rows: vec![
                row("kv-read", "us", 16, 1.0, 40.0),
                row("kv-read", "them", 16, 1.0, 200.0),
                row("kv-read", "us", 64, 1.0, 90.0),
                row("kv-write", "us", 1, 100.0, 1.0),
                row("kv-write", "us", 64, 600.0, 1.0),
            ],
            facts: vec![Facts {
                server: "us".to_owned(),
                idle_mib: Some(50.0),
                ..Facts::default()
            }],
            ..Report::default()
        };
        report.judge("us", Some("them"));
        let judged: Vec<_> = report
            .goals
            .iter()
            .map(|goal| (goal.what.as_str(), (goal.measured * 1e4).round() / 1e4))
            .collect();
        assert_eq!(
            judged,
            [
                ("kv-read, 16 connections: CPU per request, of them's", 0.2),
                ("kv-read, 16 connections: p99, of them's", 0.2),
                ("idle memory, MB", 52.4288),
                ("64 KV writers, of one's throughput", 6.0),
            ]
        );
    }
}
