//go:build wasip1

// Package runtime is what the bindings need of memory and of handles.
package runtime

import (
	"runtime"
	"unsafe"
)

// Handle is a resource of the host, until it is taken.
type Handle struct{ number int32 }

// MakeHandle is the handle of a resource that the host has given.
func MakeHandle(number int32) *Handle { return &Handle{number} }

// Use is the number, which must still be there.
func (h *Handle) Use() int32 {
	if h.number == 0 {
		panic("the resource was dropped")
	}
	return h.number
}

// Take is the number, which is gone then.
func (h *Handle) Take() int32 {
	number := h.Use()
	h.number = 0
	return number
}

// TakeOrNil is Take, or 0 if it is gone already.
func (h *Handle) TakeOrNil() int32 {
	number := h.number
	h.number = 0
	return number
}

// Set fills a handle that is empty.
func (h *Handle) Set(number int32) {
	if h.number != 0 {
		panic("there is a resource already")
	}
	h.number = number
}

// Allocate is memory that stays where it is until it is unpinned. No type of the contract asks for more than the eight bytes
// to which it is aligned.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	memory := unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
	pinner.Pin(memory)
	return memory
}

// Scheduler and garbage collector read the monotonic clock, and no import may be called while the host asks for memory: the
// adapter then tells the time that it told before. It does so all along, as nothing here can wait for a time to come.
//
//go:wasmimport wasi_snapshot_preview1 adapter_monotonic_clock_set_paused
func pauseClock(paused bool)

func init() {
	pauseClock(true)
	// The goroutine in which the host asks for memory is there before it does.
	done := make(chan struct{})
	go close(done)
	<-done
}

// Memory of the system's: what is allocated of Go's own may have it collect garbage, which takes imports.
//
//go:linkname sbrk runtime.sbrk
func sbrk(size uintptr) unsafe.Pointer

const chunk = 256 << 10

// Where there is room for what the host has to say. It lasts as long as the call for which the component was made.
var next, end uintptr

//go:wasmexport cabi_realloc
func reallocate(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if old != nil || oldSize != 0 {
		panic("the host asks for memory once for each value")
	}
	start := (next + align - 1) &^ (align - 1)
	if start+size > end {
		whole := max(size, chunk)
		start = uintptr(sbrk(whole))
		if start == 0 {
			panic("out of memory")
		}
		end = start + whole
	}
	next = start + size
	return unsafe.Pointer(start)
}

// Unpin says that the values that the host gave are held by somebody else, too.
func Unpin() {}
