package permute_test

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/zmap-go/zmap/permute"
)

// The first targets of "ziterate --seed 1234 10.0.0.0/24".
func Example() {
	cycle, err := permute.New(1234, permute.Grid{Rows: 256, Cols: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	walks, err := cycle.Walks(permute.Shard{N: 0, Of: 1}, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	batch := make([]uint64, 6)
	for _, index := range batch[:walks[0].Fill(batch)] {
		fmt.Println(netip.AddrFrom4([4]byte{10, 0, 0, byte(index)}))
	}
	// Output:
	// 10.0.0.122
	// 10.0.0.111
	// 10.0.0.78
	// 10.0.0.236
	// 10.0.0.196
	// 10.0.0.76
}

// A second process continues where the first one stopped.
func ExampleWalk_Resume() {
	walk := func() *permute.Walk {
		cycle, err := permute.New(1, permute.Grid{Rows: 1, Cols: 300})
		if err != nil {
			panic(err)
		}
		walks, err := cycle.Walks(permute.Shard{N: 0, Of: 1}, 1)
		if err != nil {
			panic(err)
		}
		return walks[0]
	}
	first := walk()
	fmt.Println(first.Fill(make([]uint64, 3)))

	second := walk()
	if err := second.Resume(first.Mark()); err != nil {
		panic(err)
	}
	fmt.Println(second.Next())
	// Output:
	// 3
	// 24 true
}

// Three hosts of a /24, in the order in which a scan of the whole /24 comes to them.
func ExampleCycle_Listed() {
	cycle, err := permute.New(1234, permute.Grid{Rows: 256, Cols: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	listed, err := cycle.Listed(slices.Values([]uint64{76, 111, 196}), permute.Shard{N: 0, Of: 1}, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	batch := make([]uint64, 6)
	fmt.Println(batch[:listed[0].Fill(batch)])
	// Output:
	// [111 196 76]
}
