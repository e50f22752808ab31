//! Where a browser comes back to: a listener on this machine, for one path.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};

use super::browser::pairs;
use crate::error::CliError;
use crate::limits;

const PATH: &str = "/oidc/callback";

/// It, before it listens.
pub(super) struct Listener {
    /// One for each address that the name has.
    sockets: Vec<TcpListener>,
    port: u16,
}

/// A browser, and what it has brought.
pub(super) struct Arrived {
    /// Whether in a form.
    pub posted: bool,
    fields: Vec<(String, String)>,
    stream: TcpStream,
}

impl Listener {
    /// # Errors
    /// If nothing can listen there.
    pub(super) fn bind(address: &str, port: &str) -> Result<Self, CliError> {
        let cannot = |error: &dyn std::fmt::Display| {
            CliError::Usage(format!(
                "Cannot listen at {address}:{port} for the browser ({error}); say another port=..."
            ))
        };
        let asked: u16 = port.parse().map_err(|error| cannot(&error))?;
        let addresses = (address, asked)
            .to_socket_addrs()
            .map_err(|error| cannot(&error))?;
        let (mut sockets, mut port, mut failed) = (Vec::new(), asked, None);
        for mut address in addresses {
            // Any port means the same one at each address.
            address.set_port(port);
            match TcpListener::bind(address).and_then(|socket| Ok((socket.local_addr()?, socket))) {
                Ok((at, socket)) => {
                    port = at.port();
                    sockets.push(socket);
                }
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if sockets.is_empty() => Err(cannot(&error)),
            _ => Ok(Self { sockets, port }),
        }
    }

    /// Where it is.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Listens until this process ends. Browsers connect more often than they say anything: none holds up the others.
    pub(super) fn listen(self) -> Receiver<Arrived> {
        let (send, arrivals) = mpsc::sync_channel(limits::OIDC_BROWSERS);
        let busy = Arc::new(());
        for socket in self.sockets {
            let (send, busy) = (send.clone(), busy.clone());
            std::thread::spawn(move || {
                for stream in socket.incoming().flatten() {
                    if Arc::strong_count(&busy) > limits::OIDC_BROWSERS {
                        continue;
                    }
                    let (send, busy) = (send.clone(), busy.clone());
                    std::thread::spawn(move || {
                        // Who hangs up, or says what nobody understands, is none to wait for.
                        serve(stream, &send).ok();
                        drop(busy);
                    });
                }
            });
        }
        arrivals
    }
}

fn serve(stream: TcpStream, arrivals: &SyncSender<Arrived>) -> io::Result<()> {
    stream.set_read_timeout(Some(limits::OIDC_BROWSER))?;
    stream.set_write_timeout(Some(limits::OIDC_BROWSER))?;
    let mut reader = BufReader::new(stream.try_clone()?.take(limits::OIDC_REQUEST));
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let posted = method == "POST";
    let mut length = 0;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 {
            return Ok(());
        }
        let Some((name, value)) = header.trim_end().split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path != PATH || !(posted || method == "GET") {
        return respond(&stream, 404, "Not found", "There is nothing here.");
    }
    let mut body = String::new();
    if posted {
        reader.take(length).read_to_string(&mut body)?;
    }
    let arrived = Arrived {
        posted,
        fields: pairs(&body).chain(pairs(query)).collect(),
        stream,
    };
    arrivals
        .try_send(arrived)
        .map_err(|_| io::ErrorKind::Other.into())
}

impl Arrived {
    /// A field; empty if there is none.
    pub(super) fn field(&self, name: &str) -> &str {
        let field = self.fields.iter().find(|(have, _)| have == name);
        field.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Shows a page.
    pub(super) fn answer(&self, status: u16, title: &str, text: &str) {
        // Who has closed the window does not want to see it.
        respond(&self.stream, status, title, text).ok();
    }
}

fn respond(mut stream: &TcpStream, status: u16, title: &str, text: &str) -> io::Result<()> {
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title>\n\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem}}</style></head>\n\
         <body><h1>{title}</h1><p>{text}</p></body>\n</html>\n"
    );
    let head = format!(
        "HTTP/1.1 {status} {title}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\nreferrer-policy: no-referrer\r\nconnection: close\r\n\r\n",
        page.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(page.as_bytes())?;
    stream.flush()?;
    stream.shutdown(std::net::Shutdown::Write)
}
