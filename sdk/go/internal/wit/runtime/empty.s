//go:build wasip1

// A function without a body is for the assembler, or it does not compile.
