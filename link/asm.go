package link

import (
	"slices"

	"golang.org/x/net/bpf"
)

// An assembler puts together a classic BPF program with labels. Conditional jumps of the machine reach 255 instructions
// forward, unconditional ones all the way; the assembler takes the long form where the short one does not reach.
//
// The machine (man 7 socket, SO_ATTACH_FILTER; kernel Documentation/networking/filter.rst) has an accumulator A, an index
// register X and 16 scratch words, jumps forward only, and rejects the packet at a load beyond its end.
type assembler struct {
	ops    []op
	placed []int // label -> index of the first op behind it, -1 until placed
}

// A label is a place to jump to.
type label int

// An op is one instruction, or a jump if to is not noLabel; a jump without a condition has op.cond nil.
type op struct {
	ins  bpf.Instruction // JumpIf or JumpIfX with its skips not yet known; nil for an unconditional jump
	to   label
	long bool // the conditional jump needs the form of two instructions
}

const noLabel label = -1

// label returns a new label, to be placed later.
func (a *assembler) label() label {
	a.placed = append(a.placed, -1)
	return label(len(a.placed) - 1)
}

// place puts l before the next instruction.
func (a *assembler) place(l label) { a.placed[l] = len(a.ops) }

// emit appends plain instructions.
func (a *assembler) emit(ins ...bpf.Instruction) {
	for _, i := range ins {
		a.ops = append(a.ops, op{ins: i, to: noLabel})
	}
}

// jump appends an unconditional jump.
func (a *assembler) jump(to label) { a.ops = append(a.ops, op{to: to}) }

// when appends: if A cond val, jump to to.
func (a *assembler) when(cond bpf.JumpTest, val uint32, to label) {
	a.ops = append(a.ops, op{ins: bpf.JumpIf{Cond: cond, Val: val}, to: to})
}

// whenX appends: if A cond X, jump to to.
func (a *assembler) whenX(cond bpf.JumpTest, to label) {
	a.ops = append(a.ops, op{ins: bpf.JumpIfX{Cond: cond}, to: to})
}

// at returns the position of each op in instructions, and at the end the length of the program.
func (a *assembler) at() []int {
	pos := make([]int, len(a.ops)+1)
	for i, o := range a.ops {
		pos[i+1] = pos[i] + 1
		if o.long {
			pos[i+1]++
		}
	}
	return pos
}

// program resolves the jumps. Making a jump long moves what is behind it, so it repeats until nothing changes; jumps
// never become short again, so it ends.
func (a *assembler) program() []bpf.Instruction {
	pos := a.at()
	for changed := true; changed; pos = a.at() {
		changed = false
		for i := range a.ops {
			o := &a.ops[i]
			if o.to == noLabel || o.ins == nil || o.long {
				continue
			}
			if pos[a.placed[o.to]]-pos[i]-1 > 255 {
				o.long, changed = true, true
			}
		}
	}
	out := make([]bpf.Instruction, 0, pos[len(a.ops)])
	for i, o := range a.ops {
		if o.to == noLabel {
			out = append(out, o.ins)
			continue
		}
		skip := pos[a.placed[o.to]] - pos[i+1]
		switch {
		case o.ins == nil:
			out = append(out, bpf.Jump{Skip: uint32(skip)})
		case o.long:
			out = append(out, withSkips(o.ins, 0, 1), bpf.Jump{Skip: uint32(skip)})
		default:
			out = append(out, withSkips(o.ins, uint8(skip), 0))
		}
	}
	return out
}

func withSkips(ins bpf.Instruction, yes, no uint8) bpf.Instruction {
	switch j := ins.(type) {
	case bpf.JumpIf:
		j.SkipTrue, j.SkipFalse = yes, no
		return j
	case bpf.JumpIfX:
		j.SkipTrue, j.SkipFalse = yes, no
		return j
	}
	return ins
}

// A span is the numbers lo to hi, both included.
type span struct{ lo, hi uint32 }

// merge sorts spans and joins those that touch.
func merge(spans []span) []span {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b span) int {
		switch {
		case a.lo < b.lo:
			return -1
		case a.lo > b.lo:
			return 1
		}
		return 0
	})
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 && uint64(s.lo) <= uint64(out[n-1].hi)+1 {
			out[n-1].hi = max(out[n-1].hi, s.hi)
			continue
		}
		out = append(out, s)
	}
	return out
}

// linear is the number of values tested one by one at the end of a search by halves.
const linear = 8

// member jumps to yes if A is in one of the merged spans, else to no.
func (a *assembler) member(spans []span, yes, no label) {
	if len(spans) > linear {
		half := len(spans) / 2
		upper := a.label()
		a.when(bpf.JumpGreaterOrEqual, spans[half].lo, upper)
		a.member(spans[:half], yes, no)
		a.place(upper)
		a.member(spans[half:], yes, no)
		return
	}
	for _, s := range spans {
		if s.lo == s.hi {
			a.when(bpf.JumpEqual, s.lo, yes)
			continue
		}
		a.when(bpf.JumpLessThan, s.lo, no)
		a.when(bpf.JumpLessOrEqual, s.hi, yes)
	}
	a.jump(no)
}

// branch jumps to the label of the value that A has, or to no. The values are in ascending order.
func (a *assembler) branch(values []uint32, to []label, no label) {
	if len(values) > linear {
		half := len(values) / 2
		upper := a.label()
		a.when(bpf.JumpGreaterOrEqual, values[half], upper)
		a.branch(values[:half], to[:half], no)
		a.place(upper)
		a.branch(values[half:], to[half:], no)
		return
	}
	for i, v := range values {
		a.when(bpf.JumpEqual, v, to[i])
	}
	a.jump(no)
}
