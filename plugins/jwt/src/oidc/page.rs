//! What a browser shows when the provider sends it here.

use coffer_sdk::content;
use coffer_sdk::prelude::*;

/// Text, as it may stand in HTML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

fn show(status: u16, title: &str, body: &str) -> Result<Response> {
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem}}\
         button{{font:inherit;padding:.4rem 1.2rem}}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{body}\n</body>\n</html>\n"
    );
    content::respond("text/html; charset=utf-8", page)?;
    Ok(Response::empty().status(status))
}

/// It has worked.
pub(crate) fn success() -> Result<Response> {
    show(
        200,
        "Logged in",
        "<p>You can close this window, and go on where you have begun.</p>",
    )
}

/// It has not.
pub(crate) fn failure(error: &Error) -> Result<Response> {
    let why = escaped(&error.message);
    show(400, "Not logged in", &format!("<p>{why}</p>"))
}

/// Has people say that it is them who log in: somebody else may have sent them here, to have the login for themselves.
pub(crate) fn confirm(
    role: &str,
    from: &str,
    posts: bool,
    fields: &[(&str, String)],
) -> Result<Response> {
    let method = if posts { "post" } else { "get" };
    let mut form = format!(
        "<p>Somebody at the address <b>{}</b> wants to log in as you, with the role <b>{}</b>.</p>\n\
         <p>Go on only if that is you.</p>\n<form method=\"{method}\">\n",
        escaped(from),
        escaped(role),
    );
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        form.push_str(&format!(
            "<input type=\"hidden\" name=\"{name}\" value=\"{}\">\n",
            escaped(value)
        ));
    }
    form.push_str(
        "<button type=\"submit\" name=\"confirmation\" value=\"yes\">That is me</button>\n</form>",
    );
    show(200, "Is that you?", &form)
}
