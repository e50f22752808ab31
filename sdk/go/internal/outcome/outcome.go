//go:build wasip1

// Package outcome says in the contract's terms how a call ended.
package outcome

import (
	"errors"

	coffer "github.com/coffer-dev/coffer/sdk/go"
	wit "github.com/coffer-dev/coffer/sdk/go/internal/bindings/coffer_plugin_types"
	"github.com/coffer-dev/coffer/sdk/go/internal/wit/types"
)

// Value is a value, or why there is none.
func Value[T any](value T, err error) types.Result[T, wit.Error] {
	if err == nil {
		return types.Ok[T, wit.Error](value)
	}
	own := &coffer.Error{Kind: coffer.Internal, Message: err.Error()}
	errors.As(err, &own)
	return types.Err[T, wit.Error](wit.Error{Kind: uint8(own.Kind), Message: own.Message})
}

// Done is what has nothing to say but that it failed.
func Done(err error) types.Result[types.Unit, wit.Error] { return Value(types.Unit{}, err) }
