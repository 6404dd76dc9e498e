// Package netdev finds out how this host reaches the targets of a scan: by which interface, from which source address,
// and to which hardware address the frames go.
//
//	path, err := netdev.Find(ctx, netdev.Query{Targets: sample, Interface: "eth0"})
//	if err != nil {
//		return err // says what is missing and which option supplies it
//	}
//	logger.Info(netdev.Describe(path))
//
// The kernel is asked for the route to real targets, not for "the default route"; and where its neighbour table does
// not know the gateway, the package asks by ARP itself. Targets on the local network have hardware addresses of their
// own, which [Neighbours] collects.
//
// It is not a routing library: it answers one question about one scan, changes nothing on the host, and knows IPv4
// alone. It needs Linux; elsewhere everything but a dry run is an error.
package netdev
