// Package coffer is what a secret engine or an auth method for Coffer is written with.
//
// A plugin is a main package that gives its [Engine] to [Serve] in an init function, and whose main function does nothing;
// `coffer plugin build` makes a component of it. What the host does for a plugin are the functions of this package: storage,
// leases, keys, time, randomness and the network, each call of a plugin in a sandbox of its own. In tests the host is one in
// memory, of the package coffertest.
package coffer

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Engine is a secret engine or an auth method. Embed [Base] for what it does not need. What stands in a variable is gone
// with the call: what must stay is put into storage.
type Engine interface {
	// Describe says what the plugin is. It is called when a version is loaded, without anything to call.
	Describe() Description
	// Handle answers a request. An error that is no *Error is logged, and the caller gets a 500 without it.
	Handle(Request) (*Response, error)
	// Exists says whether what a write is for is there already: create and update are then two capabilities. Nil if it does
	// not matter. Only asked for paths that say ChecksExistence.
	Exists(Request) (*bool, error)
	// Renew is asked when a lease is to last longer.
	Renew(lease Lease, increment Seconds) (Renewal, error)
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
func (Base) Renew(Lease, Seconds) (Renewal, error) {
	return Renewal{}, Errorf(InvalidRequest, "lease is not renewable")
}

// Revoke has nothing to undo.
func (Base) Revoke(Lease) error { return nil }

// Tick has nothing to do.
func (Base) Tick() error { return nil }

// Seconds is a length of time. In JSON it is a number, or a text like "90", "10m" or "1h30m".
type Seconds uint64

// UnmarshalJSON reads a duration as Vault's clients write it.
func (s *Seconds) UnmarshalJSON(data []byte) error {
	text := strings.Trim(string(data), `"`)
	if number, err := strconv.ParseUint(text, 10, 63); err == nil {
		*s = Seconds(number)
		return nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if number, err := strconv.ParseUint(days, 10, 32); err == nil {
			*s = Seconds(number * 24 * 60 * 60)
			return nil
		}
	}
	duration, err := time.ParseDuration(text)
	if err != nil || duration < 0 {
		return fmt.Errorf("%q is no duration", text)
	}
	*s = Seconds(duration / time.Second)
	return nil
}

// TextList is texts. In JSON it is a list, or one text with commas.
type TextList []string

// UnmarshalJSON reads a list as Vault's clients write it.
func (l *TextList) UnmarshalJSON(data []byte) error {
	var list []string
	if err := json.Unmarshal(data, &list); err != nil {
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return fmt.Errorf("%s is no list of texts", data)
		}
		list = strings.Split(text, ",")
	}
	*l = nil
	for _, item := range list {
		if item = strings.TrimSpace(item); item != "" {
			*l = append(*l, item)
		}
	}
	return nil
}

// EngineKind is what a plugin is.
type EngineKind uint8

const (
	Secret EngineKind = iota
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
	Kind    EngineKind
	Name    string
	Version string
	Help    string
	Paths   []Path
	// Tick is how often periodic work is done; 0 if there is none.
	Tick Seconds
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
		return Errorf(InvalidRequest, "%v", err)
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
	TTL            Seconds
	MaxTTL         Seconds
	ExplicitMaxTTL Seconds
	Period         Seconds
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
	TTL Seconds
}

// Answer is an answer with data.
func Answer(data any) *Response { return &Response{Data: data} }

// LeaseKind is what a lease is for.
type LeaseKind uint8

const (
	// SecretLease was made by Prepare.
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
type Renewal struct{ TTL, MaxTTL, Period Seconds }

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
