// Package types has the contract's types that Go has no word for.
package types

// Unit is no value.
type Unit struct{}

// Tuple2 is two values.
type Tuple2[A, B any] struct {
	F0 A
	F1 B
}

const (
	OptionNone = iota
	OptionSome
)

// Option is a value, or none.
type Option[T any] struct {
	there bool
	value T
}

// Some is a value.
func Some[T any](value T) Option[T] { return Option[T]{true, value} }

// None is none.
func None[T any]() Option[T] { return Option[T]{} }

// Tag tells which of the two it is.
func (o Option[T]) Tag() uint8 {
	if o.there {
		return OptionSome
	}
	return OptionNone
}

// Some is the value; the zero one if there is none.
func (o Option[T]) Some() T { return o.value }

const (
	ResultOk = iota
	ResultErr
)

// Result is a value, or an error.
type Result[T, E any] struct {
	failed bool
	value  T
	err    E
}

// Ok is a value.
func Ok[T, E any](value T) Result[T, E] { return Result[T, E]{value: value} }

// Err is an error.
func Err[T, E any](err E) Result[T, E] { return Result[T, E]{failed: true, err: err} }

// Tag tells which of the two it is.
func (r Result[T, E]) Tag() uint8 {
	if r.failed {
		return ResultErr
	}
	return ResultOk
}

// Ok is the value.
func (r Result[T, E]) Ok() T { return r.value }

// Err is the error.
func (r Result[T, E]) Err() E { return r.err }

// Pairs is a map as the contract has it.
func Pairs(of map[string]string) (pairs []Tuple2[string, string]) {
	for name, value := range of {
		pairs = append(pairs, Tuple2[string, string]{name, value})
	}
	return pairs
}
