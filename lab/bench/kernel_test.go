package main

import (
	"math"
	"strconv"
	"strings"
	"testing"
)

// FuzzParseBench holds that what is read is figures that can be compared, each of them a field of the line with its unit behind
// it.
func FuzzParseBench(f *testing.F) {
	for _, line := range []string{
		"BenchmarkKernel-2   20   173.4 floor-ns/frame   201.9 ns/frame   1.164 ratio",
		"BenchmarkKernel-2   20   NaN floor-ns/frame   +Inf ns/frame   -1 ratio",
		"BenchmarkKernel-2   20   NaN floor-ns/frame   NaN ns/frame   NaN ratio", "BenchmarkKernel-2   20   0 ns/op", "BenchmarkKernel", "",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		units, err := parseBench(line)
		if err != nil {
			return
		}
		for _, u := range []string{"floor-ns/frame", "ns/frame", "ratio"} {
			v := units[u]
			if !(v > 0) || math.IsInf(v, 0) {
				t.Errorf("%q: %s is %v", line, u, v)
			}
			found := false
			fields := strings.Fields(line)
			for i := 1; i < len(fields); i++ {
				n, err := strconv.ParseFloat(fields[i-1], 64)
				found = found || fields[i] == u && err == nil && n == v
			}
			if !found {
				t.Errorf("%q: %s is %v, which is not there", line, u, v)
			}
		}
	})
}
