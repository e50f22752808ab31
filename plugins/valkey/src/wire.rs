//! RESP2 over a byte stream: bounded, and with no trust in what the other side says of its lengths.

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

use crate::error::{Error, Refusal};
use crate::limits;

/// What a command is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing is there.
    Null,
    /// A status or a value. What is not UTF-8 is read as well as it can be.
    Text(String),
    /// A number.
    Integer(i64),
    /// Replies within a reply.
    List(Vec<Reply>),
    /// It was refused.
    Refused(Refusal),
}

/// The two directions of a connection.
pub struct Wire<S> {
    stream: S,
    input: Vec<u8>,
    /// Of the input, what has been read.
    at: usize,
}

/// What is left of a reply's bounds.
struct Bounds {
    bytes: usize,
    values: usize,
}

impl<S: Read + Write> Wire<S> {
    /// Over a stream that is connected.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            input: Vec::new(),
            at: 0,
        }
    }

    /// Sends these commands at once, and returns the reply to each.
    ///
    /// # Errors
    /// If the connection is broken, or what comes is not the protocol. There is no use in it afterwards.
    pub fn run<const N: usize>(&mut self, commands: [&[&str]; N]) -> Result<[Reply; N], Error> {
        // A reply to nothing would be taken for one to what comes now.
        if self.at < self.input.len() {
            return Err(Error::nonsense("a reply to no command"));
        }
        let flight = flight(&commands);
        self.stream
            .write_all(&flight)
            .and_then(|()| self.stream.flush())
            .map_err(broken)?;
        let mut replies = std::array::from_fn(|_| Reply::Null);
        for reply in &mut replies {
            let mut bounds = Bounds {
                bytes: limits::REPLY,
                values: limits::VALUES,
            };
            *reply = self.reply(&mut bounds, limits::DEPTH)?;
        }
        Ok(replies)
    }

    fn reply(&mut self, bounds: &mut Bounds, depth: usize) -> Result<Reply, Error> {
        bounds.values = bounds
            .values
            .checked_sub(1)
            .ok_or_else(|| Error::nonsense(format!("more than {} values", limits::VALUES)))?;
        let line = self.line(bounds)?;
        let text = String::from_utf8_lossy(&line);
        let mut chars = text.chars();
        let kind = chars.next();
        let rest = chars.as_str();
        match kind {
            Some('+') => Ok(Reply::Text(rest.to_owned())),
            Some('-') => Ok(Reply::Refused(Refusal::new(rest))),
            Some(':') => rest
                .parse()
                .map(Reply::Integer)
                .map_err(|_| Error::nonsense("a number that is none")),
            Some('$') => match length(rest)? {
                None => Ok(Reply::Null),
                Some(len) => self.text(len, bounds),
            },
            Some('*') => match length(rest)? {
                None => Ok(Reply::Null),
                Some(_) if depth == 0 => Err(Error::nonsense("lists nested too deeply")),
                Some(len) => (0..len)
                    .map(|_| self.reply(bounds, depth - 1))
                    .collect::<Result<_, _>>()
                    .map(Reply::List),
            },
            _ => Err(Error::nonsense("no reply begins so")),
        }
    }

    /// Up to the end of a line, without it.
    fn line(&mut self, bounds: &mut Bounds) -> Result<Vec<u8>, Error> {
        let mut looked = 0;
        loop {
            let rest = self.rest();
            let new = rest.get(looked..).unwrap_or_default();
            if let Some(end) = new.iter().position(|byte| *byte == b'\n') {
                let line = rest.get(..looked + end).unwrap_or_default();
                let line = line
                    .strip_suffix(b"\r")
                    .ok_or_else(|| Error::nonsense("a line without its end"))?
                    .to_vec();
                self.take(looked + end + 1, bounds)?;
                return Ok(line);
            }
            looked = rest.len();
            check(looked, bounds)?;
            self.fill()?;
        }
    }

    fn text(&mut self, len: usize, bounds: &mut Bounds) -> Result<Reply, Error> {
        check(len, bounds)?;
        while self.rest().len() < len + 2 {
            self.fill()?;
        }
        let rest = self.rest();
        if rest.get(len..len + 2) != Some(b"\r\n") {
            return Err(Error::nonsense("a value of another length"));
        }
        let value = rest.get(..len).unwrap_or_default();
        let text = String::from_utf8_lossy(value).into_owned();
        self.take(len + 2, bounds)?;
        Ok(Reply::Text(text))
    }

    fn rest(&self) -> &[u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, len: usize, bounds: &mut Bounds) -> Result<(), Error> {
        check(len, bounds)?;
        bounds.bytes -= len;
        self.at += len;
        if self.at >= self.input.len() {
            self.input.clear();
            self.at = 0;
        }
        Ok(())
    }

    fn fill(&mut self) -> Result<(), Error> {
        // What was read makes room, so that many small values in a row take no more than one.
        self.input.drain(..self.at.min(self.input.len()));
        self.at = 0;
        let have = self.input.len();
        self.input.resize(have + limits::READ, 0);
        let space = self.input.get_mut(have..).unwrap_or_default();
        let result = loop {
            match self.stream.read(space) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let read = result.as_ref().copied().unwrap_or(0).min(limits::READ);
        self.input.truncate(have + read);
        match result {
            Ok(0) => Err(Error::Lost("the server closed the connection".to_owned())),
            Ok(_) => Ok(()),
            Err(error) => Err(broken(error)),
        }
    }
}

fn broken(error: io::Error) -> Error {
    Error::Lost(error.to_string())
}

fn check(len: usize, bounds: &Bounds) -> Result<(), Error> {
    if len <= bounds.bytes {
        return Ok(());
    }
    Err(Error::nonsense(format!(
        "a reply of more than {} bytes",
        limits::REPLY
    )))
}

/// None stands for nothing at all, which is not the same as an empty value.
fn length(text: &str) -> Result<Option<usize>, Error> {
    match text {
        "-1" => Ok(None),
        _ if text.bytes().all(|byte| byte.is_ascii_digit()) => text
            .parse()
            .map(Some)
            .map_err(|_| Error::nonsense("a length that is none")),
        _ => Err(Error::nonsense("a length that is none")),
    }
}

/// Commands as lists of values. There may be a password in it, so it is not moved while it grows.
fn flight(commands: &[&[&str]]) -> Zeroizing<Vec<u8>> {
    // The longest length that there can be, and what stands around it.
    const HEAD: usize = 24;
    let words = commands.iter().copied().flatten();
    let len: usize = words.map(|word| word.len() + HEAD).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(len + commands.len() * HEAD));
    for command in commands {
        out.extend(format!("*{}\r\n", command.len()).bytes());
        for word in *command {
            out.extend(format!("${}\r\n", word.len()).bytes());
            out.extend(word.bytes());
            out.extend(b"\r\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// A server that says this, a few bytes at a time, and hears everything.
    struct Script<'a> {
        says: &'a [u8],
        step: usize,
        heard: Vec<u8>,
    }

    impl Read for Script<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let len = self.says.len().min(out.len()).min(self.step);
            let (now, later) = self.says.split_at(len);
            out[..len].copy_from_slice(now);
            self.says = later;
            Ok(len)
        }
    }

    impl Write for Script<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.heard.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn wire(says: &[u8], step: usize) -> Wire<Script<'_>> {
        Wire::new(Script {
            says,
            step,
            heard: Vec::new(),
        })
    }

    fn hear(says: &[u8]) -> Result<Reply, String> {
        let read = |step| wire(says, step).run([&["PING"]]).map(|[reply]| reply);
        let whole = read(usize::MAX).map_err(|error| error.to_string());
        // However it is cut into pieces, unless that takes for ever.
        if says.len() < 10_000 {
            assert_eq!(read(1).map_err(|error| error.to_string()), whole);
        }
        whole
    }

    fn text(text: &str) -> Reply {
        Reply::Text(text.to_owned())
    }

    #[test]
    fn every_reply_there_is() {
        #[rustfmt::skip]
        let table: [(&[u8], Reply); 11] = [
            (b"+OK\r\n", text("OK")),
            (b"+\r\n", text("")),
            (b"-ERR no\r\n", Reply::Refused(Refusal::new("ERR no"))),
            (b":-12\r\n", Reply::Integer(-12)),
            (b"$-1\r\n", Reply::Null),
            (b"*-1\r\n", Reply::Null),
            (b"$0\r\n\r\n", text("")),
            (b"$4\r\na\r\nb\r\n", text("a\r\nb")),
            (b"$2\r\n\xff\xfe\r\n", text("\u{fffd}\u{fffd}")),
            (b"*0\r\n", Reply::List(vec![])),
            (b"*2\r\n*1\r\n:1\r\n$-1\r\n", Reply::List(vec![Reply::List(vec![Reply::Integer(1)]), Reply::Null])),
        ];
        for (bytes, expected) in table {
            assert_eq!(hear(bytes).unwrap(), expected);
        }
    }

    #[test]
    fn a_reply_that_is_none() {
        let nested = "*1\r\n".repeat(100_000);
        let flood = format!("*1000000\r\n{}", ":1\r\n".repeat(20_000));
        let long = format!("+{}", "x".repeat(2 << 20));
        let halves = format!(
            "*2\r\n{}",
            format!("$600000\r\n{}\r\n", "x".repeat(600_000)).repeat(2)
        );
        #[rustfmt::skip]
        let table: [(&[u8], &str); 26] = [
            (b"", "closed"), (b"+OK", "closed"), (b"+OK\r", "closed"), (b"$5\r\nab", "closed"), (b"$5\r\nabcde", "closed"),
            (b"*2\r\n:1\r\n", "closed"), (b"$5\r\nabcde\r", "closed"),
            (b"+OK\n", "without its end"), (b"\n", "without its end"), (b"\r\n", "begins so"),
            (b"HTTP/1.1 400 Bad Request\r\n", "begins so"), (b"%1\r\n+a\r\n+b\r\n", "begins so"),
            (b"\xff\xff\r\n", "begins so"), (b"_\r\n", "begins so"),
            (b":\r\n", "number"), (b":1x\r\n", "number"), (b":99999999999999999999\r\n", "number"),
            (b"$\r\n", "length"), (b"$-2\r\n", "length"), (b"$+3\r\nabc\r\n", "length"),
            (b"*99999999999999999999\r\n", "length"),
            (b"$3\r\nabcd\r\n", "another length"),
            (b"$18446744073709551615\r\n", "bytes"), (b"$1048577\r\n", "bytes"),
            (b"$ 1\r\na\r\n", "length"), (b"*9999999999\r\n", "closed"),
        ];
        let large = [
            (nested.as_bytes(), "too deeply"),
            (flood.as_bytes(), "values"),
            (long.as_bytes(), "bytes"),
            (halves.as_bytes(), "bytes"),
        ];
        for (bytes, expected) in table.into_iter().chain(large) {
            let error = hear(bytes).unwrap_err();
            let start = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]);
            assert!(error.contains(expected), "{start:?}: {error}");
        }
    }

    #[test]
    fn replies_belong_to_commands() {
        let mut wire = wire(b"+1\r\n+2\r\n+3\r\n", usize::MAX);
        let [one, two] = wire.run([&["A", "b c"], &["", "\r\n"]]).unwrap();
        assert_eq!((one, two), (text("1"), text("2")));
        let expected = "*2\r\n$1\r\nA\r\n$3\r\nb c\r\n*2\r\n$0\r\n\r\n$2\r\n\r\n\r\n";
        assert_eq!(wire.stream.heard, expected.as_bytes());
        let error = wire.run([&["C"]]).unwrap_err();
        assert!(error.to_string().contains("to no command"));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes in proptest::collection::vec(
            prop_oneof![Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), Just(b'1'), Just(b'-'), any::<u8>()], 0..200,
        )) {
            hear(&bytes).ok();
        }
    }
}
