//go:build wasip1

// Package export_coffer_plugin_engine is what the component exports: the generated code calls it, and it whoever serves.
package export_coffer_plugin_engine

import (
	. "github.com/coffer-dev/coffer/sdk/go/internal/bindings/coffer_plugin_engine"
	. "github.com/coffer-dev/coffer/sdk/go/internal/wit/types"
)

// Engine is the exported interface.
type Engine interface {
	Describe() Description
	Handle(Request) Result[Response, Error]
	Exists(Request) Result[Option[bool], Error]
	Renew(Lease, uint64) Result[Renewal, Error]
	Revoke(Lease) Result[Unit, Error]
	Tick() Result[Unit, Error]
}

// Served is what the plugin has given.
var Served Engine

func Describe() Description                              { return Served.Describe() }
func Handle(request Request) Result[Response, Error]     { return Served.Handle(request) }
func Exists(request Request) Result[Option[bool], Error] { return Served.Exists(request) }
func Renew(lease Lease, increment uint64) Result[Renewal, Error] {
	return Served.Renew(lease, increment)
}
func Revoke(lease Lease) Result[Unit, Error] { return Served.Revoke(lease) }
func Tick() Result[Unit, Error]              { return Served.Tick() }
