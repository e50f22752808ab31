//! Label selectors of Kubernetes.
//! <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/label-selector/>

use std::collections::BTreeMap;

use coffer_sdk::prelude::*;
use serde::Deserialize;

/// All of it must fit.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Selector {
    match_labels: BTreeMap<String, String>,
    match_expressions: Vec<Expression>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expression {
    key: String,
    operator: Operator,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Debug, Deserialize)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl Selector {
    /// Of JSON or YAML.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(
                "invalid \"bound_service_account_namespace_selector\" configured: it is no label selector in JSON or YAML",
            )
        };
        serde_yaml_ng::from_str(text).map_err(|_| wrong())
    }

    /// Whether something with these labels is selected. Nothing is by a selector that says nothing.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        if self.match_labels.is_empty() && self.match_expressions.is_empty() {
            return false;
        }
        let label = |key: &str| labels.get(key);
        self.match_labels
            .iter()
            .all(|(key, value)| label(key) == Some(value))
            && self.match_expressions.iter().all(|expression| {
                let value = label(&expression.key);
                let is_among = value.is_some_and(|value| expression.values.contains(value));
                match expression.operator {
                    Operator::In => is_among,
                    Operator::NotIn => !is_among,
                    Operator::Exists => value.is_some(),
                    Operator::DoesNotExist => value.is_none(),
                }
            })
    }
}
