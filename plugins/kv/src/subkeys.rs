//! `subkeys`: the shape of a secret, without its values.

use coffer_sdk::prelude::*;
use serde_json::{Map, Value};

use crate::data::{self, VERSION};
use crate::secret::PATH as SECRET_PATH;

const DEPTH: Field<i64> = Field::integer("depth", "How deep to look; 0 means all the way.");

pub(crate) const PATH: Path = Path::new(
    "subkeys/{path*}",
    "Reads the keys of a secret, with null for every value.",
)
.fields(&[SECRET_PATH.decl(), VERSION.decl(), DEPTH.decl()])
.read(read);

fn read(request: &Request) -> Result<Response> {
    let depth = request.get(DEPTH)?.unwrap_or(0);
    let depth = usize::try_from(depth).map_err(|_| Error::invalid("depth must not be negative"))?;
    let Some((metadata, data)) = data::fetch(request)? else {
        return Ok(Response::empty());
    };
    let gone = data.is_none();
    let data: Option<Map<String, Value>> = data
        .map(|data| serde_json::from_str(data.get()))
        .transpose()?;
    let subkeys = data.map(|data| strip(&data, 1, depth));
    let response = Response::data(json!({ "metadata": metadata, "subkeys": subkeys }));
    Ok(if gone { response.status(404) } else { response })
}

fn strip(data: &Map<String, Value>, level: usize, depth: usize) -> Value {
    let stripped = data.iter().map(|(name, value)| {
        let inner = match value {
            Value::Object(inner) if !inner.is_empty() && (depth == 0 || level < depth) => {
                strip(inner, level + 1, depth)
            }
            _ => Value::Null,
        };
        (name.clone(), inner)
    });
    Value::Object(stripped.collect())
}
