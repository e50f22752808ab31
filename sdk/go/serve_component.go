//go:build wasip1

package coffer

import (
	"encoding/json"
	"errors"
	"time"

	wit "github.com/coffer-dev/coffer/sdk/go/internal/bindings/coffer_plugin_engine"
	exports "github.com/coffer-dev/coffer/sdk/go/internal/bindings/export_coffer_plugin_engine"
	_ "github.com/coffer-dev/coffer/sdk/go/internal/bindings/wit_exports"
	"github.com/coffer-dev/coffer/sdk/go/internal/wit/types"
)

// Serve says which engine this plugin is. Call it in an init function: nobody calls main.
func Serve(engine Engine) { exports.Served = served{engine} }

// served is an engine as the contract has it.
type served struct{ engine Engine }

func (s served) Describe() wit.Description {
	own := s.engine.Describe()
	description := wit.Description{
		Kind: uint8(own.Kind), Name: own.Name, Version: own.Version, Help: own.Help, Tick: uint64(own.Tick),
	}
	for _, own := range own.Paths {
		path := wit.Path{
			Pattern: own.Pattern, Help: own.Help,
			Unauthenticated: own.Unauthenticated, Sudo: own.Sudo, ChecksExistence: own.ChecksExistence,
		}
		for _, operation := range own.Operations {
			path.Operations = append(path.Operations, uint8(operation))
		}
		for _, field := range own.Fields {
			path.Fields = append(path.Fields, wit.Field{
				Name: field.Name, Kind: uint8(field.Kind), Help: field.Help, Required: field.Required,
				Deprecated: field.Deprecated, Default: field.Default, Destination: field.Destination,
			})
		}
		description.Paths = append(description.Paths, path)
	}
	return description
}

func (s served) Handle(asked wit.Request) types.Result[wit.Response, wit.Error] {
	own, err := s.engine.Handle(request(asked))
	if err != nil {
		return failed[wit.Response](err)
	}
	if own == nil {
		own = &Response{}
	}
	response := wit.Response{Warnings: own.Warnings, Ttl: uint64(own.TTL)}
	if own.Status != 0 {
		response.Status = types.Some(own.Status)
	}
	if own.Data != nil {
		text, err := json.Marshal(own.Data)
		if err != nil {
			return failed[wit.Response](err)
		}
		response.Data = types.Some(string(text))
	}
	if own.Login != nil {
		auth, err := login(own.Login)
		if err != nil {
			return failed[wit.Response](err)
		}
		response.Auth = types.Some(auth)
	}
	return types.Ok[wit.Response, wit.Error](response)
}

func (s served) Exists(asked wit.Request) types.Result[types.Option[bool], wit.Error] {
	exists, err := s.engine.Exists(request(asked))
	switch {
	case err != nil:
		return failed[types.Option[bool]](err)
	case exists == nil:
		return types.Ok[types.Option[bool], wit.Error](types.None[bool]())
	}
	return types.Ok[types.Option[bool], wit.Error](types.Some(*exists))
}

func (s served) Renew(of wit.Lease, increment uint64) types.Result[wit.Renewal, wit.Error] {
	renewal, err := s.engine.Renew(lease(of), Seconds(increment))
	if err != nil {
		return failed[wit.Renewal](err)
	}
	return types.Ok[wit.Renewal, wit.Error](wit.Renewal{
		Ttl: uint64(renewal.TTL), MaxTtl: uint64(renewal.MaxTTL), Period: uint64(renewal.Period),
	})
}

func (s served) Revoke(of wit.Lease) types.Result[types.Unit, wit.Error] {
	return done(s.engine.Revoke(lease(of)))
}

func (s served) Tick() types.Result[types.Unit, wit.Error] { return done(s.engine.Tick()) }

func request(asked wit.Request) Request {
	return Request{
		Operation: Operation(asked.Operation), Path: asked.Path, Data: json.RawMessage(asked.Data),
		Caller: Caller{
			DisplayName: asked.Caller.DisplayName, Token: asked.Caller.Token, RemoteAddress: asked.Caller.RemoteAddress,
		},
	}
}

func lease(of wit.Lease) Lease {
	return Lease{
		ID: of.LeaseId, Kind: LeaseKind(of.Kind), Path: of.Path, Internal: json.RawMessage(of.Internal),
		Issued: time.UnixMilli(int64(of.Issued)), Expires: time.UnixMilli(int64(of.Expires)),
	}
}

func login(own *Login) (wit.Auth, error) {
	internal, err := json.Marshal(own.Internal)
	if err != nil {
		return wit.Auth{}, err
	}
	auth := wit.Auth{
		Policies: own.Policies, NoDefaultPolicy: own.NoDefaultPolicy, DisplayName: own.DisplayName,
		Metadata: pairs(own.Metadata), Internal: string(internal), Renewable: own.Renewable,
		Ttl: uint64(own.TTL), MaxTtl: uint64(own.MaxTTL), ExplicitMaxTtl: uint64(own.ExplicitMaxTTL),
		Period: uint64(own.Period), NumUses: own.NumUses, BoundCidrs: own.BoundCIDRs, Kind: uint8(own.Kind),
	}
	if own.Alias != nil {
		auth.Alias = types.Some(wit.Alias{Name: own.Alias.Name, Metadata: pairs(own.Alias.Metadata)})
	}
	return auth, nil
}

func pairs(of map[string]string) (pairs []types.Tuple2[string, string]) {
	for name, value := range of {
		pairs = append(pairs, types.Tuple2[string, string]{F0: name, F1: value})
	}
	return pairs
}

func failed[T any](err error) types.Result[T, wit.Error] {
	own := &Error{Internal, err.Error()}
	errors.As(err, &own)
	return types.Err[T, wit.Error](wit.Error{Kind: uint8(own.Kind), Message: own.Message})
}

func done(err error) types.Result[types.Unit, wit.Error] {
	if err != nil {
		return failed[types.Unit](err)
	}
	return types.Ok[types.Unit, wit.Error](types.Unit{})
}
