package zmap

import (
	"slices"
	"testing"
)

// TestRangesBut has the ranges that were used longest ago, and those that were not, first.
func TestRangesBut(t *testing.T) {
	for _, c := range []struct{ used, want []int }{
		{nil, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{[]int{0}, []int{1, 2, 3, 4, 5, 6, 7, 0}},
		{[]int{0, 1}, []int{2, 3, 4, 5, 6, 7, 0, 1}},
		{[]int{3, 0, 7}, []int{1, 2, 4, 5, 6, 3, 0, 7}},
		{[]int{9, -1}, []int{0, 1, 2, 3, 4, 5, 6, 7}}, // by hand
	} {
		if got := rangesBut(c.used); !slices.Equal(got, c.want) {
			t.Errorf("but %v: %v, want %v", c.used, got, c.want)
		}
	}
}
