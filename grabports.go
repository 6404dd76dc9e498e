package zmap

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/zmap-go/zmap/internal/netdev"
	"github.com/zmap-go/zmap/validate"
)

const (
	firstGrabPort = 10_000 // with what is above they lie below net.ipv4.ip_local_port_range, which begins at 32768
	mostGrabPorts = 10_000 // source ports of the first scan: a host that closed a connection remembers its ports for a minute
	moreGrabPorts = 1824   // of each other one
	grabScans     = 8      // at once in one network namespace
)

// grabRange returns the source ports of the n-th scan with grabs at once. A scan keeps answers to its ports from the kernel, and so
// from all others: two with ports in common would take each other's.
func grabRange(n int) validate.Ports {
	if n == 0 {
		return validate.Ports{First: firstGrabPort, Last: firstGrabPort + mostGrabPorts - 1}
	}
	first := uint16(firstGrabPort + mostGrabPorts + (n-1)*moreGrabPorts)
	return validate.Ports{First: first, Last: first + moreGrabPorts - 1}
}

// claimPorts takes source ports that no other scan with grabs has, unless the user has chosen some. A scan that is carried on takes others than
// the processes before it had: their connections may still stand at hosts, which would take a SYN to the same ports for one of those
// (RFC 9293 section 3.10.7.4), and not answer it by a SYN-ACK.
func (s *setup) claimPorts(plan *Plan, k *keeper) (release func() error, err error) {
	if s.Grab == nil || s.DryRun != nil {
		return func() error { return nil }, nil
	}
	defer func() { s.warnOfLocalPorts(err) }()
	if s.ownPorts {
		if s.state != nil {
			s.Log.Warn("hosts that were being grabbed when the scan was killed may not answer once more: their connections to --source-port may still stand")
		}
		return func() error { return nil }, nil
	}
	var used []int
	if s.state != nil {
		used = s.state.Ranges
	}
	for _, n := range rangesBut(used) {
		release, err = netdev.Claim(fmt.Sprintf("zmap-grab-ports-%d", n))
		if errors.Is(err, netdev.ErrClaimed) {
			continue
		}
		k.note(n)
		s.SourcePorts = grabRange(n)
		plan.SourcePorts = s.SourcePorts
		return release, err
	}
	err = fmt.Errorf("find source ports: %d scans with grabs run already; give this one ports of its own (--source-port)", grabScans)
	return nil, err
}

// rangesBut returns the numbers of all ranges, those that were used last behind.
func rangesBut(used []int) []int {
	all := make([]int, grabScans)
	for n := range all {
		all[n] = n
	}
	slices.SortStableFunc(all, func(a, b int) int { return cmp.Compare(slices.Index(used, a), slices.Index(used, b)) })
	return all
}

// warnOfLocalPorts says so if the kernel may give a port of the scan to a connection of its own, whose answers the scan would keep.
func (s *setup) warnOfLocalPorts(err error) {
	first, last, lerr := netdev.LocalPorts()
	if err != nil || lerr != nil || s.SourcePorts.Last < first || s.SourcePorts.First > last {
		return
	}
	s.Log.Warn(fmt.Sprintf("the scan's source ports %s are among those that the kernel gives to connections of this machine, %d-%d: such a connection may stand still; "+
		"give the scan others (--source-port), or the kernel (net.ipv4.ip_local_port_range)", s.SourcePorts, first, last))
}
