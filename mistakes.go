package zmap

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/link"
)

// maxCore is the largest number of a processor: CPU_SETSIZE of the C library, less one.
const maxCore = 1<<10 - 1

// checkFields notes the settings that can be wrong by themselves. Defaults are filled in.
func (s *setup) checkFields(note func(field, value string, err error)) {
	check := func(bad bool, field string, value any, want string) {
		if bad {
			note(field, fmt.Sprint(value), errors.New(want))
		}
	}
	within := func(n, most int, field string) {
		check(n < 0 || n > most, field, n, fmt.Sprintf("must be 0 to %d", most))
	}
	check(s.SourcePorts.Size() == 0, "SourcePorts", s.SourcePorts, "the first port is above the last")
	check(s.CheckPort > No, "CheckPort", s.CheckPort, "must be ByModule, Yes or No")
	within(s.Batch, link.MaxBatch, "Batch")
	within(s.Senders, link.MaxSenders, "Senders")
	within(s.Retries, link.MaxRetries, "Retries")
	for _, c := range s.Cores {
		within(c, maxCore, "Cores")
	}
	check(!percent(s.MaxTargets.Percent), "MaxTargets", s.MaxTargets.Percent, "must be 0 to 100 percent")
	check(s.MaxRuntime < 0, "MaxRuntime", s.MaxRuntime, "must be 0 or more")
	check(!percent(s.MinHitRate), "MinHitRate", s.MinHitRate, "must be 0 to 100 percent")
	for _, a := range s.Sources {
		check(!a.IsValid() || a.Is4In6() || a.Zone() != "" || a.IsMulticast(), "Sources", a, "must be an address of a host")
	}
	names := s.linkNames()
	last := len(names) - 1
	check(!slices.Contains(names, s.Link), "Link", s.Link,
		"no link engine is called that: want "+strings.Join(names[1:last], ", ")+" or "+names[last])
	check(s.Qdisc > link.QdiscUse, "Qdisc", s.Qdisc, "must be QdiscBypass or QdiscUse")
	check(s.RST > link.RSTOneshot, "RST", s.RST, "must be one of the policies of package link")
	check(s.DryRun != nil && s.DryRun.W == nil, "DryRun", "", "has nothing to write to: set W")
	check(s.Dedup > dedup.MethodWindow, "Dedup", s.Dedup, "must be one of the methods of package dedup")
	if w := s.DedupWindow; w < 1 || w > dedup.MaxWindow {
		note("DedupWindow", strconv.Itoa(w), fmt.Errorf("must be 1 to %d", dedup.MaxWindow))
	}
}

// percent says whether p is a number of percent. It is not if p is not a number.
func percent(p float64) bool { return p >= 0 && p <= 100 && !math.Signbit(p) }

// linkNames are what Config.Link may be; the first is "".
func (s *setup) linkNames() []string {
	names := []string{"", link.Auto}
	for _, e := range allEngines() {
		names = append(names, e.Name())
	}
	return names
}
