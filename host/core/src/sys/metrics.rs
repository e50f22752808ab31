//! `sys/metrics`: what is counted, in OpenMetrics' text, which Prometheus reads, or as Vault's JSON.
//!
//! It is put together when somebody asks, from what runs then. So the series of a mount that was disabled, and of a
//! database that has no connections left, are gone, and their number is bounded by that of the mounts and databases.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use coffer_runtime::{BOUNDS, CALL_KINDS, Reading};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use serde_json::{Map, Value, json};

use crate::Error;
use crate::mount::{Backend, Mount, RoutingTable};
use crate::reply::Reply;
use crate::routes::Context;
use crate::time::rfc3339;

/// What Prometheus asks for, and reads it as.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;

#[derive(Debug)]
enum Sample {
    Counter(u64),
    Seconds(f64),
    Gauge(i64),
    /// A histogram, of how long calls took.
    Took(Box<Reading>),
}

#[derive(Debug)]
struct Family {
    /// Of counters without its `_total`.
    name: &'static str,
    help: &'static str,
    series: Vec<(Labels, Sample)>,
}

#[derive(Debug)]
struct Metrics(Vec<Family>);

/// The metrics.
pub async fn read(c: &mut Context<'_>) -> Result<Reply, Error> {
    let format = match c.params.text("format")? {
        Some(format) => format,
        None if accepts_open_metrics(c) => "prometheus".to_owned(),
        None => String::new(),
    };
    let index = c.txn.index();
    let table = c.core.mounts(c.txn).await?;
    let mut families = plugins(&plugins_of(&table), &databases_of(c, &table));
    let requests = c.core.requests.load(Ordering::Relaxed);
    let whole = |name, help, count| Family {
        name,
        help,
        series: vec![(Labels::new(), Sample::Counter(count))],
    };
    families.extend([
        whole(
            "coffer_requests",
            "Requests that this server has answered or is answering",
            requests,
        ),
        whole(
            "coffer_storage_commits",
            "Commits to the storage since it was made",
            index,
        ),
    ]);
    let metrics = Metrics(families);
    match format.as_str() {
        "prometheus" => metrics.text(),
        "" => Ok(Reply::bare(metrics.json(&rfc3339(c.core.clock.now())))),
        other => Err(Error::invalid(format!(
            "there are no metrics in the format {other:?}; leave it empty, or ask for \"prometheus\""
        ))),
    }
}

/// Whether the caller asks for nothing but metrics, as a scraper does.
fn accepts_open_metrics(c: &Context<'_>) -> bool {
    let accepted = c.request.headers.get("accept");
    accepted.is_some_and(|kinds| {
        kinds
            .as_bytes()
            .starts_with(b"application/openmetrics-text")
    })
}

/// Of the mounts in force, by their labels.
fn plugins_of(table: &RoutingTable) -> Vec<(Labels, Reading)> {
    let plugin = |mount: &&Arc<Mount>| match &mount.backend {
        Backend::Plugin(plugin) => Some((
            vec![
                ("plugin", plugin.release.name.to_string()),
                ("version", plugin.release.label()),
                ("mount", mount.entry.full_path()),
            ],
            plugin.context.figures.read(),
        )),
        _ => None,
    };
    table.mounts().iter().filter_map(plugin).collect()
}

/// Of the databases that these mounts have connections to.
fn databases_of(c: &Context<'_>, table: &RoutingTable) -> Vec<(Labels, Reading)> {
    let mounts = table.mounts();
    let path = |id: &str| {
        let mount = mounts.iter().find(|mount| mount.entry.uuid == id)?;
        Some(mount.entry.full_path())
    };
    let mut all: Vec<_> = c
        .core
        .plugins
        .database_figures()
        .into_iter()
        .filter_map(|database| {
            let labels = vec![
                ("plugin", database.plugin.to_string()),
                ("version", database.version),
                ("mount", path(&database.mount)?),
                ("connection", database.connection),
            ];
            Some((labels, database.figures.read()))
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn plugins(engines: &[(Labels, Reading)], databases: &[(Labels, Reading)]) -> Vec<Family> {
    let all = || engines.iter().chain(databases);
    let each = |name, help, sample: fn(&Reading) -> Sample| Family {
        name,
        help,
        series: all()
            .map(|(labels, reading)| (labels.clone(), sample(reading)))
            .collect(),
    };
    let mut calls = Vec::new();
    for (labels, reading) in all() {
        let kinds = CALL_KINDS.iter().zip(reading.calls);
        for (kind, count) in kinds.filter(|(_, count)| *count > 0) {
            let mut labels = labels.clone();
            labels.push(("kind", (*kind).to_owned()));
            calls.push((labels, Sample::Counter(count)));
        }
    }
    let connections = Family {
        name: "coffer_database_connections",
        help: "Open connections to a database",
        series: databases
            .iter()
            .map(|(labels, reading)| (labels.clone(), Sample::Gauge(reading.instances)))
            .collect(),
    };
    vec![
        Family {
            name: "coffer_plugin_calls",
            help: "Calls into a plugin, by what for",
            series: calls,
        },
        each(
            "coffer_plugin_errors",
            "Calls that a plugin answered with an error",
            |reading| Sample::Counter(reading.errors),
        ),
        each(
            "coffer_plugin_traps",
            "Calls that the host ended: traps, deadlines, memory, refused answers",
            |reading| Sample::Counter(reading.traps),
        ),
        each(
            "coffer_plugin_call_seconds",
            "How long calls into a plugin took, with their waiting",
            |reading| Sample::Took(Box::new(*reading)),
        ),
        each(
            "coffer_plugin_instances",
            "Live instances of a plugin",
            |reading| Sample::Gauge(reading.instances),
        ),
        each(
            "coffer_plugin_memory_bytes",
            "Memory of the live instances of a plugin, as of the last call of each",
            |reading| Sample::Gauge(reading.memory),
        ),
        each(
            "coffer_plugin_busy_seconds",
            "How long a plugin was running in its calls",
            |reading| Sample::Seconds(reading.busy_seconds),
        ),
        connections,
    ]
}

impl Metrics {
    fn text(self) -> Result<Reply, Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        match encode(&mut text, &registry) {
            Ok(()) => Ok(Reply::text(OPEN_METRICS, text)),
            Err(fmt::Error) => Err(Error::invalid("the metrics cannot be written")),
        }
    }

    /// In the form of Vault's, whose counters and samples are those of an interval. These are of all the time that the
    /// server runs: rates and extremes are not known, and left out.
    fn json(&self, now: &str) -> Value {
        let (mut gauges, mut counters, mut samples) = (Vec::new(), Vec::new(), Vec::new());
        for family in &self.0 {
            for (labels, sample) in &family.series {
                let labels: Map<String, Value> = labels
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), value.clone().into()))
                    .collect();
                let total = format!("{}_total", family.name);
                match sample {
                    Sample::Gauge(value) => {
                        gauges.push(json!({"Name": family.name, "Value": value, "Labels": labels}));
                    }
                    Sample::Counter(count) => {
                        counters.push(
                            json!({"Name": total, "Count": count, "Sum": count, "Labels": labels}),
                        );
                    }
                    Sample::Seconds(sum) => {
                        counters.push(
                            json!({"Name": total, "Count": sum, "Sum": sum, "Labels": labels}),
                        );
                    }
                    Sample::Took(reading) => {
                        let (count, sum) = (reading.took.iter().sum::<u64>(), reading.took_seconds);
                        let mean = if count == 0 { 0.0 } else { sum / count as f64 };
                        samples.push(json!({"Name": family.name, "Count": count, "Sum": sum, "Mean": mean, "Labels": labels}));
                    }
                }
            }
        }
        json!({"Timestamp": now, "Gauges": gauges, "Points": [], "Counters": counters, "Samples": samples})
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.0 {
            let Some((_, first)) = family.series.first() else {
                continue;
            };
            let kind = first.kind();
            let mut encoder = encoder.encode_descriptor(family.name, family.help, None, kind)?;
            for (labels, sample) in &family.series {
                if labels.is_empty() {
                    sample.encode(&mut encoder)?;
                    continue;
                }
                let labels: Vec<_> = labels.iter().map(|(n, v)| (*n, escaped(v))).collect();
                sample.encode(&mut encoder.encode_family(&labels.as_slice())?)?;
            }
        }
        Ok(())
    }
}

impl Sample {
    fn kind(&self) -> MetricType {
        match self {
            Self::Counter(_) | Self::Seconds(_) => MetricType::Counter,
            Self::Gauge(_) => MetricType::Gauge,
            Self::Took(_) => MetricType::Histogram,
        }
    }

    fn encode(&self, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Counter(count) => encoder.encode_counter::<NoLabelSet, _, f64>(count, None),
            Self::Seconds(seconds) => encoder.encode_counter::<NoLabelSet, _, f64>(seconds, None),
            Self::Gauge(value) => encoder.encode_gauge(value),
            Self::Took(reading) => {
                let bounds = BOUNDS.into_iter().chain([f64::MAX]);
                let buckets: Vec<_> = bounds.zip(reading.took).collect();
                let count = reading.took.iter().sum();
                encoder.encode_histogram::<NoLabelSet>(reading.took_seconds, count, &buckets, None)
            }
        }
    }
}

/// As a label's value is written between quotation marks, which the encoder leaves to its callers.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_open_metrics() {
        let mut reading = Reading::default();
        reading.calls[0] = 3;
        reading.took[1] = 2;
        reading.took[BOUNDS.len()] = 1;
        reading.instances = 4;
        let of = |mount: &str| vec![("plugin", "kv".to_owned()), ("mount", mount.to_owned())];
        let metrics = Metrics(plugins(&[(of("a\"\\/"), reading)], &[]));
        let mut registry = Registry::default();
        registry.register_collector(Box::new(metrics));
        let mut text = String::new();
        assert!(encode(&mut text, &registry).is_ok());
        for line in [
            "# TYPE coffer_plugin_calls counter",
            r#"coffer_plugin_calls_total{plugin="kv",mount="a\"\\/",kind="handle"} 3"#,
            r#"coffer_plugin_errors_total{plugin="kv",mount="a\"\\/"} 0"#,
            r#"coffer_plugin_call_seconds_bucket{le="0.0001",plugin="kv",mount="a\"\\/"} 0"#,
            r#"coffer_plugin_call_seconds_bucket{le="0.00025",plugin="kv",mount="a\"\\/"} 2"#,
            r#"coffer_plugin_call_seconds_bucket{le="+Inf",plugin="kv",mount="a\"\\/"} 3"#,
            r#"coffer_plugin_call_seconds_count{plugin="kv",mount="a\"\\/"} 3"#,
            r#"coffer_plugin_instances{plugin="kv",mount="a\"\\/"} 4"#,
            "# EOF",
        ] {
            assert!(text.lines().any(|have| have == line), "{line}\n{text}");
        }
        assert!(!text.contains("coffer_database_connections"), "{text}");
    }
}
