//! A file: appended to, put aside when it is full, opened anew when somebody has moved it.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Sink;
use crate::chain::Chain;
use crate::options::FileTarget;

/// How far back the last line is looked for at a time, in bytes.
const BACK: u64 = 64 << 10;

pub struct File {
    target: FileTarget,
    mode: Option<u32>,
    rotate_bytes: u64,
    rotate_files: usize,
    open: Option<Open>,
}

struct Open {
    file: fs::File,
    /// Its length, if it is a regular file: one that can be cut back to what was written whole.
    len: Option<u64>,
}

impl File {
    pub fn new(
        target: FileTarget,
        mode: Option<u32>,
        rotate_bytes: u64,
        rotate_files: usize,
    ) -> Self {
        Self {
            target,
            mode,
            rotate_bytes,
            rotate_files,
            open: None,
        }
    }

    fn open(&mut self, path: &Path) -> io::Result<&mut Open> {
        let open = match self.open.take() {
            Some(open) => open,
            None => {
                // A link would lead out of the folder that the server's configuration names.
                let no_link = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
                let file = fs::OpenOptions::new()
                    .append(true)
                    .create(true)
                    .mode(self.mode.unwrap_or(0o600))
                    .custom_flags(no_link)
                    .open(path)?;
                let metadata = file.metadata()?;
                let regular = metadata.is_file();
                if let Some(mode) = self.mode.filter(|_| regular) {
                    file.set_permissions(fs::Permissions::from_mode(mode))?;
                }
                Open {
                    file,
                    len: regular.then_some(metadata.len()),
                }
            }
        };
        Ok(self.open.insert(open))
    }

    /// Puts the file aside under the number of its last record.
    fn rotate(&mut self, path: &Path, last: u64) -> io::Result<()> {
        let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
        let (Some(folder), Some(base)) = (path.parent(), name(path)) else {
            return Ok(());
        };
        fs::rename(path, folder.join(format!("{base}.{last:020}")))?;
        self.open = None;
        if self.rotate_files == 0 {
            return Ok(());
        }
        let mut aside: Vec<PathBuf> = fs::read_dir(folder)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                name(path).is_some_and(|name| {
                    let rest = name
                        .strip_prefix(&base)
                        .and_then(|rest| rest.strip_prefix('.'));
                    rest.is_some_and(|at| at.len() == 20 && at.bytes().all(|b| b.is_ascii_digit()))
                })
            })
            .collect();
        aside.sort();
        let surplus = aside.len().saturating_sub(self.rotate_files);
        aside.iter().take(surplus).try_for_each(fs::remove_file)
    }
}

impl Sink for File {
    fn last_line(&mut self) -> io::Result<Option<String>> {
        let FileTarget::Path(path) = self.target.clone() else {
            return Ok(None);
        };
        let open = self.open(&path)?;
        let Some(len) = open.len else {
            return Ok(None);
        };
        let mut file = fs::File::open(&path)?;
        let whole = len - torn(&mut file, len)?;
        if whole < len {
            // It was never reported as written.
            tracing::warn!(
                path = %path.display(),
                "the audit file ended in the middle of a record, which is cut off"
            );
            open.file.set_len(whole)?;
            open.len = Some(whole);
        }
        let begins = begin_of_line(&mut file, whole.saturating_sub(1))?;
        let mut line = Vec::new();
        file.seek(SeekFrom::Start(begins))?;
        file.take(whole.saturating_sub(begins))
            .read_to_end(&mut line)?;
        Ok(String::from_utf8(line)
            .ok()
            .map(|line| line.trim_end_matches('\n').to_owned())
            .filter(|line| !line.is_empty()))
    }

    fn write(&mut self, lines: &[String]) -> io::Result<()> {
        let text = lines.concat();
        let path = match self.target.clone() {
            FileTarget::Discard => return Ok(()),
            FileTarget::Stdout => {
                let mut out = io::stdout().lock();
                return out.write_all(text.as_bytes()).and_then(|()| out.flush());
            }
            FileTarget::Path(path) => path,
        };
        let rotate_bytes = self.rotate_bytes;
        let open = self.open(&path)?;
        if let Err(error) = open.file.write_all(text.as_bytes()) {
            // All or nothing: half a record is none.
            if let Some(len) = open.len {
                let _ = open.file.set_len(len);
            }
            self.open = None;
            return Err(error);
        }
        let Some(len) = &mut open.len else {
            return Ok(());
        };
        *len += text.len() as u64;
        if rotate_bytes > 0 && *len >= rotate_bytes {
            // The records are written whatever becomes of this.
            let last = lines.last().and_then(|line| Chain::ending(line));
            if let Err(error) = self.rotate(&path, last.map_or(0, |last| last.seq())) {
                tracing::warn!(path = %path.display(), %error, "the audit file cannot be put aside");
            }
        }
        Ok(())
    }

    fn reopen(&mut self) {
        self.open = None;
    }
}

/// How many bytes stand behind the last end of a line.
fn torn(file: &mut fs::File, len: u64) -> io::Result<u64> {
    if len == 0 {
        return Ok(0);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(len - 1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok(0);
    }
    Ok(len - begin_of_line(file, len)?)
}

/// Where the line begins that ends at `end`.
fn begin_of_line(file: &mut fs::File, end: u64) -> io::Result<u64> {
    let mut end = end;
    while end > 0 {
        let begin = end.saturating_sub(BACK);
        let mut piece = vec![0; usize::try_from(end - begin).unwrap_or_default()];
        file.seek(SeekFrom::Start(begin))?;
        file.read_exact(&mut piece)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            return Ok(begin + at as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}
