package target

import "reflect"

// Memory returns how many bytes the space takes, the entries of its lists included.
func (s *Space) Memory() uint64 {
	n := uint64(s.bytes()) + s.ports.memory() + sizeOf(s.allow) + sizeOf(s.block) + sizeOf(s.allow6) + sizeOf(s.block6) + sizeOf(s.blocked)
	for _, l := range s.six.list {
		n += sizeOf(l.runs) + sizeOf(l.slots)
	}
	return n
}

// bytes returns how many bytes the layout takes.
func (l *layout) bytes() int {
	return int(sizeOf(l.blocks) + sizeOf(l.runs) + sizeOf(l.slots) + sizeOf(l.marks))
}

// memory returns how many bytes the list of ports takes.
func (p Ports) memory() uint64 { return sizeOf(p.list) + sizeOf(p.table) }

// Memory returns how many bytes the list takes.
func (l *List) Memory() uint64 {
	n := uint64(reflect.TypeFor[List]().Size()) + sizeOf(l.six.list)
	for _, p := range l.pages {
		if p != nil {
			n += uint64(reflect.TypeFor[page]().Size()) + sizeOf(p.few)
			if p.bits != nil {
				n += sizeOf(p.bits[:])
			}
		}
	}
	return n
}

// sizeOf returns how many bytes a slice's memory has.
func sizeOf[T any](s []T) uint64 { return uint64(cap(s)) * uint64(reflect.TypeFor[T]().Size()) }
