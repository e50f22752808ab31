//go:build wasip1

package engine

import (
	"encoding/json"
	"time"

	coffer "github.com/coffer-dev/coffer/sdk/go"
	wit "github.com/coffer-dev/coffer/sdk/go/internal/bindings/coffer_plugin_engine"
	exports "github.com/coffer-dev/coffer/sdk/go/internal/bindings/export_coffer_plugin_engine"
	_ "github.com/coffer-dev/coffer/sdk/go/internal/bindings/plugin_exports"
	"github.com/coffer-dev/coffer/sdk/go/internal/outcome"
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
		return outcome.Value(wit.Response{}, err)
	}
	if own == nil {
		own = &Response{}
	}
	return outcome.Value(response(own))
}

func (s served) Exists(asked wit.Request) types.Result[types.Option[bool], wit.Error] {
	exists, err := s.engine.Exists(request(asked))
	if exists == nil {
		return outcome.Value(types.None[bool](), err)
	}
	return outcome.Value(types.Some(*exists), err)
}

func (s served) Renew(of wit.Lease, increment uint64) types.Result[wit.Renewal, wit.Error] {
	renewal, err := s.engine.Renew(lease(of), coffer.Seconds(increment))
	return outcome.Value(wit.Renewal{
		Ttl: uint64(renewal.TTL), MaxTtl: uint64(renewal.MaxTTL), Period: uint64(renewal.Period),
	}, err)
}

func (s served) Revoke(of wit.Lease) types.Result[types.Unit, wit.Error] {
	return outcome.Done(s.engine.Revoke(lease(of)))
}

func (s served) Tick() types.Result[types.Unit, wit.Error] { return outcome.Done(s.engine.Tick()) }

func response(own *Response) (wit.Response, error) {
	response := wit.Response{Warnings: own.Warnings, Ttl: uint64(own.TTL)}
	if own.Status != 0 {
		response.Status = types.Some(own.Status)
	}
	if own.Data != nil {
		text, err := json.Marshal(own.Data)
		if err != nil {
			return response, err
		}
		response.Data = types.Some(string(text))
	}
	if own.Login != nil {
		auth, err := login(own.Login)
		if err != nil {
			return response, err
		}
		response.Auth = types.Some(auth)
	}
	return response, nil
}

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
		Metadata: types.Pairs(own.Metadata), Internal: string(internal), Renewable: own.Renewable,
		Ttl: uint64(own.TTL), MaxTtl: uint64(own.MaxTTL), ExplicitMaxTtl: uint64(own.ExplicitMaxTTL),
		Period: uint64(own.Period), NumUses: own.NumUses, BoundCidrs: own.BoundCIDRs, Kind: uint8(own.Kind),
	}
	if own.Alias != nil {
		auth.Alias = types.Some(wit.Alias{Name: own.Alias.Name, Metadata: types.Pairs(own.Alias.Metadata)})
	}
	return auth, nil
}
