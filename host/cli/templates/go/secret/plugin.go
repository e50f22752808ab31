// API keys that are good until their lease ends.
package main

import (
	"encoding/hex"
	"encoding/json"
	"strings"

	coffer "github.com/coffer-dev/coffer/sdk/go"
	"github.com/coffer-dev/coffer/sdk/go/engine"
)

func init() { engine.Serve(plugin{}) }

func main() {}

type plugin struct{ engine.Base }

// role says what keys are made for.
type role struct {
	TTL coffer.Seconds `json:"ttl"`
}

// issued is what is kept of a key, and what its lease knows of it.
type issued struct {
	Role string `json:"role"`
}

type kept struct {
	Place string `json:"place"`
}

func (plugin) Describe() engine.Description {
	name := engine.Field{Name: "name", Help: "The role.", Required: true}
	ttl := engine.Field{Name: "ttl", Kind: engine.DurationField, Help: "How long its keys are good."}
	key := engine.Field{Name: "key", Help: "The key.", Required: true}
	operations := func(all ...engine.Operation) []engine.Operation { return all }
	fields := func(all ...engine.Field) []engine.Field { return all }
	return engine.Description{
		Kind: engine.Secret, Name: "@name@", Version: "1.0.0", Help: "@description@",
		Paths: []engine.Path{
			{Pattern: "roles", Operations: operations(engine.List), Help: "Lists the roles."},
			{Pattern: "roles/{name}", Operations: operations(engine.Read, engine.Write, engine.Delete), Fields: fields(name, ttl), Help: "What keys are made for."},
			{Pattern: "keys/{name}", Operations: operations(engine.Read), Fields: fields(name), Help: "Makes a key."},
			{Pattern: "check", Operations: operations(engine.Write), Fields: fields(key), Help: "Whether a key is good."},
		},
	}
}

func (plugin) Handle(request engine.Request) (*engine.Response, error) {
	first, name, _ := strings.Cut(strings.TrimSuffix(request.Path, "/"), "/")
	switch first {
	case "roles":
		return roles(request, name)
	case "keys":
		return issue(request, name)
	case "check":
		return check(request)
	}
	return nil, coffer.Errorf(coffer.NotFound, "unsupported path")
}

func roles(request engine.Request, name string) (*engine.Response, error) {
	var role role
	switch {
	case name == "" && request.Operation == engine.List:
		names, err := coffer.Children("roles/", "", 1000)
		return engine.Answer(map[string]any{"keys": names}), err
	case name != "" && request.Operation == engine.Read:
		if err := coffer.LoadOr("roles/"+name, &role, coffer.Errorf(coffer.NotFound, "")); err != nil {
			return nil, err
		}
		return engine.Answer(role), nil
	case name != "" && request.Operation == engine.Write:
		if err := request.Decode(&role); err != nil {
			return nil, err
		}
		return nil, coffer.Store("roles/"+name, role)
	case name != "" && request.Operation == engine.Delete:
		return nil, coffer.Remove("roles/" + name)
	}
	return nil, coffer.Errorf(coffer.UnsupportedOperation, "unsupported operation")
}

// issue makes a key. The lease is there before the key is: whatever happens then, it will be revoked.
func issue(request engine.Request, name string) (*engine.Response, error) {
	if name == "" || request.Operation != engine.Read {
		return nil, coffer.Errorf(coffer.UnsupportedOperation, "unsupported operation")
	}
	var role role
	if err := coffer.LoadOr("roles/"+name, &role, coffer.Errorf(coffer.InvalidRequest, "there is no role %q", name)); err != nil {
		return nil, err
	}
	key := hex.EncodeToString(coffer.Random(20))
	place, err := place(key)
	if err != nil {
		return nil, err
	}
	lease := coffer.LeaseRequest{TTL: role.TTL, Renewable: true, Internal: kept{place}}
	if _, err := coffer.Prepare(&lease); err != nil {
		return nil, err
	}
	return engine.Answer(map[string]string{"key": key}), coffer.Store(place, issued{name})
}

func check(request engine.Request) (*engine.Response, error) {
	if request.Operation != engine.Write {
		return nil, coffer.Errorf(coffer.UnsupportedOperation, "unsupported operation")
	}
	var given struct {
		Key string `json:"key"`
	}
	if err := request.Decode(&given); err != nil {
		return nil, err
	}
	if given.Key == "" {
		return nil, coffer.Errorf(coffer.InvalidRequest, "missing key")
	}
	place, err := place(given.Key)
	if err != nil {
		return nil, err
	}
	var of issued
	if err := coffer.LoadOr(place, &of, coffer.Errorf(coffer.PermissionDenied, "the key is not good, or no more")); err != nil {
		return nil, err
	}
	return engine.Answer(of), nil
}

// place is where a key stands. Keys of storage are not encrypted: it is a code of the API key, which only the host can make.
func place(key string) (string, error) {
	mac, err := coffer.EnsureKey("mac", "hmac")
	if err != nil {
		return "", err
	}
	code, err := mac.MAC([]byte(key))
	return "keys/" + hex.EncodeToString(code), err
}

func (plugin) Renew(_ engine.Lease, increment coffer.Seconds) (engine.Renewal, error) {
	return engine.Renewal{TTL: increment}, nil
}

func (plugin) Revoke(lease engine.Lease) error {
	var of kept
	if err := json.Unmarshal(lease.Internal, &of); err != nil {
		return err
	}
	return coffer.Remove(of.Place)
}
