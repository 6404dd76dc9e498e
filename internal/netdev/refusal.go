package netdev

import (
	"errors"
	"fmt"
	"strings"
)

// refusal words the error for a target without a route.
func (f *finder) refusal(named *device, a answer) error {
	switch {
	case errors.Is(a.err, errNoRoute) && f.q.Layer == Packets:
		return fmt.Errorf("%w to %s, without which the kernel sends no IP packets (-X): add one, or choose another interface with -i (interfaces: %s)",
			a.err, a.target, f.inventory())
	case errors.Is(a.err, errNoRoute) && named != nil:
		return fmt.Errorf("%w to %s by interface %s: add one, give the gateway's MAC address with -G, or choose another interface with -i",
			a.err, a.target, named.name)
	case errors.Is(a.err, errNoRoute):
		return fmt.Errorf("%w to %s: add one, or give the interface with -i and the gateway's MAC address with -G (interfaces: %s)",
			a.err, a.target, f.inventory())
	case f.q.Layer == Packets && isRefusal(a.err):
		return fmt.Errorf("%w covers target %s: exclude it (-b) or change the route", a.err, a.target)
	case isRefusal(a.err):
		return fmt.Errorf("%w covers target %s: exclude it (-b), change the route, or give the interface with -i and the gateway's MAC address with -G",
			a.err, a.target)
	default:
		return fmt.Errorf("ask for the route to %s: %w", a.target, a.err)
	}
}

// isRefusal reports whether err is the answer of a route that is there to refuse.
func isRefusal(err error) bool {
	return errors.Is(err, errUnreachable) || errors.Is(err, errProhibited) || errors.Is(err, errBlackhole)
}

// inventory lists the interfaces with what is wrong with each, for error messages.
func (f *finder) inventory() string {
	parts := make([]string, 0, len(f.devices))
	for i := range f.devices {
		d := &f.devices[i]
		note := ""
		switch {
		case !d.up:
			note = " (down)"
		case !d.carrier:
			note = " (no carrier)"
		case !f.primary(d.index).IsValid():
			note = " (no " + familyOf(f.six()) + " address)"
		}
		parts = append(parts, d.name+note)
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// byIndex returns the interface with that number, nil if it is gone.
func (f *finder) byIndex(index int) *device {
	for i := range f.devices {
		if f.devices[i].index == index {
			return &f.devices[i]
		}
	}
	return nil
}

// nameOf returns an interface's name for messages.
func (f *finder) nameOf(index int) string {
	if d := f.byIndex(index); d != nil {
		return d.name
	}
	return fmt.Sprintf("interface number %d", index)
}
