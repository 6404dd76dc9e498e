// Package probe says what to send and how to read the answer: one file for every probe module.
//
// A [Probe] is immutable and shared. Every sender gets an [Encoder] of its own, which writes a template once into a frame
// and afterwards patches the bytes that differ from target to target; every receiver gets a [Decoder], which recognises
// answers by the keyed tag of package validate and turns them into a row's fields:
//
//	p, err := probe.New("tcp_synscan", probe.Args{Text: "windows"})
//	enc := p.NewEncoder(route)
//	n := enc.Template(1, frame)
//	n = enc.Patch(frame, &probe.Shot{Target: t, Src: src, Tag: tagger.Tag(src, t.Addr, t.Port)})
//
// Modules outside this repository implement the same interface; examples/tcpack shows one. The package sends nothing.
package probe
