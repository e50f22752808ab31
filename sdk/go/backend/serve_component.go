//go:build wasip1

package backend

import (
	"encoding/json"
	"time"

	wit "github.com/coffer-dev/coffer/sdk/go/internal/bindings/coffer_plugin_backend"
	_ "github.com/coffer-dev/coffer/sdk/go/internal/bindings/database_exports"
	exports "github.com/coffer-dev/coffer/sdk/go/internal/bindings/export_coffer_plugin_backend"
	"github.com/coffer-dev/coffer/sdk/go/internal/outcome"
	"github.com/coffer-dev/coffer/sdk/go/internal/wit/types"
)

// Serve says which backend this plugin is. Call it in an init function: nobody calls main.
func Serve(backend Backend) { exports.Served = served{backend} }

// served is a backend as the contract has it.
type served struct{ backend Backend }

func (s served) Describe() wit.Description {
	own := s.backend.Describe()
	return wit.Description{
		Name: own.Name, Version: own.Version, Help: own.Help, DestinationFields: own.DestinationFields,
		DefaultPort: own.DefaultPort, SecretFields: own.SecretFields,
	}
}

func (s served) Open(config string) types.Result[types.Unit, wit.Error] {
	return outcome.Done(s.backend.Open(json.RawMessage(config)))
}

func (s served) Username(naming wit.UserNaming) types.Result[string, wit.Error] {
	return outcome.Value(s.backend.Username(Naming(naming)))
}

func (s served) Exists(username string) types.Result[bool, wit.Error] {
	return outcome.Value(s.backend.Exists(username))
}

func (s served) CreateUser(user wit.UserRequest) types.Result[types.Unit, wit.Error] {
	return outcome.Done(s.backend.Create(User{
		Username: user.Username, Password: user.Password, Expires: moment(user.Expires), Statements: user.Statements,
		RollbackStatements: user.RollbackStatements,
	}))
}

func (s served) UpdateUser(change wit.UserChange) types.Result[types.Unit, wit.Error] {
	own := Change{Username: change.Username, Expires: moment(change.Expires), Statements: change.Statements}
	if change.Password.Tag() == types.OptionSome {
		password := change.Password.Some()
		own.Password = &password
	}
	return outcome.Done(s.backend.Update(own))
}

func (s served) DeleteUser(removal wit.UserRemoval) types.Result[types.Unit, wit.Error] {
	return outcome.Done(s.backend.Remove(Removal(removal)))
}

func (s served) Ping() types.Result[types.Unit, wit.Error] { return outcome.Done(s.backend.Ping()) }

func moment(millis types.Option[uint64]) time.Time {
	if millis.Tag() == types.OptionNone {
		return time.Time{}
	}
	return time.UnixMilli(int64(millis.Some()))
}
