// Package linktest is the link engine "memory": an Internet that is one function of the test, for tests without root.
//
//	net := linktest.New(func(frame []byte, emit func(time.Duration, []byte)) {
//		emit(20*time.Millisecond, answerTo(frame))
//	}, linktest.Options{LoseFirst: 3})
//	l, err := link.Open(ctx, cfg, link.Auto, net)
//
// Everything waits on channels and timers, never busily, so whole scans run inside a testing/synctest bubble in no time.
// What arrives at one instant arrives in the order in which it was emitted.
//
// [Conformance] and [PacketConformance] are the suites that every engine passes. The package is no model of a network's speed, and its links have
// no kernel behind them: nobody answers ARP unless the function does.
package linktest
