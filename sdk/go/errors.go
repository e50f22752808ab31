// Package coffer is what plugins for Coffer are written with.
//
// A plugin is a main package that gives its engine to [engine.Serve], or its database backend to [backend.Serve], in an init
// function, and whose main function does nothing; `coffer plugin build` makes a component of it. What the host does for a
// plugin are the functions of this package: storage, leases, keys, time, randomness and the network. In tests the host is one
// in memory, of the package coffertest.
//
// [engine.Serve]: https://pkg.go.dev/github.com/coffer-dev/coffer/sdk/go/engine#Serve
// [backend.Serve]: https://pkg.go.dev/github.com/coffer-dev/coffer/sdk/go/backend#Serve
package coffer

import "fmt"

// ErrorKind is what becomes of an error over HTTP.
type ErrorKind uint8

const (
	// InvalidRequest is 400: the caller's input is wrong.
	InvalidRequest ErrorKind = iota
	PermissionDenied
	NotFound
	UnsupportedOperation
	Conflict
	Unavailable
	// Internal is 500; its message is for the log only.
	Internal
)

// Error is an error that the caller is told.
type Error struct {
	Kind    ErrorKind
	Message string
}

func (e *Error) Error() string { return e.Message }

// Errorf is an error of a kind.
func Errorf(kind ErrorKind, format string, arguments ...any) *Error {
	return &Error{kind, fmt.Sprintf(format, arguments...)}
}
