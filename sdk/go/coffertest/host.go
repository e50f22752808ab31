// Package coffertest has a host in memory: a plugin's tests call its engine as a server does.
package coffertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	coffer "github.com/coffer-dev/coffer/sdk/go"
	"github.com/coffer-dev/coffer/sdk/go/engine"
)

// Host is a mount of an engine, with all that it keeps and all that was issued.
type Host struct {
	// Storage is what the engine has put.
	Storage map[string][]byte
	// Leases are those that live, the oldest first.
	Leases []engine.Lease
	// Clock is the time; move it to have time pass.
	Clock time.Time
	// Info is where the engine is mounted.
	Info coffer.MountInfo
	// Answer answers what the engine fetches. Nothing is granted if it is nil.
	Answer func(coffer.HTTPRequest) (*coffer.HTTPResponse, error)
	// Dial answers what it connects to. Nothing is granted if it is nil.
	Dial func(host string, port uint16) (coffer.Connection, error)
	// Headers is what requests say in headers, by their names.
	Headers map[string][]string
	// Responded is the headers that were added to responses.
	Responded map[string][]string
	// Groups is what the last login was said to be in.
	Groups []string
	// Content is the last body that was answered in place of JSON, and ContentType its type.
	Content     []byte
	ContentType string
	// Passwords has a password for each password policy there is, by its name.
	Passwords map[string]string
	// Pod is the token and the certificates of the pod that the server runs in.
	Pod struct{ Token, Certificates string }
	// Failing is what each call of storage fails with, for as long as it is set.
	Failing error

	t       testing.TB
	mounted engine.Engine
	keys    map[string]key
	path    string
	leased  bool
	before  map[string][]byte
	heldBy  map[string]key
}

// New mounts an engine for the length of a test; nil for a database backend, which the test calls itself.
func New(t testing.TB, mounted engine.Engine) *Host {
	h := &Host{
		Storage: map[string][]byte{},
		Clock:   time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		Info:    coffer.MountInfo{Path: "test/", Accessor: "test", DefaultTTL: 3600, MaxTTL: 86400, Options: json.RawMessage("{}")},
		t:       t, mounted: mounted, keys: map[string]key{}, Responded: map[string][]string{},
	}
	coffer.Use(h)
	t.Cleanup(func() { coffer.Use(nil) })
	return h
}

// Call asks the engine. What it has put is dropped if it fails.
func (h *Host) Call(operation engine.Operation, path string, data map[string]any) (*engine.Response, error) {
	h.t.Helper()
	if data == nil {
		data = map[string]any{}
	}
	text, err := json.Marshal(data)
	if err != nil {
		h.t.Fatal(err)
	}
	h.path, h.leased = path, false
	h.commit()
	response, err := h.mounted.Handle(engine.Request{
		Operation: operation, Path: path, Data: text,
		Caller: engine.Caller{DisplayName: "test", Token: "test", RemoteAddress: "127.0.0.1"},
	})
	if err != nil {
		h.Storage, h.keys = h.before, h.heldBy
		return nil, err
	}
	if response == nil {
		response = &engine.Response{}
	}
	return response, nil
}

// Must asks the engine, and fails the test if it refuses. It gives the answer's data as they are in JSON.
func (h *Host) Must(operation engine.Operation, path string, data map[string]any) map[string]any {
	h.t.Helper()
	response, err := h.Call(operation, path, data)
	if err != nil {
		h.t.Fatalf("%s %s: %v", operation, path, err)
	}
	var plain map[string]any
	text, err := json.Marshal(response.Data)
	if err == nil {
		err = json.Unmarshal(text, &plain)
	}
	if err != nil {
		h.t.Fatalf("%s %s: the data are no object: %v", operation, path, err)
	}
	return plain
}

// Refused asks the engine, and fails the test unless it refuses with this kind of error.
func (h *Host) Refused(kind coffer.ErrorKind, operation engine.Operation, path string, data map[string]any) {
	h.t.Helper()
	_, err := h.Call(operation, path, data)
	var refused *coffer.Error
	if !errors.As(err, &refused) || refused.Kind != kind {
		h.t.Fatalf("%s %s: got %v, wanted an error of kind %d", operation, path, err, kind)
	}
}

// Revoke ends the newest lease.
func (h *Host) Revoke() error {
	h.t.Helper()
	last := len(h.Leases) - 1
	if last < 0 {
		h.t.Fatal("there is no lease")
	}
	if err := h.mounted.Revoke(h.Leases[last]); err != nil {
		return err
	}
	h.Leases = h.Leases[:last]
	return nil
}

func (h *Host) commit() {
	h.before, h.heldBy = maps.Clone(h.Storage), maps.Clone(h.keys)
}

// Get is the host's.
func (h *Host) Get(key string) ([]byte, error) { return h.Storage[key], h.Failing }

// Put is the host's.
func (h *Host) Put(key string, value []byte) error {
	if h.Failing == nil {
		h.Storage[key] = slices.Clone(value)
	}
	return h.Failing
}

// Delete is the host's.
func (h *Host) Delete(key string) error {
	if h.Failing == nil {
		delete(h.Storage, key)
	}
	return h.Failing
}

// Scan is the host's.
func (h *Host) Scan(prefix, after string, limit uint32) ([]string, error) {
	return h.list(after, limit, func(key string) (string, bool) { return key, strings.HasPrefix(key, prefix) })
}

// Children is the host's.
func (h *Host) Children(prefix, after string, limit uint32) ([]string, error) {
	return h.list(after, limit, func(key string) (string, bool) {
		name, below := strings.CutPrefix(key, prefix)
		if first, _, deeper := strings.Cut(name, "/"); deeper {
			name = first + "/"
		}
		return name, below
	})
}

func (h *Host) list(after string, limit uint32, name func(key string) (string, bool)) ([]string, error) {
	var names []string
	for key := range h.Storage {
		if name, is := name(key); is && name > after {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), int(limit))], h.Failing
}

// Now is the host's.
func (h *Host) Now() time.Time { return h.Clock }

// Log is the host's: lines go to the test's.
func (h *Host) Log(_ coffer.Level, message string) { h.t.Log(message) }

// Mount is the host's.
func (h *Host) Mount() coffer.MountInfo { return h.Info }

// Prepare is the host's.
func (h *Host) Prepare(lease *coffer.LeaseRequest) (*coffer.LeaseGrant, error) {
	if h.Failing != nil {
		return nil, h.Failing
	}
	if lease != nil && h.leased {
		return nil, coffer.Errorf(coffer.Internal, "a request has one lease")
	}
	h.commit()
	if lease == nil {
		return nil, nil
	}
	internal, err := json.Marshal(lease.Internal)
	if err != nil {
		return nil, err
	}
	ttl, ceiling := lease.TTL, h.Info.MaxTTL
	if ttl == 0 {
		ttl = h.Info.DefaultTTL
	}
	if lease.MaxTTL != 0 {
		ceiling = min(ceiling, lease.MaxTTL)
	}
	ttl = min(ttl, ceiling)
	made := engine.Lease{
		ID: fmt.Sprintf("%s%s/%d", h.Info.Path, h.path, len(h.Leases)+1), Kind: engine.SecretLease, Path: h.path, Internal: internal,
		Issued: h.Clock, Expires: h.Clock.Add(time.Duration(ttl) * time.Second),
	}
	h.Leases, h.leased = append(h.Leases, made), true
	return &coffer.LeaseGrant{ID: made.ID, TTL: ttl, Expires: made.Expires, Renewable: lease.Renewable}, nil
}

// Withdraw is the host's.
func (h *Host) Withdraw() error {
	if h.leased {
		h.Leases, h.leased = h.Leases[:len(h.Leases)-1], false
	}
	return nil
}

// Fetch is the host's.
func (h *Host) Fetch(request coffer.HTTPRequest) (*coffer.HTTPResponse, error) {
	if h.Answer == nil {
		return nil, coffer.Errorf(coffer.PermissionDenied, "%s is not granted", request.URL)
	}
	return h.Answer(request)
}

// Connect is the host's.
func (h *Host) Connect(to string, port uint16) (coffer.Connection, error) {
	if h.Dial == nil {
		return nil, coffer.Errorf(coffer.PermissionDenied, "%s:%d is not granted", to, port)
	}
	return h.Dial(to, port)
}
