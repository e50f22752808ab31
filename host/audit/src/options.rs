//! What a device is made with, in the options that Vault's devices have.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Why a device cannot be made so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OptionsError(pub String);

fn wrong<T>(message: impl Into<String>) -> Result<T, OptionsError> {
    Err(OptionsError(message.into()))
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkOptions {
    /// A file.
    File {
        /// Which.
        target: FileTarget,
        /// Its permissions when it is made; None leaves those of a file that is there, and gives a new one 0600.
        mode: Option<u32>,
        /// It is put aside when it has so many bytes; 0: never.
        rotate_bytes: u64,
        /// So many put aside are kept; 0: all.
        rotate_files: usize,
    },
    /// A server that takes lines.
    Socket {
        /// `host:port`, or a path.
        address: String,
        /// How it is reached.
        network: SocketNetwork,
        /// How long connecting, and writing, may take.
        timeout: Duration,
    },
    /// The machine's syslog.
    Syslog {
        /// Its socket.
        socket: PathBuf,
        /// As RFC 5424 numbers it.
        facility: u8,
        /// Who says it.
        tag: String,
    },
}

/// Where a file device writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileTarget {
    /// A file, a named pipe.
    Path(PathBuf),
    /// The server's own standard output.
    Stdout,
    /// Nowhere.
    Discard,
}

/// How a socket is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketNetwork {
    /// TCP.
    Tcp,
    /// UDP: a record is a datagram.
    Udp,
    /// A stream in the file system.
    Unix,
}

const FACILITIES: [&str; 24] = [
    "KERN", "USER", "MAIL", "DAEMON", "AUTH", "SYSLOG", "LPR", "NEWS", "UUCP", "CRON", "AUTHPRIV",
    "FTP", "NTP", "SECURITY", "CONSOLE", "CLOCK", "LOCAL0", "LOCAL1", "LOCAL2", "LOCAL3", "LOCAL4",
    "LOCAL5", "LOCAL6", "LOCAL7",
];

/// The options of a device, taken one by one, so that what is left was misspelt.
pub struct Options<'a> {
    kind: &'a str,
    left: BTreeMap<&'a str, &'a str>,
    known: Vec<&'static str>,
}

impl<'a> Options<'a> {
    /// Those of a device of this type.
    pub fn new(kind: &'a str, given: &'a BTreeMap<String, String>) -> Self {
        let left = given
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        Self {
            kind,
            left: left.collect(),
            known: Vec::new(),
        }
    }

    /// A text, if it was given.
    pub fn text(&mut self, name: &'static str) -> Option<&'a str> {
        self.known.push(name);
        self.left.remove(name).filter(|text| !text.is_empty())
    }

    /// True or false.
    ///
    /// # Errors
    /// If it is neither.
    pub fn boolean(&mut self, name: &'static str, default: bool) -> Result<bool, OptionsError> {
        match self.text(name) {
            None => Ok(default),
            Some("true" | "1" | "t" | "T" | "TRUE" | "True") => Ok(true),
            Some("false" | "0" | "f" | "F" | "FALSE" | "False") => Ok(false),
            Some(other) => wrong(format!("{name} is {other:?}; it is true or false")),
        }
    }

    fn number(&mut self, name: &'static str) -> Result<u64, OptionsError> {
        match self.text(name) {
            None => Ok(0),
            Some(text) => text.parse().map_err(|_| {
                OptionsError(format!("{name} is {text:?}; it is a whole number, or 0"))
            }),
        }
    }

    /// Where records go.
    ///
    /// # Errors
    /// With the option that is wrong or missing.
    pub fn sink(&mut self) -> Result<SinkOptions, OptionsError> {
        match self.kind {
            "file" => self.file(),
            "socket" => self.socket(),
            "syslog" => self.syslog(),
            other => wrong(format!(
                "unknown backend type: {other:?}; there are file, socket and syslog"
            )),
        }
    }

    /// That nothing is left.
    ///
    /// # Errors
    /// With what is.
    pub fn done(self) -> Result<(), OptionsError> {
        let Some(name) = self.left.keys().next() else {
            return Ok(());
        };
        let mut known = self.known;
        known.sort_unstable();
        wrong(format!(
            "an audit device of type {} has no option {name:?}; there are {}",
            self.kind,
            known.join(", ")
        ))
    }

    fn file(&mut self) -> Result<SinkOptions, OptionsError> {
        let path = self.text("file_path").or(self.text("path"));
        let target = match path {
            None => return wrong("file_path is required"),
            Some("stdout") => FileTarget::Stdout,
            Some("discard") => FileTarget::Discard,
            Some(path) if path.starts_with('/') => FileTarget::Path(path.into()),
            Some(path) => return wrong(format!("file_path is {path:?}; it begins with /")),
        };
        let mode = match self.text("mode") {
            None => Some(0o600),
            Some(text) => match u32::from_str_radix(text, 8) {
                Ok(0) => None,
                Ok(mode) if mode & !0o666 == 0 => Some(mode),
                _ => {
                    return wrong(format!(
                        "mode is {text:?}; it is octal, of permissions to read and to write only, or 0000 to leave a file's own"
                    ));
                }
            },
        };
        Ok(SinkOptions::File {
            target,
            mode,
            rotate_bytes: self.number("rotate_bytes")?,
            rotate_files: usize::try_from(self.number("rotate_max_files")?).unwrap_or(usize::MAX),
        })
    }

    fn socket(&mut self) -> Result<SinkOptions, OptionsError> {
        let network = match self.text("socket_type") {
            None | Some("tcp") => SocketNetwork::Tcp,
            Some("udp") => SocketNetwork::Udp,
            Some("unix") => SocketNetwork::Unix,
            Some(other) => {
                return wrong(format!(
                    "socket_type is {other:?}; there are tcp, udp and unix"
                ));
            }
        };
        let Some(address) = self.text("address") else {
            return wrong("address is required");
        };
        let seconds = match self.text("write_timeout") {
            None => 2,
            Some(text) => match text.strip_suffix('s').unwrap_or(text).parse() {
                Ok(seconds @ 1..=60) => seconds,
                _ => {
                    return wrong(format!(
                        "write_timeout is {text:?}; it is 1 to 60 seconds, such as \"2s\""
                    ));
                }
            },
        };
        Ok(SinkOptions::Socket {
            address: address.to_owned(),
            network,
            timeout: Duration::from_secs(seconds),
        })
    }

    fn syslog(&mut self) -> Result<SinkOptions, OptionsError> {
        let name = self.text("facility").unwrap_or("AUTH").to_uppercase();
        let Some(facility) = FACILITIES.iter().position(|have| *have == name) else {
            return wrong(format!(
                "facility is {name:?}; there are {}",
                FACILITIES.join(", ")
            ));
        };
        let tag = self.text("tag").unwrap_or("vault");
        if !tag.chars().all(|c| c.is_ascii_graphic()) {
            return wrong("tag is printable ASCII without blanks");
        }
        Ok(SinkOptions::Syslog {
            socket: self.text("address").unwrap_or("/dev/log").into(),
            facility: u8::try_from(facility).unwrap_or_default(),
            tag: tag.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(kind: &str, given: &[(&str, &str)]) -> Result<SinkOptions, String> {
        let given = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let mut options = Options::new(kind, &given);
        let sink = options.sink().map_err(|error| error.0)?;
        options.done().map_err(|error| error.0)?;
        Ok(sink)
    }

    #[test]
    fn what_is_wrong_is_said() {
        #[rustfmt::skip]
        let table = [
            ("file", &[][..], "file_path is required"),
            ("file", &[("file_path", "audit.log")], "begins with /"),
            ("file", &[("file_path", "/a"), ("mode", "0700")], "to read and to write only"),
            ("file", &[("file_path", "/a"), ("mode", "rw")], "it is octal"),
            ("file", &[("file_path", "/a"), ("rotate_bytes", "1G")], "rotate_bytes is \"1G\""),
            ("file", &[("file_path", "/a"), ("colour", "red")], "has no option \"colour\"; there are file_path, mode,"),
            ("socket", &[], "address is required"),
            ("socket", &[("address", "a:1"), ("socket_type", "sctp")], "there are tcp, udp and unix"),
            ("socket", &[("address", "a:1"), ("write_timeout", "0s")], "1 to 60 seconds"),
            ("syslog", &[("facility", "NOWHERE")], "facility is \"NOWHERE\""),
            ("syslog", &[("tag", "a b")], "without blanks"),
            ("pigeon", &[], "there are file, socket and syslog"),
        ];
        for (kind, given, expected) in table {
            let error = read(kind, given).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let stdout = SinkOptions::File {
            target: FileTarget::Stdout,
            mode: None,
            rotate_bytes: 10,
            rotate_files: 3,
        };
        let given = [
            ("file_path", "stdout"),
            ("mode", "0000"),
            ("rotate_bytes", "10"),
            ("rotate_max_files", "3"),
        ];
        assert_eq!(read("file", &given), Ok(stdout));
    }
}
