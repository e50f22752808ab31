//! A browser on this machine, and the URLs that it is sent to.

use std::process::{Command, Stdio};

use percent_encoding::percent_decode_str;

/// Opens a URL in the browser that people use here.
///
/// # Errors
/// With the reason, if there is none.
pub(super) fn open(url: &str) -> Result<(), String> {
    let none = || "There is no browser to open".to_owned();
    let program = if cfg!(target_os = "macos") {
        "open"
    } else {
        // Without a screen it would be one in this terminal.
        let has_screen = ["DISPLAY", "WAYLAND_DISPLAY"]
            .into_iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
        if !has_screen {
            return Err(none());
        }
        "xdg-open"
    };
    let started = Command::new(program)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    started
        .map(drop)
        .map_err(|error| format!("{program}: {error}"))
}

/// A parameter of a URL's query.
pub(super) fn query(url: &str, name: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let query = query.split('#').next().unwrap_or_default();
    pairs(query)
        .find(|(have, _)| have == name)
        .map(|(_, value)| value)
}

/// What a form says, or a query.
pub(super) fn pairs(form: &str) -> impl Iterator<Item = (String, String)> {
    let decoded = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    form.split('&')
        .filter(|pair| !pair.is_empty())
        .map(move |pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
}
