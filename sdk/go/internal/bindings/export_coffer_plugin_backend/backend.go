//go:build wasip1

// Package export_coffer_plugin_backend is what the component exports: the generated code calls it, and it whoever serves.
package export_coffer_plugin_backend

import (
	. "github.com/coffer-dev/coffer/sdk/go/internal/bindings/coffer_plugin_backend"
	. "github.com/coffer-dev/coffer/sdk/go/internal/wit/types"
)

// Backend is the exported interface.
type Backend interface {
	Describe() Description
	Open(config string) Result[Unit, Error]
	Username(UserNaming) Result[string, Error]
	Exists(username string) Result[bool, Error]
	CreateUser(UserRequest) Result[Unit, Error]
	UpdateUser(UserChange) Result[Unit, Error]
	DeleteUser(UserRemoval) Result[Unit, Error]
	Ping() Result[Unit, Error]
}

// Served is what the plugin has given.
var Served Backend

func Describe() Description                              { return Served.Describe() }
func Open(config string) Result[Unit, Error]             { return Served.Open(config) }
func Username(naming UserNaming) Result[string, Error]   { return Served.Username(naming) }
func Exists(username string) Result[bool, Error]         { return Served.Exists(username) }
func CreateUser(user UserRequest) Result[Unit, Error]    { return Served.CreateUser(user) }
func UpdateUser(change UserChange) Result[Unit, Error]   { return Served.UpdateUser(change) }
func DeleteUser(removal UserRemoval) Result[Unit, Error] { return Served.DeleteUser(removal) }
func Ping() Result[Unit, Error]                          { return Served.Ping() }
