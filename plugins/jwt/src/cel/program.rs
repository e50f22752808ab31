//! Programs: compiled when they are written, and run when somebody logs in.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cel::common::ast::IdedExpr;
use cel::common::types::{CelBool, CelMap, CelMapKey, CelString, STRING_TYPE, Type};
use cel::common::value::{CowVal, Val};
use cel::parser::PrattParser;
use cel::{Context, Env, ExecutionError, StructType, Value as Cel, extensions};
use coffer_jwt::Claims;
use coffer_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use super::claims;
use super::prepare::{self, CHARGE, STRUCTS};

/// The longest program, all its expressions together, in bytes.
const LONGEST: usize = 16 << 10;
const MOST_VARIABLES: usize = 64;
/// How many items a run may go through, in all its macros.
const MOST_ITEMS: usize = 100_000;
/// The longest reason that is told, in bytes.
const LONGEST_REASON: usize = 1 << 10;
/// What a program may name besides its own variables.
const GIVEN: [&str; 3] = ["claims", "now", "operation"];

/// An expression that says who logs in, and what it calls by name.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Program {
    /// Each may use those before it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    variables: Vec<Variable>,
    expression: String,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Variable {
    name: String,
    expression: String,
}

/// One that is ready to run.
pub(super) struct Compiled {
    env: Arc<Env>,
    variables: Vec<(String, IdedExpr)>,
    expression: IdedExpr,
}

impl Program {
    /// Whether it can run at all, which is found out here and not when somebody logs in.
    pub fn compile(&self) -> Result<Compiled> {
        if self.expression.trim().is_empty() {
            return Err(Error::invalid("cel_program.expression cannot be empty"));
        }
        let variables = self.variables.iter();
        let size = variables.fold(self.expression.len(), |size, variable| {
            size + variable.name.len() + variable.expression.len()
        });
        if size > LONGEST || self.variables.len() > MOST_VARIABLES {
            return Err(Error::invalid(format!(
                "a CEL program can have {LONGEST} bytes and {MOST_VARIABLES} variables"
            )));
        }
        let env = Arc::new(env()?);
        let mut names: Vec<String> = GIVEN.map(str::to_owned).into();
        let mut variables = Vec::new();
        for Variable { name, expression } in &self.variables {
            if !is_identifier(name) || GIVEN.contains(&name.as_str()) {
                return Err(Error::invalid(format!(
                    "a variable of a CEL program cannot be called {name:?}"
                )));
            }
            let what = format!("variable '{name}'");
            variables.push((name.clone(), parse(&env, &what, expression, &mut names)?));
            names.push(name.clone());
        }
        let expression = parse(&env, "main expression", &self.expression, &mut names)?;
        Ok(Compiled {
            env,
            variables,
            expression,
        })
    }
}

impl Compiled {
    /// What it says of whom these claims are of.
    pub fn run(&self, claims: &Claims) -> Result<Cel> {
        let left = Arc::new(AtomicUsize::new(MOST_ITEMS));
        let mut context = Context::with_env(self.env.clone());
        context.add_variable_from_value("claims", claims::map(claims));
        context.add_variable_from_value("now", now()?);
        context.add_variable_from_value("operation", "update");
        let charged = left.clone();
        let charge = move |range: Cel| charge(&charged, range);
        context.add_function(CHARGE, charge).map_err(internal)?;
        let mut result = Ok(());
        for (name, expression) in &self.variables {
            match Cel::resolve(expression, &context) {
                Ok(value) => context.add_variable_from_value(name.clone(), value),
                Err(why) => {
                    result = Err(format!("failed to evaluate variable '{name}': {why}"));
                    break;
                }
            }
        }
        let result = result.and_then(|()| {
            Cel::resolve(&self.expression, &context)
                .map_err(|why| format!("failed to evaluate expression: {why}"))
        });
        // An error inside of a macro or an operator need not be the outcome; this one is.
        if left.load(Ordering::Relaxed) == 0 {
            return Err(failed(&format!(
                "it goes through more than {MOST_ITEMS} items"
            )));
        }
        result.map_err(|why| failed(&why))
    }
}

fn failed(why: &str) -> Error {
    let end = why.floor_char_boundary(LONGEST_REASON);
    Error::invalid(format!("CEL auth program failed: {}", &why[..end]))
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::internal(error)
}

fn now() -> Result<Cel> {
    let millis = i64::try_from(clock::now()).ok();
    let now = millis.and_then(chrono::DateTime::from_timestamp_millis);
    let now = now.ok_or_else(|| Error::internal("the clock shows no time"))?;
    Ok(Cel::Timestamp(now.fixed_offset()))
}

/// What a macro goes through, if it may still.
fn charge(left: &AtomicUsize, range: Cel) -> Result<Cel, ExecutionError> {
    let items = match &range {
        Cel::List(items) => items.len(),
        Cel::Map(map) => map.map.len(),
        _ => 0,
    };
    // One for the macro itself.
    let now = left.load(Ordering::Relaxed).saturating_sub(items + 1);
    left.store(now, Ordering::Relaxed);
    if now == 0 {
        return Err(ExecutionError::function_error("macro", "too many items"));
    }
    Ok(range)
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn parse(env: &Env, what: &str, source: &str, names: &mut Vec<String>) -> Result<IdedExpr> {
    let invalid = |kind: &str, why: String| {
        let end = why.floor_char_boundary(LONGEST_REASON);
        Error::invalid(format!("{kind} {what}: {}", &why[..end]))
    };
    prepare::check_nesting(source).map_err(|why| invalid("invalid CEL syntax for", why))?;
    let parser = PrattParser::new().enable_optional_syntax(true);
    let mut expression = parser
        .parse(source)
        .map_err(|errors| invalid("invalid CEL syntax for", errors.to_string()))?;
    prepare::prepare(&mut expression, env, names, 0)
        .map_err(|why| invalid("error checking CEL", why))?;
    Ok(expression)
}

/// What programs can use: the standard library and the extensions that OpenBao has (of `math` not `greatest` and `least`, which are macros), and the types that a login is made of.
fn env() -> Result<Env> {
    let mut env = Env::stdlib();
    for extension in [
        extensions::strings,
        extensions::lists,
        extensions::math,
        extensions::encoders,
    ] {
        env.add_extension(extension).map_err(internal)?;
    }
    env.add_overload(
        "matches",
        "matches",
        vec![STRING_TYPE, STRING_TYPE],
        matches,
    )
    .map_err(internal)?;
    env.add_member_overload(
        "matches",
        "string_matches",
        STRING_TYPE,
        vec![STRING_TYPE],
        matches,
    )
    .map_err(internal)?;
    for (name, _) in STRUCTS {
        env.add_type(Record(Type::new_struct(name.to_owned())))
            .map_err(internal)?;
    }
    Ok(env)
}

/// Whether a regular expression is found in a text.
fn matches<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let texts = args.iter().map(|arg| arg.downcast_ref::<CelString<'_>>());
    let texts: Option<Vec<_>> = texts.map(|text| text.map(CelString::inner)).collect();
    let Some([text, pattern]) = texts.as_deref() else {
        return Err(ExecutionError::function_error("matches", "takes two texts"));
    };
    let regex = regex_lite::Regex::new(pattern)
        .map_err(|why| ExecutionError::function_error("matches", why))?;
    Ok(CowVal::owned(CelBool::from(regex.is_match(text))))
}

/// A type of which a value is the map of its fields: a map will do wherever one is wanted.
struct Record(Type);

impl StructType for Record {
    fn get_type(&self) -> &Type {
        &self.0
    }

    fn new_value<'b, 'v>(
        &self,
        fields: std::collections::BTreeMap<String, CowVal<'b, 'v>>,
    ) -> Result<Box<dyn Val + 'v>, ExecutionError> {
        let fields = fields.into_iter();
        let entries: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> = fields
            .map(|(name, value)| (CelMapKey::from(name), value.into_owned()))
            .collect();
        Ok(Box::new(CelMap::from(entries)))
    }
}
