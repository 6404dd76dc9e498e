// Package lab is a test Internet on one machine, for tests and for "zmap demo".
//
// A process that uses it runs inside a fresh network namespace, as the scanner's host. A second process, the Internet,
// runs in a namespace of its own. One veth pair joins them:
//
//	 scanner's namespace                         Internet's namespace
//	┌────────────────────────────┐   veth   ┌──────────────────────────────────────────────────┐
//	│ scan0  172.31.255.1/24     ├──────────┤ net0  172.31.255.254/24                          │
//	│ default via 172.31.255.254 │          │ Kernel hosts: local routes, real listeners       │
//	│                            │          │ responder: the hosts that no kernel would play   │
//	└────────────────────────────┘          │ everything else: silence (no route, no forwarding)│
//	                                        └──────────────────────────────────────────────────┘
//
// A [World] says which address plays which part, a [Truth] derived from it says what every probe must get, and a [Net]
// is the running thing: it counts, captures with the kernel's time stamps, forges answers, and takes the link down.
//
// A World may ask for a second pair, by which all answers come back (World.Detour). [OpenTun] makes an interface without a link
// layer in the scanner's namespace, whose far end is a world of its own.
//
// [Net.Start] runs real servers in the Internet, [Net.Listen] opens ports there for servers of the test's own.
//
// Both namespaces hang on their processes alone: no name is pinned, and each child dies with its parent, so nothing is
// left after a Close, a Ctrl-C or a kill -9. The lab touches only interfaces it made: it verifies that its namespace is
// fresh before it does anything, marks it, and [New] refuses in a namespace without the mark.
//
// In a test package:
//
//	func TestMain(m *testing.M) { lab.Main(m) }
//
//	func TestScan(t *testing.T) {
//		world := lab.World{Ports: []uint16{80}, Hosts: []lab.Hosts{
//			{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Kind: lab.Kernel},
//			{Prefix: netip.MustParsePrefix("10.2.0.0/24"), Kind: lab.Late, Delay: 2 * time.Second},
//		}}
//		net, err := lab.New(t.Context(), world)
//		...
//		defer net.Close()
//		for addr := range net.Truth().Addrs(lab.SYN(80), lab.SYNACK) { ... }
//	}
//
// A program calls [Enter] instead, before anything else.
//
// A World may ask for a cable that loses packets (World.Loss), the same ones in every run. It does not delay or reorder them.
//
// It is not a traffic generator for other machines. It speaks IPv4. It needs Linux, and either root or
// unprivileged user namespaces; on other systems everything compiles and reports errors.ErrUnsupported.
package lab
