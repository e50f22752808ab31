//! The sections of a component's binary, as far as they need be known to find one by its name.
//! See <https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md>.

use crate::ManifestError;

/// What a component starts with.
pub(crate) const PREAMBLE: [u8; 8] = *b"\0asm\x0d\0\x01\0";
const MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";
const CUSTOM: u8 = 0;

/// One section.
pub(crate) struct Section<'a> {
    whole: &'a [u8],
    custom: Option<(&'a str, &'a [u8])>,
}

impl<'a> Section<'a> {
    /// With its id and its length.
    pub(crate) fn whole(&self) -> &'a [u8] {
        self.whole
    }

    /// The name of a custom section.
    pub(crate) fn custom_name(&self) -> Option<&'a str> {
        self.custom.map(|(name, _)| name)
    }

    /// What comes after its name.
    pub(crate) fn custom_data(&self) -> &'a [u8] {
        self.custom.map(|(_, data)| data).unwrap_or_default()
    }
}

/// The sections at the component's own level, in order.
pub(crate) struct Sections<'a>(&'a [u8]);

impl<'a> Sections<'a> {
    pub(crate) fn new(component: &'a [u8]) -> Result<Self, ManifestError> {
        let no = ManifestError::NotAComponent;
        match component.split_first_chunk() {
            Some((start, rest)) if *start == PREAMBLE => Ok(Self(rest)),
            Some((start, _)) if *start == MODULE => Err(no(
                "it is a core module: encode it with `coffer plugin build`",
            )),
            _ if component.is_empty() => Err(no("it is empty")),
            _ => Err(no("it does not start as WebAssembly does")),
        }
    }
}

impl<'a> Iterator for Sections<'a> {
    type Item = Result<Section<'a>, ManifestError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (id, rest) = self.0.split_first()?;
        let whole = self.0;
        let section = length(rest).and_then(|(len, body)| {
            let (body, after) = body.split_at_checked(len)?;
            let whole = whole.get(..whole.len() - after.len())?;
            let custom = (*id == CUSTOM).then(|| custom(body)).flatten();
            Some((Section { whole, custom }, after))
        });
        let Some((section, after)) = section else {
            self.0 = &[];
            return Some(Err(ManifestError::Truncated));
        };
        self.0 = after;
        Some(Ok(section))
    }
}

fn custom(body: &[u8]) -> Option<(&str, &[u8])> {
    let (len, rest) = length(body)?;
    let (name, data) = rest.split_at_checked(len)?;
    Some((std::str::from_utf8(name).ok()?, data))
}

/// A length in LEB128 of 32 bits, and what comes after it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0u32;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        let shift = 7 * u32::try_from(at).ok()?;
        let part = u32::from(byte & 0x7f);
        if part.checked_shl(shift)? >> shift != part {
            return None;
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, bytes.get(at + 1..)?));
        }
    }
    None
}

pub(crate) fn write_custom(out: &mut Vec<u8>, name: &str, data: &[u8]) {
    let mut body = Vec::with_capacity(name.len() + data.len() + 5);
    write_length(&mut body, name.len());
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(data);
    out.push(CUSTOM);
    write_length(out, body.len());
    out.extend_from_slice(&body);
}

fn write_length(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        for value in [0usize, 1, 127, 128, 300, 65_536, 0xffff_ffff] {
            let mut bytes = Vec::new();
            write_length(&mut bytes, value);
            bytes.push(9);
            assert_eq!(length(&bytes), Some((value, &[9u8][..])), "{value}");
        }
        for bad in [
            &b""[..],
            b"\x80",
            b"\xff\xff\xff\xff\x7f",
            b"\x80\x80\x80\x80\x80\x00",
        ] {
            assert_eq!(length(bad), None, "{bad:?}");
        }
    }
}
