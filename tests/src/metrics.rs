//! Reads metrics.

use crate::Client;

/// The value of the one series of this name that has these labels; 0 if there is none.
///
/// # Panics
/// If there are several.
pub fn metric(client: &Client, name: &str, labels: &[&str]) -> f64 {
    let text = client.get("sys/metrics?format=prometheus").ok();
    let found: Vec<f64> = text
        .as_str()
        .unwrap()
        .lines()
        .filter(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['{', ' ']))
        })
        .filter(|line| labels.iter().all(|label| line.contains(label)))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
        .collect();
    assert!(found.len() < 2, "{name} {labels:?}: {found:?}");
    found.first().copied().unwrap_or_default()
}
