//! Expressions between parsing and running: what can be known to be wrong is refused, and macros are made to count.

use cel::Env;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr};

/// What every macro's range goes through. No program can call it: no name begins so.
pub(super) const CHARGE: &str = "@charge";
/// How deep expressions can be inside of each other.
const DEEPEST: usize = 64;
/// Before what functions' names may stand.
const NAMESPACES: [&str; 3] = ["base64", "math", "optional"];

/// The types that a login is made of, and their fields.
pub(super) const STRUCTS: [(&str, &[&str]); 3] = [
    (
        "pb.Auth",
        &[
            "alias",
            "bound_cidrs",
            "display_name",
            "explicit_max_ttl",
            "group_aliases",
            "lease_options",
            "metadata",
            "no_default_policy",
            "num_uses",
            "period",
            "policies",
            "token_type",
        ],
    ),
    (
        "pb.LeaseOptions",
        &["MaxTTL", "TTL", "issue_time", "renewable"],
    ),
    (
        "logical.Alias",
        &["metadata", "mount_accessor", "mount_type", "name"],
    ),
];

/// Whether a parser can take this, which calls itself for what is inside of something, and for each of a row of signs.
pub(super) fn check_nesting(source: &str) -> Result<(), String> {
    let (mut depth, mut row, mut before) = (0_usize, 0_usize, ' ');
    for c in source.chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            // The one that asks whether a field is there has nothing inside.
            '?' if !matches!(before, '.' | '[') => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        row = match c {
            '!' | '-' => row + 1,
            c if c.is_whitespace() => row,
            _ => 0,
        };
        before = c;
        if depth > 2 * DEEPEST || row > DEEPEST {
            return Err(too_deep());
        }
    }
    Ok(())
}

fn too_deep() -> String {
    format!("expressions can be nested {DEEPEST} deep")
}

/// Whether all that this names is there; `names` are the variables that it may use.
pub(super) fn prepare(
    expr: &mut IdedExpr,
    env: &Env,
    names: &mut Vec<String>,
    depth: usize,
) -> Result<(), String> {
    if depth > DEEPEST {
        return Err(too_deep());
    }
    let inside =
        |expr: &mut IdedExpr, names: &mut Vec<String>| prepare(expr, env, names, depth + 1);
    match &mut expr.expr {
        Expr::Unspecified => Err("there is an expression missing".to_owned()),
        Expr::Literal(_) => Ok(()),
        Expr::Ident(name) => {
            let known =
                names.iter().any(|known| known == name) || env.types().find_type(name).is_some();
            match known {
                true => Ok(()),
                false => Err(format!("undeclared reference to '{name}'")),
            }
        }
        Expr::Select(select) => inside(&mut select.operand, names),
        Expr::Call(call) => {
            match call.target.as_deref_mut() {
                Some(IdedExpr {
                    expr: Expr::Ident(name),
                    ..
                }) if NAMESPACES.contains(&name.as_str()) => {}
                Some(target) => inside(target, names)?,
                None => {}
            }
            call.args.iter_mut().try_for_each(|arg| inside(arg, names))
        }
        Expr::List(list) => {
            let mut elements = list.elements.iter_mut();
            elements.try_for_each(|element| inside(element, names))
        }
        Expr::Map(map) => map
            .entries
            .iter_mut()
            .try_for_each(|entry| match &mut entry.expr {
                EntryExpr::MapEntry(entry) => {
                    inside(&mut entry.key, names)?;
                    inside(&mut entry.value, names)
                }
                EntryExpr::StructField(_) => Err("a map has no fields".to_owned()),
            }),
        Expr::Struct(made) => {
            let Some((name, fields)) = STRUCTS.iter().find(|(name, _)| *name == made.type_name)
            else {
                return Err(format!("undeclared reference to '{}'", made.type_name));
            };
            made.entries
                .iter_mut()
                .try_for_each(|entry| match &mut entry.expr {
                    EntryExpr::StructField(field) if fields.contains(&field.field.as_str()) => {
                        inside(&mut field.value, names)
                    }
                    EntryExpr::StructField(field) => {
                        Err(format!("undefined field '{}' of {name}", field.field))
                    }
                    EntryExpr::MapEntry(_) => Err(format!("{name} is no map")),
                })
        }
        Expr::Comprehension(comprehension) => {
            inside(&mut comprehension.iter_range, names)?;
            inside(&mut comprehension.accu_init, names)?;
            let had = names.len();
            names.push(comprehension.accu_var.clone());
            names.push(comprehension.iter_var.clone());
            names.extend(comprehension.iter_var2.clone());
            inside(&mut comprehension.loop_cond, names)?;
            inside(&mut comprehension.loop_step, names)?;
            inside(&mut comprehension.result, names)?;
            names.truncate(had);
            let range = std::mem::take(&mut comprehension.iter_range);
            comprehension.iter_range = IdedExpr {
                id: range.id,
                expr: Expr::Call(CallExpr {
                    func_name: CHARGE.to_owned(),
                    target: None,
                    args: vec![range],
                }),
            };
            Ok(())
        }
    }
}
