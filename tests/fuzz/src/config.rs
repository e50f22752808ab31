//! A configuration file's text: what is wrong with it has a place, and what is right can be shown.

pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    match coffer_config::parse("file", text) {
        Ok(config) => {
            let _ = config.check();
            assert!(!config.sanitized().is_empty());
        }
        Err(error) => {
            let told = error.to_string();
            let place = told.strip_prefix("file:").unwrap_or_default();
            let line = place.split(':').next().unwrap_or_default();
            let lines = text.split('\n').count();
            assert!(
                line.parse().is_ok_and(|line| (1..=lines).contains(&line)),
                "an error without a place: {told}"
            );
        }
    }
}
