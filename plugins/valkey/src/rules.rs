//! What a role says its users may do: `ACL` rules.

use crate::error::Error;
use crate::limits;

/// Vault's: read everything.
const DEFAULT: [&str; 2] = ["~*", "+@read"];

/// The rules in a role's creation statements. Each is a JSON list of rules, as Vault has it, or rules as one writes them
/// after `ACL SETUSER name`, separated by blanks.
///
/// # Errors
/// Invalid, if one of them would meddle with what is ours to say: the password, and whether the user is enabled.
pub fn parse(statements: &[String]) -> Result<Vec<String>, Error> {
    let mut rules = Vec::new();
    for statement in statements.iter().map(|statement| statement.trim()) {
        if statement.starts_with('[') {
            let list: Vec<String> = serde_json::from_str(statement).map_err(|_| {
                Error::Invalid("creation statements: not a JSON list of ACL rules".to_owned())
            })?;
            rules.extend(list);
        } else {
            rules.extend(statement.split_whitespace().map(str::to_owned));
        }
    }
    rules.retain(|rule| !rule.trim().is_empty());
    if rules.is_empty() {
        return Ok(DEFAULT.map(str::to_owned).to_vec());
    }
    if rules.len() > limits::RULES {
        return Err(Error::Invalid(format!(
            "creation statements: more than {} ACL rules",
            limits::RULES
        )));
    }
    // It is not quoted: there may be a password in it.
    if rules.iter().any(|rule| is_ours(rule)) {
        return Err(Error::Invalid(
            "creation statements: passwords, `nopass` and `off` have no place in them: the user's password is made for it"
                .to_owned(),
        ));
    }
    Ok(rules)
}

fn is_ours(rule: &str) -> bool {
    rule.starts_with(['>', '<', '#', '!'])
        || ["nopass", "off"]
            .iter()
            .any(|word| rule.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(statements: &[&str]) -> Result<Vec<String>, Error> {
        let statements: Vec<String> = statements.iter().map(|text| (*text).to_owned()).collect();
        parse(&statements)
    }

    #[test]
    fn statements_take_every_form() {
        #[rustfmt::skip]
        let table: [(&[&str], &[&str]); 8] = [
            (&[], &["~*", "+@read"]),
            (&["", " "], &["~*", "+@read"]),
            (&["[]"], &["~*", "+@read"]),
            (&[r#"["~a:*", "+@read", "-keys"]"#], &["~a:*", "+@read", "-keys"]),
            (&[" ~a:*  +get "], &["~a:*", "+get"]),
            (&["~a:*", "+get"], &["~a:*", "+get"]),
            (&[r#"["~a", ""]"#, "+get (+set ~b)"], &["~a", "+get", "(+set", "~b)"]),
            (&[r#"["(+set ~b)"]"#], &["(+set ~b)"]),
        ];
        for (statements, rules) in table {
            assert_eq!(of(statements).unwrap(), rules, "{statements:?}");
        }
    }

    #[test]
    fn what_is_not_for_a_role_to_say() {
        for rule in [">hunter22", "#00", "<x", "!x", "nopass", "NoPass", "off"] {
            let list = serde_json::json!(["~*", rule]).to_string();
            for statement in [rule, &list] {
                let error = of(&["+get", statement]).unwrap_err().to_string();
                assert!(
                    error.contains("have no place") && !error.contains("hunter22"),
                    "{error}"
                );
            }
        }
        for broken in ["[", "[1]", "[\"a\"] x", "[{}]"] {
            assert!(of(&[broken]).is_err(), "{broken}");
        }
        assert!(of(&["+get ".repeat(1001).as_str()]).is_err());
    }
}
