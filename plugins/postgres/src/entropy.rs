//! Where the crates that we use get their randomness: from the host, through `getrandom`'s hook for custom sources.
//!
//! The hook is a symbol that the linker looks for, so it takes unsafe code to define it.
#![allow(unsafe_code)]

use getrandom::Error;

#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(dest: *mut u8, len: usize) -> Result<(), Error> {
    // SAFETY: `getrandom` promises that `dest` points to `len` bytes that are ours to write.
    let mut rest = unsafe {
        std::ptr::write_bytes(dest, 0, len);
        std::slice::from_raw_parts_mut(dest, len)
    };
    while !rest.is_empty() {
        let bytes =
            coffer_sdk::random::bytes(u32::try_from(rest.len()).unwrap_or(u32::MAX).min(65_536));
        if bytes.is_empty() || bytes.len() > rest.len() {
            return Err(Error::UNEXPECTED);
        }
        let (now, later) = rest.split_at_mut(bytes.len());
        now.copy_from_slice(&bytes);
        rest = later;
    }
    Ok(())
}
