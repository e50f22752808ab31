//! One target under libFuzzer: that which `COFFER_FUZZ_TARGET` names.
#![no_main]
#![allow(clippy::expect_used)]

use std::sync::LazyLock;

use coffer_fuzz::Target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("COFFER_FUZZ_TARGET").expect("COFFER_FUZZ_TARGET names no target");
    coffer_fuzz::target(&name).expect("there is no target of that name")
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| (TARGET.run)(input));
