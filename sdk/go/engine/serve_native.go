//go:build !wasip1

package engine

// Serve says which engine this plugin is. Outside of a component nobody asks it.
func Serve(Engine) {}
