//! Password policies: how long a password is, and which characters it has.
//! <https://developer.hashicorp.com/vault/docs/concepts/password-policies>

use coffer_clock::Random;
use zeroize::Zeroizing;

use crate::policy::body;

const MIN: usize = 4;
const MAX: usize = 100;

/// A password policy.
#[derive(Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// In characters.
    length: usize,
    rules: Vec<Charset>,
}

/// Characters that a password has some of.
#[derive(Debug, PartialEq, Eq)]
struct Charset {
    chars: Vec<char>,
    at_least: usize,
}

impl PasswordPolicy {
    /// How long a password is, in characters.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Reads one, in HCL or JSON.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut policy = Self {
            length: 0,
            rules: Vec::new(),
        };
        if text.trim_start().starts_with('{') {
            policy.read_json(text)?;
        } else {
            policy.read_hcl(text)?;
        }
        policy.check()?;
        Ok(policy)
    }

    fn read_hcl(&mut self, text: &str) -> Result<(), String> {
        let invalid = |error: String| format!("invalid password policy: unable to decode: {error}");
        for structure in body(text).map_err(|error| invalid(error.0))? {
            match structure {
                hcl::Structure::Attribute(attribute) if attribute.key.as_str() == "length" => {
                    self.length = number(attribute.expr()).map_err(invalid)?;
                }
                hcl::Structure::Block(block) if block.identifier.as_str() == "rule" => {
                    let kind = block.labels.first().map_or("", |label| label.as_str());
                    let mut rule = Charset::of_kind(kind)?;
                    for attribute in block.body.attributes() {
                        match (attribute.key.as_str(), attribute.expr()) {
                            ("charset", hcl::Expression::String(text)) => rule.add(text),
                            ("min-chars", value) => {
                                rule.at_least = number(value).map_err(invalid)?;
                            }
                            (other, _) => return Err(invalid(format!("invalid key {other:?}"))),
                        }
                    }
                    self.rules.push(rule);
                }
                hcl::Structure::Attribute(attribute) => {
                    return Err(invalid(format!("invalid key {:?}", attribute.key.as_str())));
                }
                hcl::Structure::Block(block) => {
                    let name = block.identifier.as_str();
                    return Err(invalid(format!("invalid key {name:?}")));
                }
            }
        }
        Ok(())
    }

    /// `{"length": 20, "rule": [{"charset": {"charset": "abc", "min-chars": 1}}]}`
    fn read_json(&mut self, text: &str) -> Result<(), String> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            #[serde(default)]
            length: usize,
            #[serde(default, rename = "rule")]
            rules: Vec<std::collections::BTreeMap<String, Rule>>,
        }
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Rule {
            charset: String,
            #[serde(default, rename = "min-chars")]
            at_least: usize,
        }
        let written: Written = serde_json::from_str(text)
            .map_err(|error| format!("invalid password policy: unable to decode: {error}"))?;
        self.length = written.length;
        for (kind, written) in written.rules.into_iter().flatten() {
            let mut rule = Charset::of_kind(&kind)?;
            rule.add(&written.charset);
            rule.at_least = written.at_least;
            self.rules.push(rule);
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        let invalid = |reason: String| {
            Err(format!(
                "invalid password policy: 1 error occurred:\n\t* {reason}\n\n"
            ))
        };
        if self.length == 0 {
            return invalid("length must be > 0".to_owned());
        }
        if self.rules.iter().all(|rule| rule.chars.is_empty()) {
            return invalid("no charset specified".to_owned());
        }
        if self
            .rules
            .iter()
            .any(|rule| rule.chars.iter().any(|c| c.is_control()))
        {
            return invalid("non-printable character in charset".to_owned());
        }
        let needed: usize = self.rules.iter().map(|rule| rule.at_least).sum();
        if needed > self.length {
            return invalid(format!(
                "specified rules require at least {needed} characters but {} is specified",
                self.length
            ));
        }
        if self
            .rules
            .iter()
            .any(|rule| rule.chars.is_empty() && rule.at_least > 0)
        {
            return invalid("no charset specified".to_owned());
        }
        if !(MIN..=MAX).contains(&self.length) {
            return Err(format!(
                "passwords must be between {MIN} and {MAX} characters"
            ));
        }
        Ok(())
    }

    /// A new password: what each rule wants, then any of the characters, in any order.
    pub fn generate(&self, random: &Random) -> Zeroizing<String> {
        let mut any: Vec<char> = self
            .rules
            .iter()
            .flat_map(|rule| &rule.chars)
            .copied()
            .collect();
        any.sort_unstable();
        any.dedup();
        let pick = |from: &[char]| from.get(random.below(from.len())).copied();
        let mut chars = Zeroizing::new(Vec::with_capacity(self.length));
        for rule in &self.rules {
            chars.extend((0..rule.at_least).filter_map(|_| pick(&rule.chars)));
        }
        while chars.len() < self.length {
            chars.extend(pick(&any));
        }
        for last in (1..chars.len()).rev() {
            chars.swap(last, random.below(last + 1));
        }
        Zeroizing::new(chars.iter().collect())
    }
}

impl Charset {
    fn of_kind(kind: &str) -> Result<Self, String> {
        if kind != "charset" {
            return Err(format!(
                "invalid password policy: unable to parse rules: unable to parse rule {kind}: unrecognized rule type {kind}"
            ));
        }
        Ok(Self {
            chars: Vec::new(),
            at_least: 0,
        })
    }

    fn add(&mut self, text: &str) {
        self.chars.extend(text.chars());
        self.chars.sort_unstable();
        self.chars.dedup();
    }
}

fn number(value: &hcl::Expression) -> Result<usize, String> {
    let number = match value {
        hcl::Expression::Number(number) => number.as_u64(),
        _ => None,
    };
    let number = number.and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| format!("{value} is no number"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn passwords_are_as_the_policy_says() {
        let text = r#"length = 20
            rule "charset" { charset = "abc" min-chars = 3 }
            rule "charset" { charset = "XYé" min-chars = 10 }"#;
        let json = r#"{"length": 20, "rule": [{"charset": {"charset": "abcab", "min-chars": 3}}, {"charset": {"charset": "XYé", "min-chars": 10}}]}"#;
        let policy = PasswordPolicy::parse(text).unwrap();
        assert_eq!(policy, PasswordPolicy::parse(json).unwrap());
        let random = Random::system();
        let mut first = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let password = policy.generate(&random);
            let count = |of: &str| password.chars().filter(|c| of.contains(*c)).count();
            assert_eq!(count("abcXYé"), 20, "{}", &*password);
            assert!(count("abc") >= 3 && count("XYé") >= 10, "{}", &*password);
            first.insert(password.chars().next().unwrap());
        }
        assert_eq!(first.len(), 6, "any character can be the first");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, expected) in [
            ("", "length must be > 0"),
            ("length = 5", "no charset specified"),
            (
                "length = 5\nrule \"charset\" { charset = \"\" }",
                "no charset specified",
            ),
            (
                "length = 5\nrule \"charset\" { charset = \"a\" min-chars = 6 }",
                "require at least 6 characters but 5",
            ),
            (
                "length = 2\nrule \"charset\" { charset = \"a\" }",
                "between 4 and 100",
            ),
            (
                "length = 101\nrule \"charset\" { charset = \"a\" }",
                "between 4 and 100",
            ),
            (
                "length = 5\nrule \"chars\" { charset = \"a\" }",
                "unrecognized rule type chars",
            ),
            (
                "length = 5\nrule \"charset\" { charset = \"a\\u0007\" }",
                "non-printable",
            ),
            ("length = \"x\"", "is no number"),
            ("other = 1", "invalid key \"other\""),
            ("{\"length\": 5", "unable to decode"),
        ] {
            let error = PasswordPolicy::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(text: String) {
            let _ = PasswordPolicy::parse(&text);
        }
    }
}
