//go:build !wasip1

package backend

// Serve says which backend this plugin is. Outside of a component nobody asks it.
func Serve(Backend) {}
