// Package engine is what a secret engine or an auth method is.
package engine

import (
	"encoding/json"
	"time"

	coffer "github.com/coffer-dev/coffer/sdk/go"
)

// Engine is a secret engine or an auth method. Embed [Base] for what it does not need. What stands in a variable is gone
// with the call: what must stay is put into storage.
type Engine interface {
	// Describe says what the plugin is. It is called when a version is loaded, without anything to call.
	Describe() Description
	// Handle answers a request. An error that is no *coffer.Error is logged, and the caller gets a 500 without it.
	Handle(Request) (*Response, error)
	// Exists says whether what a write is for is there already: create and update are then two capabilities. Nil if it does
	// not matter. Only asked for paths that say ChecksExistence.
	Exists(Request) (*bool, error)
	// Renew is asked when a lease is to last longer.
	Renew(lease Lease, increment coffer.Seconds) (Renewal, error)
	// Revoke undoes what a lease was made for. It is called again until it succeeds.
	Revoke(Lease) error
	// Tick is periodic work, every Description.Tick seconds.
	Tick() error
}

// Base answers what many engines do not need.
type Base struct{}

// Exists says that it does not matter.
func (Base) Exists(Request) (*bool, error) { return nil, nil }

// Renew refuses.
func (Base) Renew(Lease, coffer.Seconds) (Renewal, error) {
	return Renewal{}, coffer.Errorf(coffer.InvalidRequest, "lease is not renewable")
}

// Revoke has nothing to undo.
func (Base) Revoke(Lease) error { return nil }

// Tick has nothing to do.
func (Base) Tick() error { return nil }

// Kind is what a plugin is.
type Kind uint8

const (
	Secret Kind = iota
	Auth
)

// Operation is what is done to a path.
type Operation uint8

const (
	Read Operation = iota
	Write
	Patch
	Delete
	List
)

func (o Operation) String() string {
	return [...]string{"read", "write", "patch", "delete", "list"}[o]
}

// FieldType is how a field is shown and documented.
type FieldType uint8

const (
	TextField FieldType = iota
	IntegerField
	BooleanField
	DurationField
	TextListField
	TextMapField
	ObjectField
	TimestampField
)

// Field is a parameter of a path.
type Field struct {
	Name       string
	Kind       FieldType
	Help       string
	Required   bool
	Deprecated bool
	// Default is JSON, or empty.
	Default string
	// Destination says that it names a host that the engine connects to, as the operator who writes it allows.
	Destination bool
}

// Path is paths that requests may have.
type Path struct {
	// Pattern is segments separated by slashes. {name} is one segment, {name*} (last only) the rest.
	Pattern    string
	Operations []Operation
	Fields     []Field
	Help       string
	// Unauthenticated paths need no token: logins.
	Unauthenticated bool
	// Sudo paths need that capability too.
	Sudo            bool
	ChecksExistence bool
}

// Description is what a plugin says of itself.
type Description struct {
	Kind    Kind
	Name    string
	Version string
	Help    string
	Paths   []Path
	// Tick is how often periodic work is done; 0 if there is none.
	Tick coffer.Seconds
}

// Caller is who asks.
type Caller struct {
	DisplayName string
	// Token is a name for the caller's token, the same as long as it lives, and not the token.
	Token         string
	RemoteAddress string
}

// Request is a request. Its path begins after the mount's.
type Request struct {
	Operation Operation
	Path      string
	// Data is a JSON object.
	Data   json.RawMessage
	Caller Caller
}

// Decode reads the request's data. What does not fit is the caller's mistake.
func (r Request) Decode(into any) error {
	if err := json.Unmarshal(r.Data, into); err != nil {
		return coffer.Errorf(coffer.InvalidRequest, "%v", err)
	}
	return nil
}

// Alias is whom an auth method knows a caller as.
type Alias struct {
	// Name is stable, and no one else's of this mount.
	Name     string
	Metadata map[string]string
}

// TokenKind is the kind of a login's token.
type TokenKind uint8

const (
	// DefaultToken is as the mount is tuned, else a service token.
	DefaultToken TokenKind = iota
	ServiceToken
	BatchToken
	DefaultServiceToken
	DefaultBatchToken
)

// Login is the token that an auth method asks for.
type Login struct {
	Policies        []string
	NoDefaultPolicy bool
	DisplayName     string
	Alias           *Alias
	Metadata        map[string]string
	// Internal is what Renew will need: anything that JSON has.
	Internal       any
	Renewable      bool
	TTL            coffer.Seconds
	MaxTTL         coffer.Seconds
	ExplicitMaxTTL coffer.Seconds
	Period         coffer.Seconds
	NumUses        uint32
	BoundCIDRs     []string
	Kind           TokenKind
}

// Response is an answer. The zero one is 204 without content.
type Response struct {
	// Status is the HTTP status, if it is not the usual one.
	Status uint16
	// Data is anything that is an object in JSON; nil if there is none.
	Data     any
	Warnings []string
	Login    *Login
	// TTL is how long the answer holds, where that is told without a lease.
	TTL coffer.Seconds
}

// Answer is an answer with data.
func Answer(data any) *Response { return &Response{Data: data} }

// LeaseKind is what a lease is for.
type LeaseKind uint8

const (
	// SecretLease was made by coffer.Prepare.
	SecretLease LeaseKind = iota
	// TokenLease is a login's token.
	TokenLease
)

// Lease is a lease that is renewed or revoked.
type Lease struct {
	ID   string
	Kind LeaseKind
	Path string
	// Internal is what the request or the login has left.
	Internal json.RawMessage
	Issued   time.Time
	Expires  time.Time
}

// Renewal is what a lease gets; 0 is as it was made.
type Renewal struct{ TTL, MaxTTL, Period coffer.Seconds }
