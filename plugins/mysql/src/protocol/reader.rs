//! What is in a packet, with no trust in what it says of its lengths.

use crate::error::{Error, nonsense};

/// The rest of a packet.
#[derive(Clone)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// All of it.
    pub fn new(packet: &'a [u8]) -> Self {
        Self(packet)
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// So many bytes.
    ///
    /// # Errors
    /// As everywhere here: if the packet is shorter.
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (bytes, rest) = self
            .0
            .split_at_checked(len)
            .ok_or_else(|| nonsense("a packet that is cut off"))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, Error> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Result<u16, Error> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// What comes before the next NUL, which is read too; everything, if there is none.
    pub fn text(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0);
        let (text, rest) = match end {
            Some(end) => (self.0.get(..end), self.0.get(end + 1..)),
            None => (Some(self.0), None),
        };
        self.0 = rest.unwrap_or_default();
        text.unwrap_or_default()
    }

    /// A number that says itself how long it is. None is SQL's NULL.
    pub fn length(&mut self) -> Result<Option<u64>, Error> {
        let wide = |bytes: &[u8]| {
            let mut all = [0; 8];
            for (to, from) in all.iter_mut().zip(bytes) {
                *to = *from;
            }
            u64::from_le_bytes(all)
        };
        Ok(match self.byte()? {
            0xfb => None,
            0xfc => Some(wide(self.bytes(2)?)),
            0xfd => Some(wide(self.bytes(3)?)),
            0xfe => Some(wide(self.bytes(8)?)),
            0xff => return Err(nonsense("a length that is none")),
            small => Some(u64::from(small)),
        })
    }

    /// A value of a row.
    pub fn value(&mut self) -> Result<Option<&'a [u8]>, Error> {
        let Some(len) = self.length()? else {
            return Ok(None);
        };
        // What does not fit in memory does not fit in the packet.
        self.bytes(usize::try_from(len).unwrap_or(usize::MAX))
            .map(Some)
    }
}
