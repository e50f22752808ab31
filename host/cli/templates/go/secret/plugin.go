// API keys that are good until their lease ends.
package main

import (
	"encoding/hex"
	"encoding/json"
	"strings"

	coffer "github.com/coffer-dev/coffer/sdk/go"
)

func init() { coffer.Serve(engine{}) }

func main() {}

type engine struct{ coffer.Base }

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

func (engine) Describe() coffer.Description {
	name := coffer.Field{Name: "name", Help: "The role.", Required: true}
	ttl := coffer.Field{Name: "ttl", Kind: coffer.DurationField, Help: "How long its keys are good."}
	key := coffer.Field{Name: "key", Help: "The key.", Required: true}
	operations := func(all ...coffer.Operation) []coffer.Operation { return all }
	fields := func(all ...coffer.Field) []coffer.Field { return all }
	return coffer.Description{
		Kind: coffer.Secret, Name: "@name@", Version: "1.0.0", Help: "@description@",
		Paths: []coffer.Path{
			{Pattern: "roles", Operations: operations(coffer.List), Help: "Lists the roles."},
			{Pattern: "roles/{name}", Operations: operations(coffer.Read, coffer.Write, coffer.Delete), Fields: fields(name, ttl), Help: "What keys are made for."},
			{Pattern: "keys/{name}", Operations: operations(coffer.Read), Fields: fields(name), Help: "Makes a key."},
			{Pattern: "check", Operations: operations(coffer.Write), Fields: fields(key), Help: "Whether a key is good."},
		},
	}
}

func (engine) Handle(request coffer.Request) (*coffer.Response, error) {
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

func roles(request coffer.Request, name string) (*coffer.Response, error) {
	var role role
	switch {
	case name == "" && request.Operation == coffer.List:
		names, err := coffer.Children("roles/", "", 1000)
		return coffer.Answer(map[string]any{"keys": names}), err
	case name != "" && request.Operation == coffer.Read:
		if err := coffer.LoadOr("roles/"+name, &role, coffer.Errorf(coffer.NotFound, "")); err != nil {
			return nil, err
		}
		return coffer.Answer(role), nil
	case name != "" && request.Operation == coffer.Write:
		if err := request.Decode(&role); err != nil {
			return nil, err
		}
		return nil, coffer.Store("roles/"+name, role)
	case name != "" && request.Operation == coffer.Delete:
		return nil, coffer.Remove("roles/" + name)
	}
	return nil, coffer.Errorf(coffer.UnsupportedOperation, "unsupported operation")
}

// issue makes a key. The lease is there before the key is: whatever happens then, it will be revoked.
func issue(request coffer.Request, name string) (*coffer.Response, error) {
	if name == "" || request.Operation != coffer.Read {
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
	return coffer.Answer(map[string]string{"key": key}), coffer.Store(place, issued{name})
}

func check(request coffer.Request) (*coffer.Response, error) {
	if request.Operation != coffer.Write {
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
	return coffer.Answer(of), nil
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

func (engine) Renew(_ coffer.Lease, increment coffer.Seconds) (coffer.Renewal, error) {
	return coffer.Renewal{TTL: increment}, nil
}

func (engine) Revoke(lease coffer.Lease) error {
	var of kept
	if err := json.Unmarshal(lease.Internal, &of); err != nil {
		return err
	}
	return coffer.Remove(of.Place)
}
