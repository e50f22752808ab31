//! The allocator of a component: the standard library's own, in a version that starts with the memory that the module has
//! when it is instantiated.
//!
//! Growing memory costs the host a system call and more, in every fresh instance. A component linked with enough
//! `--initial-memory` never grows for a usual request.

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;
