// Package backend is what a database backend is.
package backend

import (
	"encoding/json"
	"time"
)

// Backend is one connection to a database. It is opened once, used by one call at a time, and dropped when it fails with
// coffer.Unavailable, when it panics, or when its time is over.
type Backend interface {
	// Describe says what the plugin is. It is called when a version is loaded; there is no network then.
	Describe() Description
	// Open checks the configuration, a JSON object, and keeps it. It connects to nothing.
	Open(config json.RawMessage) error
	// Username is a name for a user that does not exist yet.
	Username(Naming) (string, error)
	// Exists says whether there is a user of this name, whoever made it.
	Exists(username string) (bool, error)
	// Create makes a user. It fails with coffer.Conflict, and does nothing, if the name is taken.
	Create(User) error
	Update(Change) error
	// Remove succeeds only if the user and every session of it is gone then.
	Remove(Removal) error
	// Ping proves that the connection works.
	Ping() error
}

// Description is what a plugin says of itself.
type Description struct {
	// Name is the name in the catalog.
	Name    string
	Version string
	Help    string
	// DestinationFields of the configuration name the servers: what stands there may be connected to, and nothing else.
	DestinationFields []string
	DefaultPort       uint16
	// SecretFields of the configuration are shown to nobody, as is password.
	SecretFields []string
}

// Naming is whom a user's name is for.
type Naming struct {
	DisplayName string
	RoleName    string
	// Template is the connection's username_template; empty if there is none.
	Template string
}

// User is a user to make.
type User struct {
	Username string
	Password string
	// Expires is zero if it does not.
	Expires            time.Time
	Statements         []string
	RollbackStatements []string
}

// Change is what becomes of a user.
type Change struct {
	Username string
	// Password is nil if it stays.
	Password *string
	// Expires is zero if that stays.
	Expires    time.Time
	Statements []string
}

// Removal is a user to remove.
type Removal struct {
	Username   string
	Statements []string
}
